import { CalloutError } from '../core/errors.ts'
import type { Clock, RecordSpool } from '../service/ports.ts'
import type { SpannerDatabase } from './database.ts'
import { createGrantSets } from './grant-sets.ts'
import { STORED_DECISION_COLUMNS } from './schema.ts'
import { insertRows, type SealedRow } from './sealed-rows.ts'
import { booleanValue, NULL, type Value } from './values.ts'

const ROWS_PER_COMMIT_MAX = 24
const COMMIT_TIMEOUT_MS = 5_000

/** A row as one line: columns by name, so that a later release reads it. */
export function spoolRecord(row: SealedRow): string {
  const cells = STORED_DECISION_COLUMNS.map((column, index) => [column, row[index]] as const)
  return JSON.stringify(Object.fromEntries(cells.filter(([, cell]) => cell !== NULL)))
}

/** Throws `TypeError` for what no release wrote. */
function rowOf(record: string): SealedRow {
  const cells = JSON.parse(record) as Record<string, Value | undefined>
  const unknown = Object.keys(cells).find((name) => !STORED_DECISION_COLUMNS.some((column) => column === name))
  if (unknown !== undefined)
    throw new TypeError(`a spooled row has a column ${unknown}, which this release does not know`)
  return STORED_DECISION_COLUMNS.map((column) => (column === 'Spooled' ? booleanValue(true) : (cells[column] ?? NULL)))
}

/**
 * Writes everything in the spool to `Decisions`, in order and marked `Spooled`. May be done again after any failure: rows that are
 * there already are recognised. Throws the `CalloutError`s of the database.
 */
export async function replaySpool(spool: RecordSpool, database: SpannerDatabase, clock: Clock): Promise<number> {
  const grantSets = createGrantSets(clock)
  let replayed = 0
  const insert = (rows: readonly SealedRow[]): Promise<unknown> =>
    insertRows(database, grantSets, rows, clock.monotonicMs() + COMMIT_TIMEOUT_MS)
  await spool.drain(async (records) => {
    const rows = records.map(rowOf)
    try {
      await insert(rows)
    } catch (error) {
      if (!(error instanceof CalloutError) || error.code !== 'ERR_STORE_CONFLICT') throw error
      // A commit whose answer was lost had other rows beside these.
      for (const row of rows) await insert([row])
    }
    replayed += rows.length
  }, ROWS_PER_COMMIT_MAX)
  return replayed
}
