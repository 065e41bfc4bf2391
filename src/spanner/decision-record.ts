import type { StoredDecisionColumn } from './schema.ts'
import { formatNanoseconds, parseNanoseconds } from './nanoseconds.ts'
import { RowShapeError } from './values.ts'
import type { Row, Value } from './values.ts'

type Kind = 'text' | 'integer' | 'boolean' | 'timestamp' | 'json' | 'texts'

/** Columns of `Decisions` that are no STRING. */
const KINDS: Readonly<Partial<Record<StoredDecisionColumn, Exclude<Kind, 'text'>>>> = {
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
    if (cell === undefined || (cell.nullValue !== undefined && cell.nullValue !== null)) continue
    const content = contentOf(column, cell)
    if (content === undefined) throw new RowShapeError(`Decisions.${column} has an unexpected shape`)
    record[column] = content
  }
  return record
}

function contentOf(column: StoredDecisionColumn, cell: Value): unknown {
  const text = cell.stringValue ?? undefined
  switch (KINDS[column] ?? 'text') {
    case 'boolean':
      return cell.boolValue ?? undefined
    case 'texts':
      return cell.listValue?.values?.map(({ stringValue }) => stringValue ?? null)
    case 'integer': {
      const integer = Number(text)
      return Number.isSafeInteger(integer) ? integer : undefined
    }
    case 'timestamp':
      return text === undefined || text === 'spanner.commit_timestamp()'
        ? text
        : formatNanoseconds(parseNanoseconds(text))
    case 'json':
      return text === undefined ? undefined : jsonOf(column, text)
    case 'text':
      return text
  }
}

function jsonOf(column: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new RowShapeError(`Decisions.${column} is no JSON`, { cause: error })
  }
}
