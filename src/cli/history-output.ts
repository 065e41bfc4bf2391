import { policyKey, sidesOf } from '../core/policy-row.ts'
import type { PolicyChange, PolicyRow } from '../core/policy-row.ts'
import type { HistoryEntry, StoredRow } from '../service/history.ts'
import type { CliIo } from './io.ts'
import { writeOutput, type Column, type OutputFormat } from './output.ts'

const HISTORY_COLUMNS: readonly Column<HistoryEntry>[] = [
  { heading: 'TIME', cell: ({ committedAt }) => committedAt },
  { heading: 'CHANGE', cell: ({ change }) => change },
  { heading: 'KIND', cell: ({ kind }) => kind ?? '' },
  { heading: 'ROW', cell: ({ key }) => key.join(' ') },
  { heading: 'WHAT', cell: difference },
  { heading: 'BY', cell: ({ actor }) => actor ?? '' },
  { heading: 'APPROVED BY', cell: ({ approvedBy }) => approvedBy ?? '' },
  { heading: 'SOURCE', cell: ({ source }) => source },
  { heading: 'REASON', cell: ({ reason }) => reason ?? '' },
  { heading: 'EDIT', cell: ({ editId }) => editId ?? '' },
  { heading: 'TRANSACTION', cell: ({ change, transactionId }) => (change === 'gap' ? '' : transactionId) },
]

/** The form for programs: rows have the columns of their tables. */
export function writeHistory(io: CliIo, format: OutputFormat, entries: readonly HistoryEntry[]): void {
  writeOutput(io, format, { columns: HISTORY_COLUMNS, records: entries })
}

export interface Blamed {
  readonly row: PolicyRow
  /** Its newest change; absent when that is not in the history. */
  readonly entry: HistoryEntry | undefined
}

/** What of the row itself, where its last change is not recorded, says who wrote it. */
const NOT_RECORDED = 'not recorded'

const BLAME_COLUMNS: readonly Column<Blamed>[] = [
  { heading: 'KIND', cell: ({ row }) => row.kind },
  { heading: 'ROW', cell: ({ row }) => policyKey(row).join(' ') },
  { heading: 'SINCE', cell: ({ row, entry }) => entry?.committedAt ?? row.row.createdAt ?? '' },
  { heading: 'BY', cell: ({ row, entry }) => (entry === undefined ? row.row.createdBy : (entry.actor ?? '')) },
  { heading: 'SOURCE', cell: ({ entry }) => entry?.source ?? NOT_RECORDED },
  { heading: 'REASON', cell: ({ row, entry }) => (entry === undefined ? row.row.reason : (entry.reason ?? '')) },
  { heading: 'WAS BEFORE', cell: ({ entry }) => (entry?.change === 'changed' ? difference(entry) : '') },
]

export function writeBlame(io: CliIo, format: OutputFormat, blamed: readonly Blamed[]): void {
  const document = blamed.map(({ row: { kind, row }, entry }) => ({ kind, row, lastChange: entry }))
  writeOutput(io, format, { columns: BLAME_COLUMNS, records: blamed, document })
}

const REVERT_COLUMNS: readonly Column<PolicyChange>[] = [
  {
    heading: 'CHANGE',
    cell: ({ before, after }) => (before === undefined ? 'add' : after === undefined ? 'remove' : 'change'),
  },
  { heading: 'KIND', cell: ({ kind }) => kind },
  { heading: 'ROW', cell: (change) => keyOf(change) },
]

/** What was done to take an edit back. */
export function writeRevert(io: CliIo, format: OutputFormat, changes: readonly PolicyChange[]): void {
  writeOutput(io, format, { columns: REVERT_COLUMNS, records: changes })
}

function keyOf(change: PolicyChange): string {
  const { before, after } = sidesOf(change)
  const row = after ?? before
  return row === undefined ? '' : policyKey(row).join(' ')
}

/** Who wrote the row and when is said elsewhere. */
const ORIGIN = new Set(['Reason', 'CreatedBy', 'CreatedAt'])

/** The columns that a change made different; of a row that came or went, those that hold something. */
function difference({ key, before, after }: HistoryEntry): string {
  const columns = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])]
  return columns
    .filter((column) => !ORIGIN.has(column) && text(before, column) !== text(after, column))
    .filter((column) => (before !== undefined && after !== undefined) || !key.includes(text(before ?? after, column)))
    .map((column) => {
      if (before === undefined) return `${column}=${text(after, column)}`
      if (after === undefined) return `${column}=${text(before, column)}`
      return `${column}: ${text(before, column) || '-'} → ${text(after, column) || '-'}`
    })
    .join(', ')
}

function text(row: StoredRow | undefined, column: string): string {
  const value = row?.[column]
  if (value === null || value === undefined) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}
