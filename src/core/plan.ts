import { nameOfRow, policyKey } from './policy-row.ts'
import type {
  PolicyChange,
  PolicyKind,
  PolicyOrigin,
  PolicyRow,
  PolicyTables,
  UnsignedRow,
  UnsignedTables,
} from './policy-row.ts'
import { sameRow, unsigned } from './same-row.ts'
import { needsForce } from './wide-grant.ts'

/** A row that comes, goes or is replaced; who writes it and why is said when the plan is applied. */
export type PlannedChange = {
  readonly [Kind in PolicyKind]: {
    readonly kind: Kind
    readonly before?: PolicyTables[Kind]
    readonly after?: UnsignedTables[Kind]
  }
}[PolicyKind]

/** What rows a scope has: how many, and a number that changes with any row that comes or goes. */
export interface ScopeState {
  readonly rows: number
  /** Exclusive or of the digests of the keys, 14 hex digits. */
  readonly keys: string
}

export type ScopeStates = Readonly<Record<PolicyKind, ScopeState>>

/** Exactly what is to be done to the rows that were there when it was made. */
export interface Plan {
  /** When set, no row outside of it is touched. */
  readonly scope?: string
  /** The rows of the scope when the plan was made; with a scope only. */
  readonly states?: ScopeStates
  readonly changes: readonly PlannedChange[]
}

export interface PlanOptions {
  readonly scope?: string
  /** Rows of the scope that no document asks for go. */
  readonly prune: boolean
  /** Rows without a scope that a document describes are taken into its scope. */
  readonly adopt: boolean
}

/** A row that a document asks for and that is another scope's. */
export interface ForeignRow {
  readonly wanted: UnsignedRow
  readonly scope: string | undefined
}

export interface Planned {
  readonly plan: Plan
  readonly unchanged: number
  /** Rows of the scope that no document asks for and that stay, as nothing is pruned. */
  readonly unclaimed: number
  readonly foreign: readonly ForeignRow[]
}

/** The digest of the key of a row, 56 bits. */
export type KeyDigest = (row: UnsignedRow) => bigint

/**
 * Compares what documents ask for with the rows that are there. The rows are shown to it one by one and only the differences are
 * kept, so that a large table takes no memory. It touches no row outside of the scope of the document that asks for it.
 */
export class Planner {
  readonly #options: PlanOptions
  readonly #keyDigest: KeyDigest
  readonly #wanted: Map<string, UnsignedRow>
  readonly #changes: PlannedChange[] = []
  readonly #foreign: ForeignRow[] = []
  readonly #states: Record<PolicyKind, { rows: number; keys: bigint }>
  #unchanged = 0
  #unclaimed = 0

  /** `wanted` has no two rows of the same key. Without a scope nothing can be pruned. */
  constructor(wanted: readonly UnsignedRow[], options: PlanOptions, keyDigest: KeyDigest) {
    if (options.prune && options.scope === undefined) throw new TypeError('pruning needs a scope')
    this.#options = options
    this.#keyDigest = keyDigest
    this.#wanted = new Map(wanted.map((row) => [nameOfRow(row), row]))
    const none = (): { rows: number; keys: bigint } => ({ rows: 0, keys: 0n })
    this.#states = { grant: none(), role: none(), binding: none(), lock: none() }
  }

  /** Takes notice of a row that is there. Every row is shown once, in any order. */
  see(stored: PolicyRow): void {
    const { scope, prune } = this.#options
    const isOfScope = scope !== undefined && stored.row.scope === scope
    if (isOfScope) {
      const state = this.#states[stored.kind]
      state.rows += 1
      state.keys ^= this.#keyDigest(stored)
    }
    const name = nameOfRow(stored)
    const wanted = this.#wanted.get(name)
    if (wanted !== undefined) {
      this.#wanted.delete(name)
      return this.#compare(stored, wanted)
    }
    if (isOfScope && prune) this.#changes.push(change(stored.kind, stored, undefined))
    else if (isOfScope) this.#unclaimed += 1
  }

  /** The differences, in the order in which they are to be made. */
  finish(): Planned {
    const { scope } = this.#options
    for (const wanted of this.#wanted.values()) this.#changes.push(change(wanted.kind, undefined, wanted))
    const changes = this.#changes.map((made, index) => ({ made, index, rank: rankOf(made) }))
    changes.sort((a, b) => a.rank - b.rank || a.index - b.index)
    return {
      plan: {
        ...(scope !== undefined && { scope, states: statesOf(this.#states) }),
        changes: changes.map(({ made }) => made),
      },
      unchanged: this.#unchanged,
      unclaimed: this.#unclaimed,
      foreign: this.#foreign,
    }
  }

  #compare(stored: PolicyRow, wanted: UnsignedRow): void {
    const mayBeTaken = stored.row.scope === undefined && this.#options.adopt
    if (stored.row.scope !== wanted.row.scope && !mayBeTaken)
      return void this.#foreign.push({ wanted, scope: stored.row.scope })
    if (sameRow(stored, wanted)) this.#unchanged += 1
    else this.#changes.push(change(stored.kind, stored, wanted))
  }
}

function change(kind: PolicyKind, before: PolicyRow | undefined, after: UnsignedRow | undefined): PlannedChange {
  return {
    kind,
    ...(before === undefined ? {} : { before: before.row }),
    ...(after === undefined ? {} : { after: after.row }),
  } as PlannedChange
}

/**
 * A plan of many changes is made in several steps, and between two of them nobody may have more than before or after: what takes
 * away comes first, what gives comes later, and what gives by going comes last.
 */
function rankOf({ kind, before, after }: PlannedChange): number {
  const row = (after ?? before) as UnsignedTables['grant']
  const takesAway = kind === 'lock' || kind === 'role' || (kind === 'grant' && row.effect === 'deny')
  if (before === undefined) return takesAway ? 0 : 3
  if (after === undefined) return takesAway ? 4 : 1
  return 2
}

/** The sides of a change as rows. */
export function plannedSides({ kind, before, after }: PlannedChange): { before?: PolicyRow; after?: UnsignedRow } {
  return {
    ...(before === undefined ? {} : { before: { kind, row: before } as PolicyRow }),
    ...(after === undefined ? {} : { after: { kind, row: after } as UnsignedRow }),
  }
}

/** The change as it is made by somebody, for a reason. */
export function signed(planned: PlannedChange, { reason, createdBy }: PolicyOrigin): PolicyChange {
  const { kind, before, after } = planned
  return {
    kind,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after: { ...after, reason, createdBy } }),
  } as PolicyChange
}

/** Whether the change is still to be made, was made already, or the row is neither as before nor as after it. */
export function stateOfChange(planned: PlannedChange, stored: PolicyRow | undefined): 'pending' | 'done' | 'moved' {
  const { before, after } = plannedSides(planned)
  if (stored === undefined) return before === undefined ? 'pending' : after === undefined ? 'done' : 'moved'
  if (after !== undefined && sameRow(after, stored)) return 'done'
  return before !== undefined && isSeenAgain(before, stored) ? 'pending' : 'moved'
}

function isSeenAgain(before: PolicyRow, stored: PolicyRow): boolean {
  const { createdAt, createdBy, reason } = before.row
  const sameOrigin = stored.row.createdAt === createdAt && stored.row.createdBy === createdBy
  return sameOrigin && stored.row.reason === reason && sameRow(before, stored)
}

/** The rows of the scope once these changes are made. */
export function statesAfter(
  scope: string,
  states: ScopeStates,
  changes: readonly PlannedChange[],
  keyDigest: KeyDigest,
): ScopeStates {
  const after = Object.fromEntries(
    Object.entries(states).map(([kind, { rows, keys }]) => [kind, { rows, keys: BigInt(`0x${keys}`) }]),
  ) as Record<PolicyKind, { rows: number; keys: bigint }>
  for (const planned of changes) {
    const sides = plannedSides(planned)
    const wasThere = sides.before?.row.scope === scope
    const isThere = sides.after?.row.scope === scope
    const row = sides.after ?? sides.before
    if (wasThere === isThere || row === undefined) continue
    after[planned.kind].rows += isThere ? 1 : -1
    after[planned.kind].keys ^= keyDigest(row)
  }
  return statesOf(after)
}

function statesOf(states: Record<PolicyKind, { rows: number; keys: bigint }>): ScopeStates {
  return Object.fromEntries(
    Object.entries(states).map(([kind, { rows, keys }]) => [kind, { rows, keys: keys.toString(16).padStart(14, '0') }]),
  ) as Record<PolicyKind, ScopeState>
}

/**
 * What keeps a plan from being one that the planner could have made: a change of nothing, a key that changes, a key twice, a row of
 * another scope. Undefined when it is sound.
 */
export function problemOfPlan({ scope, states, changes }: Plan): string | undefined {
  if ((scope === undefined) !== (states === undefined)) return 'a scope and its state belong together'
  const seen = new Set<string>()
  for (const [index, planned] of changes.entries()) {
    const at = `changes[${index}]`
    const { before, after } = plannedSides(planned)
    const row = after ?? before
    if (row === undefined) return `${at} changes nothing`
    const name = nameOfRow(row)
    if (before !== undefined && nameOfRow(before) !== name) return `${at} changes the key of a row`
    if (seen.has(name)) return `${at} is a second change of the ${name}`
    seen.add(name)
    if (before !== undefined && after !== undefined && sameRow(unsigned(before), after)) return `${at} changes nothing`
    const isOwn = (side: UnsignedRow | PolicyRow | undefined): boolean => side === undefined || side.row.scope === scope
    const isTaken = before?.row.scope === undefined && after !== undefined
    if (scope !== undefined && !(isOwn(after) && (isOwn(before) || isTaken)))
      return `${at} is outside of the scope ${scope}`
    const isMoved = before !== undefined && after !== undefined && before.row.scope !== after.row.scope
    if (isMoved && before.row.scope !== undefined) return `${at} moves a row from one scope to another`
    if (isUnconfirmed(planned)) return `${at} grants more than is usually meant, and is not marked as meant (force)`
  }
  return undefined
}

/** Whether it leaves a grant so wide that somebody has to confirm it, and nobody has. What is there already may stay. */
export function isUnconfirmed({ kind, after }: PlannedChange): boolean {
  return kind === 'grant' && after !== undefined && after.forced !== true && needsForce(after)
}

/** What the digest of a key is made of; the same text can be made in SQL. */
export function keyText(row: UnsignedRow): string {
  return policyKey(row).join('\n')
}
