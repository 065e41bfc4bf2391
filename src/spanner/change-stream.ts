import { CalloutError } from '../core/errors.ts'
import { ChangesExpired } from '../service/history.ts'
import type { Clock } from '../service/ports.ts'
import { ChangeBuffer } from './change-buffer.ts'
import type { ChangedTransaction } from './change-buffer.ts'
import { changeRecords } from './change-record.ts'
import type { ChangeRecord } from './change-record.ts'
import type { SpannerDatabase } from './database.ts'
import { formatNanoseconds, nanosecondsOf, parseNanoseconds } from './nanoseconds.ts'
import type { Nanoseconds } from './nanoseconds.ts'
import { grpcFailure, STATUS } from './status.ts'
import { stringValue } from './values.ts'

/** The shortest that Spanner takes: it bounds how long it takes to know that nothing happened. */
const HEARTBEAT_MS = 1000
/** So many heartbeats do not get lost on a connection that lives. */
const SILENCE_MAX_MS = 10_000
/** A query that nobody reads any more ends itself; the emulator takes no notice of a call that was ended. */
const QUERY_SPAN_MS = 300_000
/** More than a command changes in one transaction, each of its changes being two rows at most. */
const ROWS_PER_TRANSACTION_MAX = 4000
/** Partitions that are ahead wait when so many rows are buffered. */
const ROWS_BUFFERED_MAX = 10_000
const ROWS_PER_STEP_MAX = 256

export interface ChangeStreamOptions {
  readonly database: Pick<SpannerDatabase, 'stream'>
  readonly stream: string
  readonly clock: Clock
}

export interface ChangeStep {
  /** Whole, in the order of their commits within the step. */
  readonly transactions: readonly ChangedTransaction[]
  /** Every transaction until then has been handed out. */
  readonly completeUntil: string
}

interface Partition {
  readonly token: string
  readonly parents: readonly string[]
  /** Everything until then has come. */
  until: Nanoseconds
  isRead: boolean
}

/**
 * Reads a change stream from a commit timestamp on. Any failure ends it: begin again from the last `completeUntil`, then all partitions
 * are asked from the same time, and a transaction comes either whole or not at all. Throws `ChangesExpired` when the stream
 * does not go back so far, and `CalloutError`s of the database.
 */
export async function* readChanges(
  options: ChangeStreamOptions,
  completeUntil: string,
  signal: AbortSignal,
): AsyncGenerator<ChangeStep, void, void> {
  const reader = new Reader(options, parseNanoseconds(completeUntil), signal)
  try {
    yield* reader.steps()
  } finally {
    await reader.stop()
  }
}

/** Asks for the partitions at a time, which shows whether the stream goes back so far. */
export async function requireReadable(options: ChangeStreamOptions, from: string, signal: AbortSignal): Promise<void> {
  const stopping = new AbortController()
  const both = AbortSignal.any([signal, stopping.signal])
  try {
    for await (const _record of query(options, undefined, parseNanoseconds(from), undefined, both)) return
  } finally {
    stopping.abort()
  }
}

class Reader {
  readonly #options: ChangeStreamOptions
  readonly #stopping = new AbortController()
  readonly #signal: AbortSignal
  readonly #buffer = new ChangeBuffer(ROWS_PER_TRANSACTION_MAX)
  readonly #partitions = new Map<string, Partition>()
  readonly #running = new Set<Promise<void>>()
  readonly #start: Nanoseconds
  #isRootRead = false
  #failure: { readonly error: unknown } | undefined
  #changed = Promise.withResolvers<void>()

  constructor(options: ChangeStreamOptions, start: Nanoseconds, signal: AbortSignal) {
    this.#options = options
    this.#start = start
    this.#signal = AbortSignal.any([signal, this.#stopping.signal])
  }

  async *steps(): AsyncGenerator<ChangeStep, void, void> {
    const wake = (): void => this.#wake()
    this.#signal.addEventListener('abort', wake)
    this.#run(() => this.#readRoot())
    let reported = this.#start
    for (;;) {
      const changed = this.#changed.promise
      if (this.#failure !== undefined) throw this.#failure.error
      if (this.#signal.aborted) return
      const passed = this.#passed
      this.#buffer.passed(passed)
      const transactions = this.#buffer.take(ROWS_PER_STEP_MAX)
      const complete = least(passed, before(this.#buffer.earliest))
      if (transactions.length === 0 && complete <= reported) {
        await changed
        continue
      }
      reported = complete > reported ? complete : reported
      yield { transactions, completeUntil: formatNanoseconds(reported) }
      // Room was made in the buffer.
      this.#wake()
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#wake()
    await Promise.all(this.#running)
  }

  /** Until when all partitions have been read. */
  get #passed(): Nanoseconds {
    if (!this.#isRootRead) return this.#start
    let passed: Nanoseconds | undefined
    for (const { until } of this.#partitions.values()) passed = least(until, passed)
    return passed ?? this.#start
  }

  #wake(): void {
    const { resolve } = this.#changed
    this.#changed = Promise.withResolvers<void>()
    resolve()
  }

  #run(read: () => Promise<void>): void {
    const running = read().catch((error: unknown) => {
      if (!this.#signal.aborted) this.#failure ??= { error }
    })
    const ended = running.finally(() => {
      this.#running.delete(ended)
      this.#wake()
    })
    this.#running.add(ended)
  }

  async #readRoot(): Promise<void> {
    for await (const record of query(this.#options, undefined, this.#start + 1n, undefined, this.#signal)) {
      if (record.kind === 'children') this.#announce(record)
    }
    if (this.#signal.aborted) return
    if (this.#partitions.size === 0)
      throw new CalloutError('ERR_STORE_UNAVAILABLE', 'the change stream has no partition')
    this.#isRootRead = true
    this.#readOrphans()
  }

  #announce({ startAt, children }: Extract<ChangeRecord, { kind: 'children' }>): void {
    const start = parseNanoseconds(startAt) - 1n
    for (const { token, parents } of children) {
      if (this.#partitions.has(token)) continue
      this.#partitions.set(token, { token, parents, until: start > this.#start ? start : this.#start, isRead: false })
    }
  }

  #readOrphans(): void {
    if (this.#partitions.size === 0)
      throw new CalloutError('ERR_STORE_UNAVAILABLE', 'the change stream names no partition')
    for (const partition of this.#partitions.values()) {
      if (partition.isRead || !this.#isOrphan(partition)) continue
      partition.isRead = true
      this.#run(() => this.#readPartition(partition))
    }
  }

  /**
   * Whether all those that a partition goes on from have ended. One of several may not even be known: whoever announces it is read
   * as well, and is not as far as the merger.
   */
  #isOrphan({ parents, until }: Partition): boolean {
    if (parents.some((parent) => this.#partitions.has(parent))) return false
    if (parents.length < 2) return true
    return [...this.#partitions.values()].every((other) => !other.isRead || other.until >= until)
  }

  async #readPartition(partition: Partition): Promise<void> {
    for (;;) {
      const from = partition.until
      const nowish = nanosecondsOf(this.#options.clock.nowMs())
      const end = (from > nowish ? from : nowish) + nanosecondsOf(QUERY_SPAN_MS)
      let hasEnded = false
      for await (const record of query(this.#options, partition.token, from + 1n, end, this.#signal)) {
        if (record.kind === 'children') {
          hasEnded = true
          this.#announce(record)
        }
        if (record.kind === 'heartbeat') partition.until = parseNanoseconds(record.at)
        if (record.kind === 'data') {
          this.#buffer.add(record)
          // Of the same time there may be more.
          partition.until = parseNanoseconds(record.committedAt) - 1n
        }
        this.#readOrphans()
        this.#wake()
        await this.#room(partition)
      }
      if (this.#signal.aborted) return
      if (hasEnded) break
      // Heartbeats come to the end. An answer that was cut off says nothing of the rest.
      if (end - partition.until > nanosecondsOf(SILENCE_MAX_MS))
        throw new CalloutError('ERR_STORE_UNAVAILABLE', 'the change stream ended before its time')
      partition.until = end
    }
    this.#partitions.delete(partition.token)
    this.#readOrphans()
  }

  /** The partition that is behind is read on as long as nothing can be handed out before. */
  async #room(partition: Partition): Promise<void> {
    while (this.#buffer.rows > ROWS_BUFFERED_MAX && !this.#signal.aborted) {
      if (!this.#buffer.hasWhole && partition.until <= this.#passed) return
      await this.#changed.promise
    }
  }
}

async function* query(
  { database, stream }: ChangeStreamOptions,
  token: string | undefined,
  start: Nanoseconds,
  end: Nanoseconds | undefined,
  signal: AbortSignal,
): AsyncGenerator<ChangeRecord, void, void> {
  const sql = `SELECT ChangeRecord FROM READ_${stream}(
  start_timestamp => @start, end_timestamp => ${end === undefined ? 'NULL' : '@end'},
  partition_token => ${token === undefined ? 'NULL' : '@token'}, heartbeat_milliseconds => ${HEARTBEAT_MS})`
  const parameters = {
    start: timestamp(start),
    ...(end !== undefined && { end: timestamp(end) }),
    ...(token !== undefined && { token: { value: stringValue(token), type: 'STRING' as const } }),
  }
  try {
    for await (const { row, rowType } of database.stream(sql, parameters, { silenceMaxMs: SILENCE_MAX_MS, signal })) {
      yield* changeRecords(row, rowType)
    }
  } catch (error) {
    const failure = error instanceof CalloutError ? grpcFailure(error.cause) : undefined
    if (failure?.code !== STATUS.outOfRange || !/past/i.test(failure.details)) throw error
    throw new ChangesExpired(`${stream} does not go back to ${formatNanoseconds(start)}`, { cause: error })
  }
}

function timestamp(time: Nanoseconds): { value: { stringValue: string }; type: 'TIMESTAMP' } {
  return { value: { stringValue: formatNanoseconds(time) }, type: 'TIMESTAMP' }
}

function before(time: Nanoseconds | undefined): Nanoseconds | undefined {
  return time === undefined ? undefined : time - 1n
}

function least(a: Nanoseconds, b: Nanoseconds | undefined): Nanoseconds {
  return b === undefined || a < b ? a : b
}
