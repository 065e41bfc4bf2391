import type { PolicyKind } from './policy-row.ts'
import type { StoredColumns } from './stored-columns.ts'

/** A change of policy, without what the row was before and after it. */
export interface PolicyChange {
  readonly committedAt: string
  readonly transactionId: string
  /** Of the command; absent when there was none. */
  readonly editId?: string
  /** `gap`: changes before this time are not known; it has neither row. */
  readonly change: 'added' | 'changed' | 'removed' | 'gap'
  /** Absent for a gap. */
  readonly kind?: PolicyKind
  readonly key: readonly string[]
  /** Whom the row is about, or the target of a lock. */
  readonly principal: string
  readonly source: string
  /** With the source `sql`: who the row itself says made it. */
  readonly actor?: string
  readonly approvedBy?: string
  readonly reason?: string
}

/** A change of policy as the history has it. */
export interface ExportedChange extends PolicyChange {
  /** Tells it apart from every other; the same whenever it is read. */
  readonly id: string
  readonly before?: StoredColumns
  readonly after?: StoredColumns
}

/** Such as `grant added`, for people and for programs that count. */
export function nameOfChange({ kind, change }: PolicyChange): string {
  return kind === undefined ? 'history gap' : `${kind} ${change}`
}

/** One line for people. */
export function messageOfChange(entry: ExportedChange): string {
  const { key, principal, actor = entry.source, reason } = entry
  if (entry.kind === undefined) return reason ?? 'changes before this time are not known'
  const id = key.at(-1) ?? ''
  return `${nameOfChange(entry)}: ${id === principal ? id : `${id} of ${principal}`}, by ${actor}`
}
