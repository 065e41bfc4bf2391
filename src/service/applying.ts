import { CalloutError } from '../core/errors.ts'
import {
  plannedSides,
  type ScopeStates,
  signed,
  stateOfChange,
  statesAfter,
  type KeyDigest,
  type Plan,
  type PlannedChange,
} from '../core/plan.ts'
import { nameOfRow, type PolicyRow } from '../core/policy-row.ts'
import type { PolicyAdmin, PolicyEdit } from './ports.ts'

export interface Applying {
  readonly keyDigest: KeyDigest
  /** Gets how many of the changes are made, before the first edit and after each. */
  readonly progress: (done: number, all: number) => void
  /** Looks at the rows, and changes nothing. */
  readonly dryRun: boolean
}

/** Names of rows in one message; the rest is counted. */
const NAMED_MAX = 10
/** Far below what an edit may hold: the emulator takes four times as long for twice the rows, 22 s for 400 of them. */
export const CHANGES_PER_STEP = 100
const LOOKED_UP_AT_ONCE = 5000

/**
 * Makes the changes of a plan, in several edits where there are many. Before the first of them all rows are looked at: those that
 * were changed already are passed over, so that a plan that was interrupted is applied to its end by applying it again, and when any
 * is neither as before nor as after its change nothing is done. Each edit checks again what it changes, and the rows of the
 * scope. Throws `ERR_STORE_CONFLICT` when rows have moved; returns how many changes were made now.
 */
export async function applyPlan(
  admin: Pick<PolicyAdmin, 'edit' | 'lookUp'>,
  plan: Plan,
  edit: Omit<PolicyEdit, 'changes' | 'precondition'>,
  { keyDigest, progress, dryRun }: Applying,
): Promise<number> {
  const { done, pending } = await sortChanges(admin, plan.changes)
  const all = plan.changes.length
  progress(done.length, all)
  if (dryRun) return pending.length
  let { states } = withChanges(plan, done, keyDigest)
  for (let start = 0; start < pending.length; start += CHANGES_PER_STEP) {
    const changes = pending.slice(start, start + CHANGES_PER_STEP)
    const origin = { reason: edit.reason, createdBy: edit.actor }
    try {
      await admin.edit({
        ...edit,
        changes: changes.map((change) => signed(change, origin)),
        ...preconditionOf({ ...plan, states }),
      })
    } catch (error) {
      throw start === 0 ? error : afterSome(error, done.length + start, all)
    }
    states = withChanges({ ...plan, states }, changes, keyDigest).states
    progress(done.length + start + changes.length, all)
  }
  return pending.length
}

interface Scoped {
  readonly scope?: string
  readonly states?: ScopeStates | undefined
}

/** What the scope of a plan has to hold when it is applied. */
export function preconditionOf({ scope, states }: Scoped): Pick<PolicyEdit, 'precondition'> {
  return scope === undefined || states === undefined ? {} : { precondition: { scope, states } }
}

/** The scope once these changes are made. */
function withChanges(
  { scope, states }: Scoped,
  made: readonly PlannedChange[],
  keyDigest: KeyDigest,
): Pick<Scoped, 'states'> {
  return {
    states: scope === undefined || states === undefined ? undefined : statesAfter(scope, states, made, keyDigest),
  }
}

async function sortChanges(
  admin: Pick<PolicyAdmin, 'lookUp'>,
  changes: readonly PlannedChange[],
): Promise<{ done: PlannedChange[]; pending: PlannedChange[] }> {
  const sorted = { done: [] as PlannedChange[], pending: [] as PlannedChange[], moved: [] as string[] }
  for (let start = 0; start < changes.length; start += LOOKED_UP_AT_ONCE) {
    const part = changes.slice(start, start + LOOKED_UP_AT_ONCE)
    const stored = new Map<string, PolicyRow>()
    for (const row of await admin.lookUp(part.map(rowOf))) stored.set(nameOfRow(row), row)
    for (const change of part) {
      const name = nameOfRow(rowOf(change))
      const state = stateOfChange(change, stored.get(name))
      if (state === 'moved') sorted.moved.push(name)
      else sorted[state].push(change)
    }
  }
  const { moved } = sorted
  if (moved.length > 0) {
    const more = moved.length > NAMED_MAX ? `, and ${moved.length - NAMED_MAX} more` : ''
    const names = moved.slice(0, NAMED_MAX).map((name) => `the ${name}`)
    throw new CalloutError(
      'ERR_STORE_CONFLICT',
      `since the plan was made, somebody changed ${names.join(', ')}${more}; nothing was done, make a new plan`,
    )
  }
  return sorted
}

function rowOf(change: PlannedChange) {
  const { before, after } = plannedSides(change)
  const row = after ?? before
  if (row === undefined) throw new TypeError('a change of nothing')
  return row
}

function afterSome(error: unknown, made: number, all: number): unknown {
  if (!(error instanceof CalloutError)) return error
  return new CalloutError(error.code, `after ${made} of ${all} changes: ${error.message}`, { cause: error })
}
