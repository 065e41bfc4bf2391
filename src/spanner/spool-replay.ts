import { CalloutError } from '../core/errors.ts'
import type { Clock, RecordSpool } from '../service/ports.ts'
import type { SpannerDatabase } from './database.ts'
import { createGrantSets } from './grant-sets.ts'
import { STORED_DECISION_COLUMNS } from './schema.ts'
import { insertMissingRows, type SealedRow } from './sealed-rows.ts'
import { booleanValue, NULL, type Value } from './values.ts'

/** As large as is cheap in the emulator. */
const ROWS_PER_COMMIT_MAX = 32
/** As many as the writer has of new rows, which go on beside these. */
const COMMITS_IN_FLIGHT_MAX = 4
const COMMIT_TIMEOUT_MS = 5_000

/** A row as one line: columns by name, so that a later release reads it. */
export function spoolRecord(row: SealedRow): string {
  const cells = STORED_DECISION_COLUMNS.map((column, index) => [column, row[index]] as const)
  return JSON.stringify(Object.fromEntries(cells.filter(([, cell]) => cell !== NULL)))
}

/** Throws `ERR_STORE_REFUSED` for what a later release wrote. */
function rowOf(record: string): SealedRow {
  const cells = JSON.parse(record) as Record<string, Value | undefined>
  const unknown = Object.keys(cells).find((name) => !STORED_DECISION_COLUMNS.some((column) => column === name))
  if (unknown !== undefined) {
    const advice = 'run the release that wrote it, or a later one, until the spool is empty'
    const message = `a spooled row has a column ${unknown}, which this release does not know: ${advice}`
    throw new CalloutError('ERR_STORE_REFUSED', message)
  }
  return STORED_DECISION_COLUMNS.map((column) => (column === 'Spooled' ? booleanValue(true) : (cells[column] ?? NULL)))
}

/**
 * Writes everything in the spool to `Decisions`, marked `Spooled`, some commits at a time. May be done again after any failure: rows that
 * are there already are recognised. Throws the `CalloutError`s of the database, and `ERR_STORE_REFUSED` for a row of a later release.
 */
export async function replaySpool(spool: RecordSpool, database: SpannerDatabase, clock: Clock): Promise<number> {
  const grantSets = createGrantSets(clock)
  let replayed = 0
  async function insert(rows: readonly SealedRow[]): Promise<void> {
    const commits: Promise<void>[] = []
    for (let start = 0; start < rows.length; start += ROWS_PER_COMMIT_MAX) {
      const deadlineMs = clock.monotonicMs() + COMMIT_TIMEOUT_MS
      commits.push(insertMissingRows(database, grantSets, rows.slice(start, start + ROWS_PER_COMMIT_MAX), deadlineMs))
    }
    // All of them, so that none is still under way when they are tried again.
    const failed = (await Promise.allSettled(commits)).find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
  }

  await spool.drain(async (records) => {
    await insert(records.map(rowOf))
    replayed += records.length
  }, ROWS_PER_COMMIT_MAX * COMMITS_IN_FLIGHT_MAX)
  return replayed
}
