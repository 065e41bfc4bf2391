import type { AuditEntry } from '../core/audit-entry.ts'
import { CalloutError } from '../core/errors.ts'
import type { Clock, DeadlineMs } from './ports.ts'

export interface SpareRowsOptions {
  /** One commit for all entries; for each the error that kept it out, or undefined. */
  readonly run: (
    entries: readonly AuditEntry[],
    deadlineMs: DeadlineMs,
  ) => Promise<readonly (CalloutError | undefined)[]>
  readonly rowsPerCommitMax: number
  /** Whether the log has rows to write that somebody waits for. */
  readonly isBusy: () => boolean
  readonly clock: Clock
}

/** Some 8 MB of entries, 40 MB of the most hostile ones; what an overload leaves beyond is counted as lost. */
const WAITING_MAX = 4096
/** While others are busy one commit goes in so long: two hundred rows a second, a tenth of what an emulator writes. */
const BUSY_PAUSE_MS = 500
const COMMIT_TIMEOUT_MS = 5_000

interface Waiting {
  readonly entry: AuditEntry
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Rows that nobody waits for, written one commit at a time when the log is idle, or now and then when it is not. */
export class SpareRows {
  readonly #options: SpareRowsOptions
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined
  #startedMs = Number.NEGATIVE_INFINITY
  #timed = false

  constructor(options: SpareRowsOptions) {
    this.#options = options
  }

  /** Resolves once the row is durable; rejects when too many wait or its commit failed: then it is lost. */
  add(entry: AuditEntry): Promise<void> {
    if (this.#waiting.length >= WAITING_MAX) {
      return Promise.reject(new CalloutError('ERR_OVERLOADED', `more than ${WAITING_MAX} rows of refusals wait`))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, resolve, reject })
      this.pump()
    })
  }

  /** Returns when nothing waits; at the deadline what still waits is lost. */
  async flush(deadlineMs: DeadlineMs): Promise<void> {
    const { clock } = this.#options
    const { promise: expired, resolve: expire } = Promise.withResolvers<void>()
    const cancel = clock.after(Math.max(0, deadlineMs - clock.monotonicMs()), expire)
    this.pump()
    await Promise.race([this.#emptied(), expired])
    cancel()
    for (const { reject } of this.#waiting.splice(0)) {
      reject(new CalloutError('ERR_DEADLINE', 'the service ended before the row was written'))
    }
  }

  async #emptied(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  /** To be called when the log has become idle. */
  pump(): void {
    const { clock, isBusy } = this.#options
    if (this.#running !== undefined || this.#waiting.length === 0) return
    const pauseMs = isBusy() ? this.#startedMs + BUSY_PAUSE_MS - clock.monotonicMs() : 0
    if (pauseMs <= 0) this.#running = this.#commit()
    else if (!this.#timed) {
      this.#timed = true
      clock.after(pauseMs, () => {
        this.#timed = false
        this.pump()
      })
    }
  }

  async #commit(): Promise<void> {
    const { run, rowsPerCommitMax, clock } = this.#options
    const batch = this.#waiting.slice(0, rowsPerCommitMax)
    this.#waiting = this.#waiting.slice(batch.length)
    this.#startedMs = clock.monotonicMs()
    try {
      const entries = batch.map(({ entry }) => entry)
      const failures = await run(entries, this.#startedMs + COMMIT_TIMEOUT_MS)
      for (const [index, { resolve, reject }] of batch.entries()) {
        const failure = failures[index]
        if (failure === undefined) resolve()
        else reject(failure)
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    } finally {
      this.#running = undefined
      this.pump()
    }
  }
}
