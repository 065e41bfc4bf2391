import { appliedGrants, type AppliedGrants } from './applied-grants.ts'
import { decide, sessionBounds, type DecisionInput, type SessionBound } from './decide.ts'
import type { Decision, SkippedGrant } from './decision.ts'
import type { Grant, Lock, RoleBinding, ValidityWindow } from './grant.ts'
import { isInForce, locksOnClient, lockTargets } from './locks.ts'
import type { ExpandedGrant } from './permissions.ts'
import { grantedPrincipals } from './principal.ts'

/** How a grant comes to an identity: by one of its principals, which is given it or bound to the role that is. */
export interface GrantPath extends ValidityWindow {
  readonly principal: string
  /** With the window of the binding. */
  readonly role?: string
}

/** What became of one grant: the subjects that it gave or took away, or why it did nothing. */
export interface GrantTrace {
  readonly grant: Grant
  /** Never empty; several when a role is bound to several principals of the identity. */
  readonly paths: readonly GrantPath[]
  /** Empty when it did nothing. */
  readonly gave: readonly ExpandedGrant[]
  readonly why?: SkippedGrant['why'] | 'deny_starts_later' | 'deny_unenforceable'
}

/** What became of one lock: it holds, or why it does not. */
export interface LockTrace {
  readonly lock: Lock
  /** `not_placed`: on an account, and the client got as far as none. */
  readonly why?: 'expired' | 'other_address' | 'other_account' | 'not_placed'
}

export interface Trace {
  readonly decision: Decision
  /** Every grant that names the identity, in the order of the policy; once each. */
  readonly grants: readonly GrantTrace[]
  /** Of an allow: what the session does not outlast, were it not for chance. */
  readonly endsBy?: SessionBound
  /** Every lock on the identity, on addresses and on accounts, in the order of the policy. */
  readonly locks: readonly LockTrace[]
}

/**
 * Decides, and says what each grant had to do with it. The decision is that of `decide`, and so are the subjects: both are made
 * of the same rows by the same functions.
 */
export function traceDecision(input: DecisionInput): Trace {
  const decision = decide(input)
  const applied = appliedGrants(input.identity, input.connection, input.policy, input.nowMs)
  const unenforceable = new Set(applied.unenforceable.map(({ id }) => id))
  const given = Map.groupBy([...applied.allows, ...applied.denies], ({ id }) => id)
  const notApplied = new Map(applied.skipped.map(({ id, why }) => [id, why]))
  const misplaced = new Map(
    decision.skippedGrants.filter(({ why }) => isPlacement(why)).map(({ id, why }) => [id, why]),
  )
  const pathsTo = pathsFrom(input)
  const grants: GrantTrace[] = []
  for (const grant of new Map(input.policy.grants.map((row) => [row.id, row])).values()) {
    const [first] = given.get(grant.id) ?? []
    const why = misplaced.get(grant.id) ?? (first === undefined ? notApplied.get(grant.id) : undefined)
    const paths = pathsTo(grant)
    if (unenforceable.has(grant.id)) grants.push({ grant, paths, gave: [], why: 'deny_unenforceable' })
    else if (why !== undefined) grants.push({ grant, paths, gave: [], why: whyNot(grant, why) })
    else if (first !== undefined) grants.push({ grant, paths, gave: first.subjects })
  }
  const endsBy = decision.outcome === 'allow' ? firstBound(input, applied, decision.account) : undefined
  return { decision, grants, ...(endsBy !== undefined && { endsBy }), locks: traceLocks(input, decision) }
}

function firstBound(
  input: DecisionInput,
  { allows, laterDenies }: AppliedGrants,
  account: string,
): SessionBound | undefined {
  const isOfAccount = (grant: { readonly account: string }): boolean => grant.account === account
  const rules = input.rules.accounts.get(account) ?? {}
  return sessionBounds(input, allows.filter(isOfAccount), laterDenies.filter(isOfAccount), rules).reduce(
    (first, bound) => (bound.endsMs <= first.endsMs ? bound : first),
  )
}

function pathsFrom({ identity, policy }: DecisionInput): (grant: Grant) => readonly GrantPath[] {
  const principals = new Set(grantedPrincipals(identity))
  const held = policy.bindings.filter(({ member }) => principals.has(member))
  const byRole = Map.groupBy(held.map(pathByRole), ({ role }) => role)
  return ({ principal }) => (principals.has(principal) ? [{ principal }] : (byRole.get(principal) ?? []))
}

function pathByRole({ member, ...binding }: RoleBinding): GrantPath {
  return { principal: member, ...binding }
}

function traceLocks({ identity, connection, policy, nowMs }: DecisionInput, decision: Decision): LockTrace[] {
  const onClient = new Set(locksOnClient(identity, connection, policy.locks, nowMs).map(({ id }) => id))
  const named = new Set(decision.outcome === 'deny' ? decision.lockIds : [])
  // Of many locks on an account the decision names some.
  const account = policy.locks.find(({ id, target }) => named.has(id) && isOnAccount(target))?.target
  const whyOther = decision.outcome === 'allow' || account !== undefined ? 'other_account' : 'not_placed'
  const own = new Set(lockTargets(identity))
  return policy.locks.flatMap((lock): LockTrace[] => {
    const { id, target } = lock
    const isOnAddress = target === 'address'
    if (!isOnAddress && !isOnAccount(target) && !own.has(target)) return []
    if (!isInForce(lock, nowMs)) return [{ lock, why: 'expired' }]
    if (onClient.has(id) || target === account) return [{ lock }]
    return [{ lock, why: isOnAddress ? 'other_address' : whyOther }]
  })
}

function isOnAccount(target: string): boolean {
  return target.startsWith('account:')
}

function isPlacement(why: SkippedGrant['why']): boolean {
  return why === 'account_not_allowed' || why === 'other_account'
}

/** A deny that starts later is skipped now, and ends the session then. */
function whyNot({ effect }: Grant, why: SkippedGrant['why']): NonNullable<GrantTrace['why']> {
  return effect === 'deny' && why === 'not_yet_valid' ? 'deny_starts_later' : why
}

/** Finds the grants that put an entry of the permissions there, by what the entry says: `subject` or `subject queue`. */
export function grantsByEntry({
  grants,
}: Pick<Trace, 'grants'>): (action: ExpandedGrant['action'], entry: string) => readonly GrantTrace[] {
  const found = new Map<string, GrantTrace[]>()
  for (const grant of grants) {
    for (const name of new Set(grant.gave.map(nameOfEntry))) {
      const others = found.get(name)
      if (others === undefined) found.set(name, [grant])
      else others.push(grant)
    }
  }
  return (action, entry) => found.get(`${action} ${entry}`) ?? []
}

function nameOfEntry({ action, subject, queue }: ExpandedGrant): string {
  return queue === undefined ? `${action} ${subject}` : `${action} ${subject} ${queue}`
}
