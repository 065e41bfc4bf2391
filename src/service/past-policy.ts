import type { Grant, Lock, Policy, RoleBinding, RoleSettings } from '../core/grant.ts'
import { isLockTargetOnly } from '../core/locks.ts'
import type { PolicyKind } from '../core/policy-row.ts'

/** The parts of policy that a decision looks at. */
export interface DecisionRows {
  readonly grant: Grant
  readonly role: RoleSettings
  readonly binding: RoleBinding
  readonly lock: Lock
}

/** One change of one row: it came (`after` alone), went (`before` alone) or is another. */
export interface PastChange<Row> {
  /** Unlike that of any other row of its kind. */
  readonly name: string
  readonly before?: Row
  readonly after?: Row
}

/** Why a past policy cannot be told, and up to or from when it can. */
export interface UnknownPast {
  /** `before_history`: older; `gap`: changes since are lost; `not_recorded`: younger; `inconsistent`: the changes do not lead to the rows. */
  readonly why: 'before_history' | 'gap' | 'not_recorded' | 'inconsistent'
  /** RFC 3339; the end of what is lost, the start or the end of the history. Of `inconsistent` the name of a row. */
  readonly detail: string
}

export type PastPolicy =
  { readonly policy: Policy; readonly source: 'snapshot' | 'history' } | { readonly unknown: UnknownPast }

/** The store, as far as it remembers. Times are RFC 3339 in UTC. Throws the `CalloutError`s of every store. */
export interface PastRows {
  /** As `PolicyReader`, at exactly that time; undefined when the store does not keep the rows of then. */
  policyAt(keys: readonly string[], at: string): Promise<Policy | undefined>
  /** The end of the history, when it holds every change from `at` until then. */
  historySince(at: string): Promise<{ readonly until: string } | { readonly unknown: UnknownPast }>
  /** Rows by their names whose principal, member, role or target is one of the holders; undefined as above. */
  rowsAt<Kind extends PolicyKind>(
    kind: Kind,
    holders: readonly string[],
    at: string,
  ): Promise<ReadonlyMap<string, DecisionRows[Kind]> | undefined>
  /** Changes of such rows, later than `after` and not later than `until`, in their order. */
  changesOf<Kind extends PolicyKind>(
    kind: Kind,
    holders: readonly string[],
    after: string,
    until: string,
  ): Promise<readonly PastChange<DecisionRows[Kind]>[]>
  /** Whether a row is what was recorded of it. */
  isSame<Kind extends PolicyKind>(kind: Kind, a: DecisionRows[Kind], b: DecisionRows[Kind]): boolean
}

/**
 * The policy under some keys as it was: read at that time where the store still can, otherwise the rows at the end of the history with
 * every change since taken back. It is either exactly what it was or unknown.
 */
export async function readPastPolicy(keys: readonly string[], at: string, past: PastRows): Promise<PastPolicy> {
  const kept = await past.policyAt(keys, at)
  if (kept !== undefined) return { policy: kept, source: 'snapshot' }
  const history = await past.historySince(at)
  if ('unknown' in history) return history

  const rowsOf = async <Kind extends PolicyKind>(
    kind: Kind,
    holders: readonly string[],
  ): Promise<readonly DecisionRows[Kind][]> => {
    const [rows, changes] = await Promise.all([
      past.rowsAt(kind, holders, history.until),
      past.changesOf(kind, holders, at, history.until),
    ])
    if (rows === undefined) throw new Unfoldable({ why: 'not_recorded', detail: history.until })
    const before = rowsBefore(rows, changes, (a, b) => past.isSame(kind, a, b))
    if ('inconsistent' in before)
      throw new Unfoldable({ why: 'inconsistent', detail: `${kind} ${before.inconsistent}` })
    return [...before.rows.values()]
  }
  try {
    const principals = keys.filter((key) => !isLockTargetOnly(key))
    const bindings = await rowsOf('binding', principals)
    const held = [...new Set(bindings.map(({ role }) => role))]
    const [locks, grants, roles] = await Promise.all([
      rowsOf('lock', keys),
      rowsOf('grant', [...principals, ...held]),
      rowsOf('role', held),
    ])
    return { policy: { bindings, locks, grants, roles, readTimestamp: at }, source: 'history' }
  } catch (error) {
    if (error instanceof Unfoldable) return { unknown: error.unknown }
    throw error
  }
}

class Unfoldable extends Error {
  readonly unknown: UnknownPast

  constructor(unknown: UnknownPast) {
    super(unknown.why)
    this.unknown = unknown
  }
}

/**
 * The rows as they were before the changes, which are in their order and led to them. Each step back is checked: a row that is not what the
 * change made of it says that changes are missing.
 */
export function rowsBefore<Row>(
  rows: ReadonlyMap<string, Row>,
  changes: readonly PastChange<Row>[],
  isSame: (a: Row, b: Row) => boolean,
): { readonly rows: ReadonlyMap<string, Row> } | { readonly inconsistent: string } {
  const before = new Map(rows)
  for (const change of changes.toReversed()) {
    const now = before.get(change.name)
    const isAsLeft = now === undefined || change.after === undefined ? now === change.after : isSame(now, change.after)
    if (!isAsLeft) return { inconsistent: change.name }
    if (change.before === undefined) before.delete(change.name)
    else before.set(change.name, change.before)
  }
  return { rows: before }
}
