import { CalloutError } from '../core/errors.ts'
import type { DeadlineMs } from '../service/ports.ts'
import type { SpannerDatabase } from './database.ts'
import type { GrantSets } from './grant-sets.ts'
import { sparseInsertions } from './mutation.ts'
import { DECISIONS, STORED_DECISION_COLUMNS, type StoredDecisionColumn } from './schema.ts'
import { NULL, RowReader, RowShapeError } from './values.ts'
import type { Row, Value } from './values.ts'

const KEY_COLUMNS = ['Shard', 'DecidedAt', 'DecisionId'] as const
const IDENTIFYING_COLUMNS = ['DecisionId', 'Outcome', 'UserNkey', 'RowHash'] as const

/** A row of `STORED_DECISION_COLUMNS` with its place in a chain: made once for a decision, however often it is written. */
export type SealedRow = Row

export function cellOf(row: SealedRow, column: StoredDecisionColumn): Value {
  return row[STORED_DECISION_COLUMNS.indexOf(column)] ?? NULL
}

/**
 * Inserts rows in one commit, along with the grant sets that are new. That a row exists already is a success only if all are there
 * and are the same decisions; it happens when a commit was applied and its answer was lost. Returns the rows that are stored as
 * they are here, by their hashes. Throws the `CalloutError`s of the database.
 */
export async function insertRows(
  database: SpannerDatabase,
  grantSets: GrantSets,
  rows: readonly SealedRow[],
  deadlineMs: DeadlineMs,
): Promise<ReadonlySet<string>> {
  const conflict = await commitRows(database, grantSets, rows, deadlineMs)
  if (conflict === undefined) return new Set(rows.map((row) => textOf(row, 'RowHash')))
  const stored = await storedAmong(database, rows, deadlineMs)
  if (stored.size < rows.length) {
    throw new CalloutError('ERR_STORE_CONFLICT', 'decisions: a part of the batch is stored', { cause: conflict })
  }
  const same = rows.filter((row) => stored.get(textOf(row, 'DecisionId')) === textOf(row, 'RowHash'))
  return new Set(same.map((row) => textOf(row, 'RowHash')))
}

/** Inserts those of some rows that are not there, in one commit. Throws the `CalloutError`s of the database. */
export async function insertMissingRows(
  database: SpannerDatabase,
  grantSets: GrantSets,
  rows: readonly SealedRow[],
  deadlineMs: DeadlineMs,
): Promise<void> {
  const conflict = await commitRows(database, grantSets, rows, deadlineMs)
  if (conflict === undefined) return
  const stored = await storedAmong(database, rows, deadlineMs)
  if (stored.size === 0) throw conflict
  const missing = rows.filter((row) => !stored.has(textOf(row, 'DecisionId')))
  if (missing.length > 0) await insertMissingRows(database, grantSets, missing, deadlineMs)
}

/** Returns the failure when one of them is there; then none was inserted. */
async function commitRows(
  database: SpannerDatabase,
  grantSets: GrantSets,
  rows: readonly SealedRow[],
  deadlineMs: DeadlineMs,
): Promise<CalloutError | undefined> {
  const sets = grantSets.missing(rows)
  try {
    const inserts = sparseInsertions(DECISIONS, STORED_DECISION_COLUMNS, rows)
    await database.commit([...inserts, ...sets.mutations], { repeatable: true }, deadlineMs)
  } catch (error) {
    if (!(error instanceof CalloutError) || error.code !== 'ERR_STORE_CONFLICT') throw error
    return error
  }
  sets.written()
  return undefined
}

/** The hashes of those that are there, by their ids. Throws `ERR_STORE_CONFLICT` when an id is that of another decision. */
async function storedAmong(
  database: SpannerDatabase,
  wanted: readonly SealedRow[],
  deadlineMs: DeadlineMs,
): Promise<ReadonlyMap<string, string | undefined>> {
  const prefixes = wanted.map((row) => KEY_COLUMNS.map((column) => cellOf(row, column)))
  const read = { table: DECISIONS, columns: IDENTIFYING_COLUMNS, prefixes, limit: wanted.length }
  const { rows } = await database.read(read, 'strong', deadlineMs)
  const found = new Map<string, { readonly decision: string; readonly rowHash: string | undefined }>()
  for (const row of rows) {
    const reader = new RowReader(DECISIONS, IDENTIFYING_COLUMNS, row)
    const id = reader.string()
    found.set(id, { decision: `${reader.string()} ${reader.string()}`, rowHash: reader.optionalString() })
  }
  const stored = new Map<string, string | undefined>()
  for (const row of wanted) {
    const id = textOf(row, 'DecisionId')
    const same = found.get(id)
    if (same === undefined) continue
    if (same.decision !== `${textOf(row, 'Outcome')} ${textOf(row, 'UserNkey')}`) {
      throw new CalloutError('ERR_STORE_CONFLICT', 'decisions: another decision with this id is stored')
    }
    stored.set(id, same.rowHash)
  }
  return stored
}

/** The text of a cell that is never NULL. Throws `RowShapeError`. */
export function textOf(row: SealedRow, column: StoredDecisionColumn): string {
  const text = cellOf(row, column).stringValue
  if (text === undefined || text === null) throw new RowShapeError(`Decisions.${column} is no text`)
  return text
}
