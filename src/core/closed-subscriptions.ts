import { isResourceAction } from './grant.ts'
import { alwaysHoldsWith, meets, type LintedGrant } from './linted-grant.ts'
import type { InboxPolicy } from './inbox.ts'
import { guardOf } from './permissions.ts'
import type { UnsignedTables } from './policy-row.ts'
import { parsePrincipal } from './principal.ts'
import { compileResourceAction } from './resource-action.ts'
import { covers, overlaps, parseSubjectPattern, type SubjectPattern } from './subject.ts'

/** A grant that somebody does not get, or not all of, because of another one that ends with `*`. */
export interface ClosedSubscription {
  readonly closed: LintedGrant
  /** As it stands in the permissions; of an action on a resource, one of its subjects. */
  readonly subject: string
  readonly by: LintedGrant
  /** Of `by`, the one with the last `*`. */
  readonly bySubject: string
  /** What is denied because of that. */
  readonly guard: string
  readonly isWhole: boolean
  /** One who has both grants. */
  readonly principal: string
}

/** A grant whose last `*` closes the inbox that the account of the grant gives to its clients. */
export interface ClosedInbox {
  readonly by: LintedGrant
  readonly bySubject: string
  /** What is denied because of that. */
  readonly guard: string
  readonly policy: InboxPolicy
}

interface Subscription {
  readonly linted: LintedGrant
  readonly subject: string
  readonly pattern: SubjectPattern
}

interface Guard extends Subscription {
  readonly guard: { readonly text: string; readonly pattern: SubjectPattern }
}

interface Conflict {
  readonly guard: Guard
  readonly below: Subscription
}

/**
 * Finds grants to subscribe that lie below a last `*` of another one, which closes them (`core/permissions.ts`). Knows of a
 * principal the grants that are its own, those of its roles, and those of everybody of its issuer; not its groups, which tokens tell.
 */
export class ClosedSubscriptions {
  readonly #held = new Map<string, Subscription[]>()
  readonly #guards = new Map<string, Guard[]>()
  readonly #roles = new Map<string, Set<string>>()
  readonly #conflicts = new Map<string, readonly Conflict[]>()

  /** A grant that has not ended. */
  seeGrant(linted: LintedGrant): void {
    const { grant } = linted
    if (grant.effect === 'deny') return
    for (const subject of subscribedBy(grant)) {
      const pattern = patternOf(subject)
      if (pattern === undefined) continue
      const subscription = { linted, subject, pattern }
      add(this.#held, grant.principal, subscription)
      const text = guardOf(subject)
      if (text === undefined) continue
      const guard = { text, pattern: { tokens: [...pattern.tokens, { kind: 'rest' } as const] } }
      add(this.#guards, grant.principal, { ...subscription, guard })
    }
  }

  /** A role binding that has not ended. */
  seeBinding({ member, role }: UnsignedTables['binding']): void {
    const roles = this.#roles.get(member)
    if (roles === undefined) this.#roles.set(member, new Set([role]))
    else roles.add(role)
  }

  /** Each grant that is closed once, with one by which it is. */
  *find(): Generator<ClosedSubscription> {
    const told = new Set<LintedGrant>()
    for (const principal of new Set([...this.#held.keys(), ...this.#roles.keys()])) {
      const holders = this.#holdersFor(principal)
      for (const { guard: by, below } of this.#conflictsWithin(holders)) {
        if (told.has(below.linted) || this.#isOpen(by, below, holders)) continue
        told.add(below.linted)
        yield {
          closed: below.linted,
          subject: below.subject,
          by: by.linted,
          bySubject: by.subject,
          guard: by.guard.text,
          isWhole: covers(by.guard.pattern, below.pattern),
          principal,
        }
      }
    }
  }

  /** Each grant by which an inbox is closed, once; inboxes by the names of the accounts. */
  *findInboxes(inboxes: ReadonlyMap<string, InboxPolicy>): Generator<ClosedInbox> {
    const told = new Set<LintedGrant>()
    for (const principal of new Set([...this.#held.keys(), ...this.#roles.keys()])) {
      const holders = this.#holdersFor(principal)
      for (const by of holders.flatMap((holder) => this.#guards.get(holder) ?? [])) {
        const { linted, subject, guard } = by
        const policy = inboxes.get(linted.grant.account) ?? 'none'
        if (told.has(linted) || !closesInbox(by, policy) || this.#isOpen(by, undefined, holders)) continue
        told.add(linted)
        yield { by: linted, bySubject: subject, guard: guard.text, policy }
      }
    }
  }

  /** Those whose grants certainly come to the principal: itself, its roles, its issuer and the roles of that. */
  #holdersFor(principal: string): string[] {
    const parsed = parsePrincipal(principal)
    const issuerId = 'principal' in parsed ? parsed.principal.issuerId : undefined
    const named = issuerId === undefined ? [principal] : [principal, `issuer:${issuerId}`]
    return [...new Set([...named, ...named.flatMap((name) => [...(this.#roles.get(name) ?? [])])])]
  }

  *#conflictsWithin(holders: readonly string[]): Generator<Conflict> {
    for (const holder of holders) {
      const guards = this.#guards.get(holder)
      if (guards === undefined) continue
      for (const other of holders) yield* this.#conflictsOf(holder, guards, other)
    }
  }

  /** Many principals have the same two roles, so it is found once. */
  #conflictsOf(holder: string, guards: readonly Guard[], other: string): readonly Conflict[] {
    const name = `${holder}\n${other}`
    const known = this.#conflicts.get(name)
    if (known !== undefined) return known
    const found = guards.flatMap((guard) =>
      (this.#held.get(other) ?? []).filter((below) => closes(guard, below)).map((below) => ({ guard, below })),
    )
    this.#conflicts.set(name, found)
    return found
  }

  /** Whether all that the guard would close is granted, whenever both grants hold, or the one of the guard where there is no other. */
  #isOpen({ guard, linted: by }: Guard, below: Subscription | undefined, holders: readonly string[]): boolean {
    return holders.some((holder) =>
      (this.#held.get(holder) ?? []).some(
        ({ linted, pattern }) =>
          linted.grant.account === by.grant.account &&
          linted.grant.queue === undefined &&
          pattern.tokens.at(-1)?.kind === 'rest' &&
          covers(pattern, guard.pattern) &&
          (alwaysHoldsWith(linted, by) || (below !== undefined && alwaysHoldsWith(linted, below.linted))),
      ),
    )
  }
}

function closes({ guard, linted: by }: Guard, { linted: below, pattern }: Subscription): boolean {
  return by.grant.account === below.grant.account && meets(by, below) && overlaps(guard.pattern, pattern)
}

/** Clients subscribe to their prefix, a name that nobody knows before, and a `*`. */
function closesInbox({ guard: { pattern } }: Guard, policy: InboxPolicy): boolean {
  if (policy === 'none') return false
  const prefix = literal(policy === 'shared' ? '_INBOX' : '{{a private prefix}}')
  const isOpen = policy === 'shared' && covers({ tokens: [prefix, { kind: 'rest' }] }, pattern)
  return !isOpen && covers(pattern, { tokens: [prefix, literal('{{a name}}'), { kind: 'any' }] })
}

function literal(text: string) {
  return { kind: 'literal', text } as const
}

/** The subjects that a grant lets somebody subscribe to. Those of a resource that a variable names are not known. */
function subscribedBy({ action, subject }: LintedGrant['grant']): readonly string[] {
  if (action === 'subscribe') return [subject]
  if (!isResourceAction(action)) return []
  const compiled = compileResourceAction(action, subject, {})
  return 'subscribe' in compiled ? compiled.subscribe : []
}

/** A variable is taken for a name of its own: whether its value is that of another token, no row tells. */
function patternOf(subject: string): SubjectPattern | undefined {
  const parsed = parseSubjectPattern(subject)
  if ('problem' in parsed) return undefined
  const tokens = parsed.pattern.tokens.map((token) =>
    token.kind === 'variable' ? literal(`{{${token.name}}}`) : token,
  )
  return { tokens }
}

function add<Item>(lists: Map<string, Item[]>, name: string, item: Item): void {
  const list = lists.get(name)
  if (list === undefined) lists.set(name, [item])
  else list.push(item)
}
