import { CalloutError } from '../core/errors.ts'
import type { CalloutEvents } from './events.ts'
import { ChangesExpired } from './history.ts'
import type { FeedStep, HistoryLog, Lease, PolicyFeed } from './history.ts'
import type { Clock } from './ports.ts'

/** A member that is killed is succeeded after this and one look. */
export const HISTORY_LEASE_MS = 10_000
/** Often enough that a lease outlives two failures to renew it. */
const RENEW_EVERY_MS = 3000
/** How often a member that does not hold the lease looks whether it may have it. */
const LOOK_EVERY_MS = 3000
/** Doubling from here to there after failures in a row. */
const BACKOFF_FIRST_MS = 100
const BACKOFF_MAX_MS = 10_000
/** At the end, for a step that is being recorded. What is not recorded is read again by the next. */
const STOP_WITHIN_MS = 1000

export interface HistoryWriterOptions {
  readonly feed: PolicyFeed
  readonly log: HistoryLog
  readonly clock: Clock
  readonly events: Pick<
    CalloutEvents,
    'historyRecorded' | 'historyFailed' | 'historyGap' | 'historyWriter' | 'unexpected'
  >
}

/**
 * Makes the history of the feed, in the one process of all that holds the lease; the others stand by. At its own pace and with
 * nobody waiting for it: a failure is reported and tried again, for ever.
 */
export class HistoryWriter implements AsyncDisposable {
  readonly #options: HistoryWriterOptions
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>
  #recordedUntilMs: number | undefined
  #failures = 0
  #isWriting = false

  /** Runs from now on. */
  constructor(options: HistoryWriterOptions) {
    this.#options = options
    this.#running = this.#run()
  }

  /** How long ago everything was in the history, as far as this member knows; undefined before it knows anything. */
  lagMs(): number | undefined {
    if (this.#recordedUntilMs === undefined) return undefined
    return Math.max(0, this.#options.clock.nowMs() - this.#recordedUntilMs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await Promise.race([this.#running, this.#pause(STOP_WITHIN_MS, undefined)])
    if (this.#isWriting) await this.#options.log.releaseLease().catch(() => {})
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      let pauseMs = 0
      try {
        const lease = await this.#options.log.takeLease()
        this.#reached(lease.recordedUntil)
        this.#writes(lease.heldBy === undefined)
        if (lease.heldBy === undefined) await this.#write(lease)
        else pauseMs = LOOK_EVERY_MS
        this.#failures = 0
      } catch (error) {
        pauseMs = this.#failed(error)
      }
      if (pauseMs > 0) await this.#pause(pauseMs, signal)
    }
  }

  /** Until told to stop, until another holds the lease, or until a failure. */
  async #write({ recordedUntil }: Lease): Promise<void> {
    const { feed, log, clock } = this.#options
    let renewedMs = clock.monotonicMs()
    try {
      for await (const step of feed.follow(recordedUntil, this.#stopping.signal)) {
        const isDue = clock.monotonicMs() - renewedMs >= RENEW_EVERY_MS
        if (isDue) {
          renewedMs = clock.monotonicMs()
          if ((await log.takeLease()).heldBy !== undefined) return
        }
        if (isDue || step.transactions.length > 0) await this.#record(step)
      }
    } catch (error) {
      if (!(error instanceof ChangesExpired)) throw error
      await this.#skip(recordedUntil)
    }
  }

  async #record(step: FeedStep): Promise<void> {
    const { log, events } = this.#options
    await log.record(step)
    this.#failures = 0
    this.#reached(step.completeUntil)
    const changes = step.transactions.reduce((sum, transaction) => sum + transaction.changes.length, 0)
    if (changes > 0) events.historyRecorded(changes)
  }

  /** What is lost is lost; what is still there must not be. */
  async #skip(from: string): Promise<void> {
    const { feed, log, events } = this.#options
    const earliest = await feed.earliest(this.#stopping.signal)
    await log.recordGap(from, earliest)
    events.historyGap(from, earliest)
    this.#reached(earliest)
  }

  #failed(error: unknown): number {
    const { events } = this.#options
    if (this.#stopping.signal.aborted) return 0
    if (error instanceof CalloutError) events.historyFailed(error)
    else events.unexpected('history', error)
    this.#failures += 1
    return Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.#failures)
  }

  #reached(recordedUntil: string): void {
    this.#recordedUntilMs = Date.parse(recordedUntil)
  }

  #writes(isWriting: boolean): void {
    if (isWriting !== this.#isWriting) this.#options.events.historyWriter(isWriting)
    this.#isWriting = isWriting
  }

  #pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel()
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const cancel = this.#options.clock.after(delayMs, done)
      signal?.addEventListener('abort', done)
    })
  }
}
