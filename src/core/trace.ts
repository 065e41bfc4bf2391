import { appliedGrants } from './applied-grants.ts'
import { decide, type DecisionInput } from './decide.ts'
import type { Decision, SkippedGrant } from './decision.ts'
import type { Grant } from './grant.ts'
import type { ExpandedGrant } from './permissions.ts'

/** What became of one grant: the subjects that it gave or took away, or why it did nothing. */
export interface GrantTrace {
  readonly grant: Grant
  /** Empty when it did nothing. */
  readonly gave: readonly ExpandedGrant[]
  readonly why?: SkippedGrant['why'] | 'deny_starts_later' | 'deny_unenforceable'
}

export interface Trace {
  readonly decision: Decision
  /** Every grant that names the identity, in the order of the policy; once each. */
  readonly grants: readonly GrantTrace[]
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
  const grants: GrantTrace[] = []
  for (const grant of new Map(input.policy.grants.map((row) => [row.id, row])).values()) {
    const [first] = given.get(grant.id) ?? []
    const why = misplaced.get(grant.id) ?? (first === undefined ? notApplied.get(grant.id) : undefined)
    if (unenforceable.has(grant.id)) grants.push({ grant, gave: [], why: 'deny_unenforceable' })
    else if (why !== undefined) grants.push({ grant, gave: [], why: whyNot(grant, why) })
    else if (first !== undefined) grants.push({ grant, gave: first.subjects })
  }
  return { decision, grants }
}

function isPlacement(why: SkippedGrant['why']): boolean {
  return why === 'account_not_allowed' || why === 'other_account'
}

/** A deny that starts later is skipped now, and ends the session then. */
function whyNot({ effect }: Grant, why: SkippedGrant['why']): NonNullable<GrantTrace['why']> {
  return effect === 'deny' && why === 'not_yet_valid' ? 'deny_starts_later' : why
}

/** The grants that put an entry of the permissions there, by what the entry says: `subject` or `subject queue`. */
export function grantsOfEntry(trace: Trace, action: ExpandedGrant['action'], entry: string): GrantTrace[] {
  return trace.grants.filter(({ gave }) =>
    gave.some((subject) => subject.action === action && writtenEntry(subject) === entry),
  )
}

function writtenEntry({ subject, queue }: ExpandedGrant): string {
  return queue === undefined ? subject : `${subject} ${queue}`
}
