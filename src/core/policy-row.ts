import { assertNever } from './errors.ts'
import type { Grant, Lock, RoleBinding, RoleSettings } from './grant.ts'

/** By what people find rows that belong together. No decision looks at any of it. */
export interface PolicyLabels {
  /** Of the document that made the row; unique within a scope and kind. */
  readonly name?: string
  /** The set of documents that the row is managed with; pruning never leaves it. */
  readonly scope?: string
  readonly owner?: string
  readonly ticket?: string
  /** `key=value`, sorted. */
  readonly labels?: readonly string[]
}

/** Who wrote the row as it is now, and why. */
export interface PolicyOrigin {
  readonly reason: string
  readonly createdBy: string
  /** RFC 3339 commit timestamp; absent on a row that is still to be written. */
  readonly createdAt?: string
}

export interface GrantRow extends Grant, PolicyLabels, PolicyOrigin {
  /** An admin confirmed that it may be as wide as it is. */
  readonly forced?: true
}

export interface RoleRow extends RoleSettings, PolicyLabels, PolicyOrigin {
  readonly description?: string
}

export interface BindingRow extends RoleBinding, PolicyLabels, PolicyOrigin {}

export interface LockRow extends Lock, PolicyLabels, PolicyOrigin {}

/** The tables of policy, by what a row of each is called. */
export interface PolicyTables {
  readonly grant: GrantRow
  readonly role: RoleRow
  readonly binding: BindingRow
  readonly lock: LockRow
}

export type PolicyKind = keyof PolicyTables
export const POLICY_KINDS = ['grant', 'role', 'binding', 'lock'] as const satisfies readonly PolicyKind[]

export type PolicyRow = {
  readonly [Kind in PolicyKind]: { readonly kind: Kind; readonly row: PolicyTables[Kind] }
}[PolicyKind]

/** A row without who writes it and why: as documents and plans want it to be. */
export type UnsignedRow = {
  readonly [Kind in PolicyKind]: { readonly kind: Kind; readonly row: UnsignedTables[Kind] }
}[PolicyKind]

export type UnsignedTables = { readonly [Kind in PolicyKind]: Omit<PolicyTables[Kind], keyof PolicyOrigin> }

/** A row that comes (`after` alone), goes (`before` alone) or is replaced. `before` is the row as it was last seen. */
export type PolicyChange = {
  readonly [Kind in PolicyKind]: {
    readonly kind: Kind
    readonly before?: PolicyTables[Kind]
    readonly after?: PolicyTables[Kind]
  }
}[PolicyKind]

/** The parts of a row's key in the order of the primary key. */
export function policyKey(policyRow: UnsignedRow): readonly [string] | readonly [string, string] {
  const { kind, row } = policyRow
  switch (kind) {
    case 'grant':
      return [row.principal, row.id]
    case 'role':
      return [row.role]
    case 'binding':
      return [row.member, row.role]
    case 'lock':
      return [row.target, row.id]
    default:
      return assertNever(policyRow)
  }
}

/** The row that a change takes away or replaces, and the one that it puts there. */
export function sidesOf(change: PolicyChange): { readonly before?: PolicyRow; readonly after?: PolicyRow } {
  const { kind, before, after } = change
  return {
    ...(before === undefined ? {} : { before: { kind, row: before } as PolicyRow }),
    ...(after === undefined ? {} : { after: { kind, row: after } as PolicyRow }),
  }
}

/** `grant user:corp:alice g1`: unlike that of any other row. */
export function nameOfRow(row: UnsignedRow): string {
  return `${row.kind} ${policyKey(row).join(' ')}`
}
