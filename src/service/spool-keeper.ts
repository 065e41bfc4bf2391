import { CalloutError } from '../core/errors.ts'
import type { CalloutEvents, ReadinessProbe } from './events.ts'
import type { Clock, OutageSpool, RecordSpool } from './ports.ts'

export interface SpoolKeeperOptions {
  readonly spool: RecordSpool
  /** Brings everything in the spool to where it belongs; returns how many records that were. Throws `CalloutError`. */
  readonly replay: (spool: RecordSpool) => Promise<number>
  readonly clock: Clock
  readonly events: Pick<CalloutEvents, 'spoolReplayed' | 'spoolKept' | 'unexpected'>
}

/** How long an outage goes on unnoticed after its end, at most. */
const LOOK_MS = 1000
/** At the end the database gets so long for what is spooled: it is safe on the disk, and other parts have yet to end. */
const END_WITHIN_MS = 2000

/**
 * A spool that is emptied as soon as that is possible again. It diverts from the first record that it is given until the database has
 * taken some, or given an answer that is no outage: what comes then does not wait for what is still spooled.
 *
 * Once an attempt to empty it failed for anything but an outage (it was forbidden, or a record refused for what it holds), it takes nothing
 * until it is empty: an outage ends by itself, but such a record may never come to where it belongs, and with it none that comes after
 * it; nobody is to rely on them.
 */
export class SpoolKeeper implements RecordSpool, OutageSpool, AsyncDisposable {
  readonly #options: SpoolKeeperOptions
  #running: Promise<void> = Promise.resolve()
  #cancel: () => void = () => {}
  #isServing = false
  #isDiverting = false
  #isEnding = false
  #hasEnded = false
  /** Of the last attempt. */
  #failure: CalloutError | undefined
  /** Of the last attempt that was no outage. */
  #refusal: CalloutError | undefined

  /** Does nothing by itself yet. */
  constructor(options: SpoolKeeperOptions) {
    this.#options = options
  }

  /** Looks from now on, but not at once. */
  start(): void {
    this.#isServing = true
    this.#lookLater()
  }

  /** Empties it once more, within two seconds, unless the database is away; what waits then is left to the next process. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { promise: expired, resolve: expire } = Promise.withResolvers<void>()
    this.#isEnding = true
    this.#cancel()
    const cancel = this.#options.clock.after(END_WITHIN_MS, expire)
    if (!this.#isAway) await Promise.race([this.#emptyAtEnd(), expired])
    cancel()
    this.#hasEnded = true
  }

  get pending(): number {
    return this.#options.spool.pending
  }

  get isDiverting(): boolean {
    return this.#isDiverting
  }

  async append(records: readonly string[]): Promise<void> {
    this.#isDiverting = true
    const cause = this.#refusal
    if (cause !== undefined)
      throw new CalloutError('ERR_AUDIT_UNAVAILABLE', `audit: the spool is closed: ${cause.message}`, { cause })
    await this.#options.spool.append(records)
  }

  drain(take: (records: readonly string[]) => Promise<void>, batchMax: number): Promise<void> {
    return this.#options.spool.drain(async (records) => {
      await take(records)
      if (this.#hasEnded)
        throw new CalloutError('ERR_DEADLINE', 'the spool was closed before the database had answered')
      this.#isDiverting = false
    }, batchMax)
  }

  /** Whether nothing is left. Never rejects. */
  async empty(): Promise<boolean> {
    const { spool, replay, events } = this.#options
    try {
      if (spool.pending > 0) events.spoolReplayed(await replay(this))
      this.#failure = undefined
      this.#refusal = undefined
      this.#isDiverting = false
      return true
    } catch (error) {
      if (error instanceof CalloutError) events.spoolKept(spool.pending, error)
      else events.unexpected('spool', error)
      this.#failed(
        error instanceof CalloutError
          ? error
          : new CalloutError('ERR_STORE_REFUSED', 'what is spooled could not be replayed', { cause: error }),
      )
      return false
    }
  }

  /** Part `audit_spool`, from memory: not ready while the start waits for the spool to be empty, and while it is closed. */
  readonly probe: ReadinessProbe = () => {
    const { pending } = this
    const rows = `${pending} ${pending === 1 ? 'row' : 'rows'} of the audit`
    const why = `${rows} on the disk wait for the database${this.#failure === undefined ? '' : `: ${this.#failure.message}`}`
    const ready = pending === 0 || (this.#isServing && this.#refusal === undefined)
    return [{ part: 'audit_spool', ready, ...(pending > 0 && { why }) }]
  }

  #failed(failure: CalloutError): void {
    this.#failure = failure
    if (failure.code === 'ERR_STORE_UNAVAILABLE') return
    this.#refusal = failure
    this.#isDiverting = false
  }

  async #emptyAtEnd(): Promise<void> {
    await this.#running
    if (!this.#isAway) await this.empty()
  }

  /** As far as is known: it did not take the last records, or not what was spooled. */
  get #isAway(): boolean {
    return this.#isDiverting || this.#failure !== undefined
  }

  #lookLater(): void {
    if (this.#isEnding) return
    this.#cancel = this.#options.clock.after(LOOK_MS, () => {
      this.#running = this.empty().then(() => this.#lookLater())
    })
  }
}
