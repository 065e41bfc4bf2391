import type { AuditEntry } from '../core/audit-entry.ts'
import { CalloutError } from '../core/errors.ts'
import { Batcher } from './batcher.ts'
import type { CalloutEvents } from './events.ts'
import type { Clock, DeadlineMs, DecisionLog } from './ports.ts'
import { SpareRows } from './spare-rows.ts'

/**
 * Most of what is saved by sharing a commit is saved with two dozen rows; more make it longer for all of them. To the emulator a
 * row costs least in commits of 16 to 32, and twice as much in one of 200.
 */
const ROWS_PER_COMMIT_MAX = 24
/** Beside the first when that is slow or full, so that a commit that hangs does not hold every decision. */
const COMMITS_IN_FLIGHT_MAX = 4
/** Several times what a commit takes in one region. */
const COMMIT_OVERDUE_MS = 50

export interface AuditWriterOptions {
  readonly log: DecisionLog
  readonly waitingMax: number
  readonly clock: Clock
  readonly events: Pick<CalloutEvents, 'batchSettled'>
}

/** Writes entries in group commits. */
export interface AuditWriter {
  /** Returns once the entry is durable; throws a `CalloutError` when that is not known at the deadline. */
  record(entry: AuditEntry, deadlineMs: DeadlineMs): Promise<void>
  /**
   * For entries that nobody waits for: written when nothing else is, some of them in any case; never in the way of `record`.
   * Returns once the entry is durable; throws a `CalloutError` when it is lost.
   */
  recordSpare(entry: AuditEntry): Promise<void>
  /** Before the end: returns when no spare entry waits any more; those that still do at the deadline are lost. */
  flush(deadlineMs: DeadlineMs): Promise<void>
}

/**
 * Group commit over a `DecisionLog`: entries that wait at the same moment share one commit. When the database refuses a
 * batch for what a row holds, each entry is committed alone, so that one row cannot take the others with it.
 */
export function createAuditWriter({ log, waitingMax, clock, events }: AuditWriterOptions): AuditWriter {
  const run = (entries: readonly AuditEntry[], deadlineMs: DeadlineMs) => appendTogether(log, entries, deadlineMs)
  const batcher = new Batcher<AuditEntry, CalloutError | undefined>({
    run,
    itemsMax: ROWS_PER_COMMIT_MAX,
    inFlightMax: COMMITS_IN_FLIGHT_MAX,
    overdueMs: COMMIT_OVERDUE_MS,
    waitingMax,
    clock,
    settled(items, durationMs, failure) {
      events.batchSettled('audit', items, durationMs, failure)
      spare.pump()
    },
  })
  const spare = new SpareRows({ run, rowsPerCommitMax: ROWS_PER_COMMIT_MAX, isBusy: () => !batcher.idle, clock })
  return {
    async record(entry, deadlineMs) {
      const failure = await batcher.submit(entry, deadlineMs)
      if (failure !== undefined) throw failure
    },
    recordSpare: (entry) => spare.add(entry),
    flush: (deadlineMs) => spare.flush(deadlineMs),
  }
}

async function appendTogether(
  log: DecisionLog,
  entries: readonly AuditEntry[],
  deadlineMs: DeadlineMs,
): Promise<(CalloutError | undefined)[]> {
  try {
    await log.append(entries, deadlineMs)
    return entries.map(() => undefined)
  } catch (error) {
    if (entries.length === 1 || !(error instanceof CalloutError) || error.code !== 'ERR_STORE_REFUSED') throw error
    return Promise.all(entries.map((entry) => appendAlone(log, entry, deadlineMs)))
  }
}

async function appendAlone(
  log: DecisionLog,
  entry: AuditEntry,
  deadlineMs: DeadlineMs,
): Promise<CalloutError | undefined> {
  try {
    await log.append([entry], deadlineMs)
    return undefined
  } catch (error) {
    if (error instanceof CalloutError) return error
    throw error
  }
}
