import type { DecisionCount, DecisionRecord } from '../service/decision-search.ts'
import type { RecordedAuditRead } from '../service/audit-reads.ts'
import { STORED_DECISION_COLUMNS, type StoredDecisionColumn } from '../spanner/schema.ts'
import type { CliIo } from './io.ts'
import { openOutput, writeOutput, type Column, type OutputFormat, type StreamFormat } from './output.ts'
import { visible } from './visible.ts'

/** Milliseconds are enough for people. */
const SHOWN_TIME_CHARACTERS = '2027-01-31T18:00:00.000'.length

/** What fits a terminal. */
const DECISION_COLUMNS: readonly Column<DecisionRecord>[] = [
  { heading: 'TIME', cell: (record) => `${text(record, 'DecidedAt').slice(0, SHOWN_TIME_CHARACTERS)}Z` },
  { heading: 'OUTCOME', cell: column('Outcome') },
  { heading: 'REASON', cell: column('Reason') },
  { heading: 'REPEATS', cell: column('RepeatCount') },
  { heading: 'PRINCIPAL', cell: column('Principal') },
  { heading: 'TOKEN SUBJECT', cell: column('Subject') },
  { heading: 'ACCOUNT', cell: column('Account') },
  { heading: 'ADDRESS', cell: column('ClientHost') },
  { heading: 'SERVER', cell: column('ServerName') },
  { heading: 'DECISION', cell: column('DecisionId') },
]

/** Everything that is stored of a decision. */
export const ALL_COLUMNS: readonly Column<DecisionRecord>[] = STORED_DECISION_COLUMNS.map((name) => ({
  heading: name,
  cell: column(name),
}))

function columnsFor(format: OutputFormat): readonly Column<DecisionRecord>[] {
  return format === 'csv' ? ALL_COLUMNS : DECISION_COLUMNS
}

/** In the forms for programs rows have the columns of the table; `next` is where the next page begins. */
export function writeDecisions(
  io: CliIo,
  format: OutputFormat,
  decisions: readonly DecisionRecord[],
  next: string | undefined,
): void {
  writeOutput(io, format, { columns: columnsFor(format), records: decisions, document: { decisions, next } })
  if (next !== undefined) io.stderr.write(`callout: there is more: --cursor ${next}\n`)
}

/** Writes decisions as they come. */
export function openDecisions(io: CliIo, format: StreamFormat): (decisions: readonly DecisionRecord[]) => void {
  return openOutput(io, format, columnsFor(format))
}

/** Everything of one decision. */
export function writeDecision(io: CliIo, format: OutputFormat, decision: DecisionRecord): void {
  const width = Math.max(...Object.keys(decision).map(({ length }) => length))
  const lines = STORED_DECISION_COLUMNS.filter((name) => decision[name] !== undefined).map((name) =>
    `${name.padEnd(width)}  ${visible(text(decision, name))}`.trimEnd(),
  )
  writeOutput(io, format, {
    columns: ALL_COLUMNS,
    records: [decision],
    document: decision,
    text: `${lines.join('\n')}\n`,
  })
}

const COUNT_COLUMNS: readonly Column<DecisionCount>[] = [
  { heading: 'OUTCOME', cell: ({ outcome }) => outcome },
  { heading: 'REASON', cell: ({ reason }) => reason ?? '' },
  { heading: 'ACCOUNT', cell: ({ account }) => account ?? '' },
  { heading: 'ISSUER', cell: ({ issuer }) => issuer ?? '' },
  { heading: 'DECISIONS', cell: ({ rows, repeats }) => String(rows + repeats) },
  { heading: 'ROWS', cell: ({ rows }) => String(rows) },
]

export function writeCounts(io: CliIo, format: OutputFormat, counts: readonly DecisionCount[]): void {
  writeOutput(io, format, { columns: COUNT_COLUMNS, records: counts })
}

const READ_COLUMNS: readonly Column<RecordedAuditRead>[] = [
  { heading: 'TIME', cell: ({ readAt }) => readAt },
  { heading: 'READER', cell: ({ reader }) => reader },
  { heading: 'COMMAND', cell: ({ command }) => command },
  { heading: 'QUERY', cell: ({ query }) => JSON.stringify(query) },
  { heading: 'READ', cell: ({ id }) => id },
]

export function writeReads(io: CliIo, format: OutputFormat, reads: readonly RecordedAuditRead[]): void {
  writeOutput(io, format, { columns: READ_COLUMNS, records: reads })
}

function column(name: StoredDecisionColumn): (record: DecisionRecord) => string {
  return (record) => text(record, name)
}

function text(record: DecisionRecord, name: StoredDecisionColumn): string {
  const value = record[name]
  if (value === undefined || value === null) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}
