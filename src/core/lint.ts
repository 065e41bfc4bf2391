import { ClosedSubscriptions } from './closed-subscriptions.ts'
import type { InboxPolicy } from './inbox.ts'
import { alwaysHoldsWith, type LintedGrant } from './linted-grant.ts'
import type { UnsignedRow, UnsignedTables } from './policy-row.ts'
import { parsePrincipal } from './principal.ts'
import { canonicalJson } from './same-row.ts'
import { SubjectIndex } from './subject-index.ts'
import { parseSubjectPattern, type SubjectPattern } from './subject.ts'
import { wideReach } from './wide-grant.ts'

/** What may be wrong with rows that the database takes. */
export const LINT_RULES = {
  wide: 'reaches more than is usually meant; an error unless it is marked as meant (force)',
  expired: 'does not hold any more',
  account_unknown: 'is for an account that callout.accounts does not list, so it allows nothing',
  issuer_unknown: 'names an issuer that the configuration does not have, so it is nobody’s',
  variable_unknown: 'holds a variable that no issuer of its principal supplies, so it cannot be applied',
  duplicate: 'says the same as another row',
  shadowed: 'allows nothing that another row does not allow as well',
  unreachable: 'allows nothing, because a denial covers it',
  closed: 'lies below a last * of another subscription of the same principal, which closes it',
  inbox_closed: 'has a last * that closes the inbox which the account gives to its clients',
} as const
export type LintRule = keyof typeof LINT_RULES

export interface Finding {
  readonly level: 'error' | 'warning'
  readonly rule: LintRule
  /** Where the row is: a place in a document, or its name. */
  readonly at: string
  readonly field: string
  readonly message: string
}

export interface LintedRow {
  readonly at: string
  readonly row: UnsignedRow
}

export interface LintContext {
  readonly accounts: ReadonlySet<string>
  /** Of those accounts that give one to their clients. */
  readonly inboxes?: ReadonlyMap<string, InboxPolicy>
  /** The attributes of each issuer entry. */
  readonly issuers: ReadonlyMap<string, ReadonlySet<string>>
  readonly nowMs: number
}

const BUILT_IN_VARIABLES = ['subject', 'issuer', 'client_id']

/** Looks at rows one by one, and at the grants of each principal against one another. */
export class Linter {
  readonly #context: LintContext
  readonly #closed = new ClosedSubscriptions()

  constructor(context: LintContext) {
    this.#context = context
  }

  /** What is wrong with these rows. All grants of a principal have to be among them, but principals may come in parts. */
  see(rows: readonly LintedRow[]): Finding[] {
    const grants = rows.flatMap(({ at, row }) => (row.kind === 'grant' ? [{ at, grant: row.row }] : []))
    for (const linted of grants) if (!this.#hasEnded(linted.grant.validUntilMs)) this.#closed.seeGrant(linted)
    for (const { row } of rows)
      if (row.kind === 'binding' && !this.#hasEnded(row.row.validUntilMs)) this.#closed.seeBinding(row.row)
    const groups = Map.groupBy(grants, ({ grant }) => canonicalJson([grant.principal, grant.account, grant.action]))
    return [
      ...rows.flatMap((linted) => findingsOfRow(linted, this.#context)),
      ...[...groups.values()].flatMap((group) => findingsOfGroup(group)),
    ]
  }

  /** What is wrong between rows of different principals, once all were seen. */
  finish(): Finding[] {
    return [...this.#closedSubscriptions(), ...this.#closedInboxes()]
  }

  #closedSubscriptions(): Finding[] {
    return Array.from(this.#closed.find(), ({ closed, subject, by, bySubject, guard, isWhole, principal }) => {
      const has = principal === closed.grant.principal && principal === by.grant.principal ? '' : ` for ${principal}`
      const message =
        `${subject} is closed${isWhole ? '' : ' in part'}${has}, as ${by.at} allows ${bySubject} and ${guard} is denied with that; ` +
        `grant ${guard} as well, or name there what the last * stands for`
      return { level: 'warning', rule: 'closed', at: closed.at, field: 'subject', message }
    })
  }

  #closedInboxes(): Finding[] {
    const closed = this.#closed.findInboxes(this.#context.inboxes ?? new Map())
    return Array.from(closed, ({ by, bySubject, guard, policy }) => {
      const message =
        `${bySubject} closes the ${policy} inbox that callout.accounts.${by.grant.account}.inbox gives, as ${guard} is denied with it; ` +
        `grant ${guard} as well, or name there what the last * stands for`
      return { level: 'warning', rule: 'inbox_closed', at: by.at, field: 'subject', message }
    })
  }

  #hasEnded(endMs: number | undefined): boolean {
    return endMs !== undefined && endMs <= this.#context.nowMs
  }
}

function findingsOfRow({ at, row: unsigned }: LintedRow, context: LintContext): Finding[] {
  const { kind, row } = unsigned
  if (kind === 'role') return []
  const [field, holder, endMs] =
    kind === 'grant'
      ? (['principal', row.principal, row.validUntilMs] as const)
      : kind === 'binding'
        ? (['member', row.member, row.validUntilMs] as const)
        : (['target', row.target, row.expiresAtMs] as const)
  const findings: Finding[] = []
  if (endMs !== undefined && endMs <= context.nowMs) {
    const end = kind === 'lock' ? 'expires' : 'validUntil'
    findings.push({ level: 'warning', rule: 'expired', at, field: end, message: LINT_RULES.expired })
  }
  const parsed = parsePrincipal(holder.replace(/^token:/, 'user:'))
  const issuerId = 'principal' in parsed ? parsed.principal.issuerId : undefined
  if (issuerId !== undefined && !context.issuers.has(issuerId)) {
    const message = `no issuer of the configuration has the id ${issuerId}`
    findings.push({ level: 'error', rule: 'issuer_unknown', at, field, message })
  }
  return kind === 'grant' ? [...findings, ...findingsOfGrant(at, row, issuerId, context)] : findings
}

function findingsOfGrant(
  at: string,
  grant: UnsignedTables['grant'],
  issuerId: string | undefined,
  { accounts, issuers }: LintContext,
): Finding[] {
  const findings: Finding[] = []
  const [reach] = wideReach(grant)
  if (reach !== undefined) {
    const level = reach.needsForce && grant.forced !== true ? 'error' : 'warning'
    findings.push({ level, rule: 'wide', at, field: 'subject', message: `${grant.subject} ${reach.why}` })
  }
  if (!accounts.has(grant.account)) {
    const message = `callout.accounts does not list ${grant.account}`
    findings.push({ level: 'error', rule: 'account_unknown', at, field: 'account', message })
  }
  const supplied = new Set(BUILT_IN_VARIABLES)
  // Anybody may have a role.
  const entries = issuerId === undefined ? [...issuers.values()] : [issuers.get(issuerId) ?? []]
  for (const attributes of entries) for (const attribute of attributes) supplied.add(attribute)
  const parsed = parseSubjectPattern(grant.subject)
  const tokens = 'pattern' in parsed ? parsed.pattern.tokens : []
  for (const token of tokens) {
    if (token.kind !== 'variable' || supplied.has(token.name)) continue
    const denied = grant.effect === 'deny' ? '; a denial that cannot be applied refuses the client altogether' : ''
    const message = `no issuer of the principal supplies {{${token.name}}}${denied}`
    findings.push({ level: 'error', rule: 'variable_unknown', at, field: 'subject', message })
  }
  return findings
}

/** The grants of one principal for one action in one account. */
function findingsOfGroup(group: readonly LintedGrant[]): Finding[] {
  const findings: Finding[] = []
  const [allows, denies] = [new SubjectIndex<LintedGrant>(), new SubjectIndex<LintedGrant>()]
  const meanings = new Map<string, LintedGrant>()
  const patterns = new Map<LintedGrant, SubjectPattern>()
  for (const linted of group) {
    const parsed = parseSubjectPattern(linted.grant.subject)
    if ('problem' in parsed) continue
    const first = meanings.get(meaningOf(linted))
    if (first !== undefined) {
      findings.push(finding('warning', 'duplicate', linted, `says the same as ${first.at}`))
      continue
    }
    meanings.set(meaningOf(linted), linted)
    patterns.set(linted, parsed.pattern)
    const index = linted.grant.effect === 'allow' ? allows : denies
    index.add(parsed.pattern, linted)
  }
  for (const [linted, pattern] of patterns) {
    if (linted.grant.effect === 'deny') continue
    const denial = firstOf(denies.covering(pattern), (wide) => alwaysHoldsWith(wide, linted))
    const wider = firstOf(allows.covering(pattern), (wide) => wide !== linted && alwaysHoldsWith(wide, linted))
    if (denial !== undefined)
      findings.push(finding('error', 'unreachable', linted, `is denied by ${denial.at}: ${denial.grant.subject}`))
    else if (wider !== undefined && allowsAnswersOf(wider, linted))
      findings.push(finding('warning', 'shadowed', linted, `is allowed by ${wider.at} as well: ${wider.grant.subject}`))
  }
  return findings
}

function finding(level: Finding['level'], rule: LintRule, { at, grant }: LintedGrant, message: string): Finding {
  return { level, rule, at, field: 'subject', message: `${grant.subject} ${message}` }
}

function meaningOf({ grant }: LintedGrant): string {
  const { effect, subject, queue, response, condition, validFromMs, validUntilMs } = grant
  return canonicalJson({ effect, subject, queue, response, condition, validFromMs, validUntilMs })
}

function allowsAnswersOf({ grant: wide }: LintedGrant, { grant: narrow }: LintedGrant): boolean {
  return narrow.response === undefined || canonicalJson(wide.response ?? null) === canonicalJson(narrow.response)
}

function firstOf<Item>(items: Iterable<Item>, isWanted: (item: Item) => boolean): Item | undefined {
  for (const item of items) if (isWanted(item)) return item
  return undefined
}
