import type { FeedStep, HistoryLog, HistoryReach, Lease } from '../service/history.ts'
import type { Clock, DeadlineMs } from '../service/ports.ts'
import type { SpannerDatabase } from './database.ts'
import { gapRow, historyRows } from './history-row.ts'
import { upsertion } from './mutation.ts'
import type { Mutation } from './mutation.ts'
import type { Parameters } from './query.ts'
import {
  CHANGE_STREAM_READERS,
  POLICY_CHANGES,
  POLICY_HISTORY,
  POLICY_HISTORY_COLUMNS,
  SCHEMA_MIGRATIONS,
} from './schema.ts'
import { COMMIT_TIMESTAMP, int64Value, NULL, RowReader, stringValue } from './values.ts'
import type { Row, Value } from './values.ts'

/** Small calls; slower than this, the database is not there. */
const TIMEOUT_MS = 5000
/** Releasing is a courtesy and must not hold up the end of the process. */
const RELEASE_TIMEOUT_MS = 500
/** More in a commit gains nothing, and the emulator takes seconds for some hundred rows with their indexes. */
const ROWS_PER_COMMIT_MAX = 64
/** Before the first step is recorded the history reaches to the end of the migration that made it. */
export const HISTORY_MIGRATION = 6

export interface HistoryLogOptions {
  readonly database: SpannerDatabase
  readonly clock: Clock
  /** Unique for each process. */
  readonly holder: string
  readonly leaseMs: number
}

/**
 * The tables `PolicyHistory` and `ChangeStreamReaders`. Nothing here needs a read-write transaction: two writers at once make the same
 * rows, and what each says of the reach is true, so the lease only saves work. Its clock is Spanner's, so that members need not
 * agree on theirs.
 */
export function createHistoryLog({ database, clock, holder, leaseMs }: HistoryLogOptions): HistoryLog {
  const commit = (timeoutMs: number, ...mutations: readonly Mutation[]): Promise<void> =>
    database.commit(mutations, { repeatable: true }, clock.monotonicMs() + timeoutMs)
  const recordedUntil = (time: string): Mutation => readerMutation({ RecordedUntil: stringValue(time) })
  return {
    async takeLease(): Promise<Lease> {
      const { current, expiresAt, ...reach } = await readLease(database, leaseMs, clock.monotonicMs() + TIMEOUT_MS)
      if (current !== undefined && current !== holder) return { ...reach, heldBy: current }
      const lease = { Holder: stringValue(holder), LeaseExpiresAt: stringValue(expiresAt) }
      await commit(TIMEOUT_MS, readerMutation(lease))
      return reach
    },

    async record({ transactions, completeUntil }: FeedStep) {
      const rows = transactions.flatMap(historyRows)
      for (let start = 0; start < rows.length; start += ROWS_PER_COMMIT_MAX) {
        const chunk = historyMutation(rows.slice(start, start + ROWS_PER_COMMIT_MAX))
        const isLast = start + ROWS_PER_COMMIT_MAX >= rows.length
        await commit(TIMEOUT_MS, chunk, ...(isLast ? [recordedUntil(completeUntil)] : []))
      }
      if (rows.length === 0) await commit(TIMEOUT_MS, recordedUntil(completeUntil))
    },

    recordGap: (from, until) => commit(TIMEOUT_MS, historyMutation([gapRow(from, until)]), recordedUntil(until)),

    async releaseLease() {
      const { current } = await readLease(database, leaseMs, clock.monotonicMs() + RELEASE_TIMEOUT_MS)
      if (current === holder) await commit(RELEASE_TIMEOUT_MS, readerMutation({ Holder: NULL, LeaseExpiresAt: NULL }))
    },
  }
}

/** Writes the named columns of the one row and leaves the others. */
function readerMutation(columns: Readonly<Record<string, Value>>): Mutation {
  const names = ['Stream', ...Object.keys(columns), 'UpdatedAt']
  return upsertion(CHANGE_STREAM_READERS, names, [
    [stringValue(POLICY_CHANGES), ...Object.values(columns), COMMIT_TIMESTAMP],
  ])
}

/** How far the history reaches, whoever writes it. */
export async function readReach(database: SpannerDatabase, deadlineMs: DeadlineMs): Promise<HistoryReach> {
  const { recordedUntil, lagMs } = await readLease(database, 0, deadlineMs)
  return { recordedUntil, lagMs }
}

function historyMutation(rows: readonly Row[]): Mutation {
  return upsertion(POLICY_HISTORY, POLICY_HISTORY_COLUMNS, rows)
}

interface ReadLease extends HistoryReach {
  /** Who holds a lease that runs. */
  readonly current: string | undefined
  /** Of a lease that is taken now. */
  readonly expiresAt: string
}

const LEASE_SQL = `SELECT Holder, RecordedUntil, TIMESTAMP_DIFF(Now, RecordedUntil, MILLISECOND),
  TIMESTAMP_ADD(Now, INTERVAL @lease MILLISECOND)
FROM (SELECT CURRENT_TIMESTAMP() AS Now,
  (SELECT Holder FROM ${CHANGE_STREAM_READERS} WHERE Stream = @stream AND LeaseExpiresAt > CURRENT_TIMESTAMP()) AS Holder,
  COALESCE(
    (SELECT RecordedUntil FROM ${CHANGE_STREAM_READERS} WHERE Stream = @stream),
    (SELECT AppliedAt FROM ${SCHEMA_MIGRATIONS} WHERE Version = @migration)) AS RecordedUntil)`

async function readLease(database: SpannerDatabase, leaseMs: number, deadlineMs: DeadlineMs): Promise<ReadLease> {
  const parameters: Parameters = {
    stream: { value: stringValue(POLICY_CHANGES), type: 'STRING' },
    migration: { value: int64Value(HISTORY_MIGRATION), type: 'INT64' },
    lease: { value: int64Value(leaseMs), type: 'INT64' },
  }
  const [row] = await database.query(LEASE_SQL, parameters, deadlineMs)
  const columns = ['Holder', 'RecordedUntil', 'LagMs', 'ExpiresAt']
  const reader = new RowReader(CHANGE_STREAM_READERS, columns, row ?? [])
  return {
    current: reader.optionalString(),
    recordedUntil: reader.string(),
    lagMs: Math.max(0, reader.int64()),
    expiresAt: reader.string(),
  }
}
