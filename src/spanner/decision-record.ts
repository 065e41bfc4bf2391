import type { StoredDecisionColumn } from './schema.ts'
import { formatNanoseconds, parseNanoseconds } from './nanoseconds.ts'
import { COMMIT_TIMESTAMP, isNull, RowShapeError } from './values.ts'
import type { Row, Value } from './values.ts'

export type DecisionKind = 'text' | 'integer' | 'boolean' | 'timestamp' | 'json' | 'texts'

/** Columns of `Decisions` that are no STRING. */
const KINDS: Readonly<Partial<Record<StoredDecisionColumn, Exclude<DecisionKind, 'text'>>>> = {
  Shard: 'integer',
  DenyShard: 'integer',
  ConnectionId: 'integer',
  ElapsedMicros: 'integer',
  RepeatCount: 'integer',
  ChainSeq: 'integer',
  HasVerifiedCertificate: 'boolean',
  Spooled: 'boolean',
  DecidedAt: 'timestamp',
  CommittedAt: 'timestamp',
  TokenIssuedAt: 'timestamp',
  TokenExpiresAt: 'timestamp',
  SessionExpiresAt: 'timestamp',
  GrantsReadAt: 'timestamp',
  RepeatedSince: 'timestamp',
  Actors: 'json',
  Permissions: 'json',
  SkippedGrants: 'json',
  Attributes: 'json',
  StageMicros: 'json',
  GroupNames: 'texts',
  TokenAudience: 'texts',
  GrantIds: 'texts',
  LockIds: 'texts',
}

export function kindOf(column: StoredDecisionColumn): DecisionKind {
  return KINDS[column] ?? 'text'
}

const MICROSECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/

/** A timestamp as Spanner writes it, with nine digits of a second whatever they are. Throws `RowShapeError`. */
export function nanosecondText(timestamp: string): string {
  if (MICROSECONDS.test(timestamp)) return `${timestamp.slice(0, -1)}000Z`
  return formatNanoseconds(parseNanoseconds(timestamp))
}

/** A row of `Decisions` as JSON: a member for each column that is not NULL. */
export type DecisionRecord = Readonly<Partial<Record<StoredDecisionColumn, unknown>>>

/**
 * The cells of a row as JSON. The same for a row as it is written and as it is read: timestamps have nine digits of a second,
 * JSON columns are JSON. Throws `RowShapeError`.
 */
export function decisionRecord(columns: readonly StoredDecisionColumn[], row: Row): DecisionRecord {
  if (row.length !== columns.length) throw new RowShapeError('Decisions: a row has another number of columns')
  const record: Partial<Record<StoredDecisionColumn, unknown>> = {}
  for (const [index, column] of columns.entries()) {
    const cell = row[index]
    if (cell === undefined || isNull(cell)) continue
    const content = contentOf(column, cell)
    if (content === undefined) throw new RowShapeError(`Decisions.${column} has an unexpected shape`)
    record[column] = content
  }
  return record
}

function contentOf(column: StoredDecisionColumn, cell: Value): unknown {
  const kind = kindOf(column)
  if (kind === 'boolean') return cell.boolValue ?? undefined
  if (kind === 'texts') return cell.listValue?.values?.map(({ stringValue }) => stringValue ?? null)
  const text = cell.stringValue
  return text === undefined || text === null ? undefined : READERS[kind](text)
}

/** What a cell that comes as a text says; undefined when that is not what its column can hold. */
const READERS: Readonly<Record<Exclude<DecisionKind, 'boolean' | 'texts'>, (text: string) => unknown>> = {
  text: (text) => text,
  // No service writes a greater one; whoever does must not keep others from reading the rows beside it.
  integer(text) {
    const integer = Number(text)
    return Number.isSafeInteger(integer) ? integer : text
  },
  timestamp: (text) => (text === COMMIT_TIMESTAMP.stringValue ? text : nanosecondText(text)),
  json(text) {
    try {
      return JSON.parse(text) as unknown
    } catch {
      return undefined
    }
  },
}
