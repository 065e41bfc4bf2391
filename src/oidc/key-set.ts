import type { CryptoKey } from 'jose'
import { CalloutError } from '../core/errors.ts'
import type { CalloutEvents, ReadinessCheck } from '../service/events.ts'
import type { Clock, DeadlineMs } from '../service/ports.ts'
import type { KeySource } from './key-source.ts'
import { isSafeText } from './safe-text.ts'
import type { WebKey } from './web-key.ts'

/** A key withdrawn by its issuer is accepted for at most this long while the issuer can be reached. */
export const REFRESH_INTERVAL_MS = 5 * 60_000

/** A key published after the last fetch is found after at most this long; tokens with made-up key ids cause no more. */
export const MIN_INTERVAL_MS = 10_000

/** Wait after the first failure in a row; doubles with each further one. */
export const BACKOFF_MIN_MS = 1_000
export const BACKOFF_MAX_MS = 60_000

/** How long keys outlive contact with their issuer: a night's outage, against a stolen key that was withdrawn. */
export const MAX_STALE_MS = 12 * 3_600_000

/** Waiting ends this long before the deadline, so that the precise answer is there before the caller's own guard fires. */
const ANSWER_MARGIN_MS = 10

export interface KeySetOptions {
  readonly issuerId: string
  readonly source: KeySource
  readonly clock: Clock
  readonly events: Pick<CalloutEvents, 'keySetRefreshed'>
}

export type KeyMatch =
  | { readonly kind: 'found'; readonly key: CryptoKey }
  | { readonly kind: 'absent' }
  | { readonly kind: 'ambiguous' }
  | { readonly kind: 'refused'; readonly why: string }

/**
 * The keys of one issuer, kept fresh in the background. One fetch at a time, whatever the load; after a failure none
 * before the backoff has passed; an answer without a usable key never replaces keys that work.
 * Works without `start()`, which only makes the first fetch happen before the first token.
 */
export class KeySet {
  readonly #options: KeySetOptions
  readonly #stopping = new AbortController()
  #held: { readonly keys: readonly WebKey[]; readonly asOfMs: number } | undefined
  #running: Promise<void> | undefined
  #cancelTimer: (() => void) | undefined
  #nextAttemptMs = Number.NEGATIVE_INFINITY
  #failuresInRow = 0
  #failure: { readonly text: string; readonly cause: unknown } | undefined

  constructor(options: KeySetOptions) {
    this.#options = options
  }

  start(): void {
    if (this.#held === undefined) void this.#refresh()
  }

  /**
   * The key for a token, by its `kid` (undefined when it has none: then a single fitting key will do) and `alg`.
   * Waits for a fetch only when no key fits, and not past the deadline.
   * Throws `CalloutError('ERR_ISSUER_UNAVAILABLE')` when no keys are held, or none fits and the issuer could not be
   * asked whether it has a newer one.
   */
  async find(keyId: string | undefined, algorithm: string, deadlineMs: DeadlineMs): Promise<KeyMatch> {
    const known = this.#match(keyId, algorithm)
    if (known !== undefined && known.kind !== 'absent') return known
    const now = this.#options.clock.monotonicMs()
    if (this.#running !== undefined || now >= this.#nextAttemptMs) {
      await this.#settledWithin(this.#refresh(), deadlineMs - now - ANSWER_MARGIN_MS)
    }
    const match = this.#match(keyId, algorithm)
    const askedInVain = this.#running !== undefined || this.#failure !== undefined
    if (match === undefined || (match.kind === 'absent' && askedInVain)) throw this.#unavailable()
    return match
  }

  readiness(): ReadinessCheck {
    const part = `issuer:${this.#options.issuerId}`
    if (this.#usableKeys() !== undefined) return { part, ready: true }
    return { part, ready: false, why: this.#failure?.text ?? 'the keys have not been fetched yet' }
  }

  /** Seconds since the start of the fetch that brought the keys; undefined before the first. */
  ageSeconds(): number | undefined {
    return this.#held && (this.#options.clock.monotonicMs() - this.#held.asOfMs) / 1000
  }

  /** Ends a fetch in flight and the background refresh. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    this.#cancelTimer?.()
    await this.#running
  }

  #usableKeys(): readonly WebKey[] | undefined {
    const { clock } = this.#options
    return this.#held && clock.monotonicMs() - this.#held.asOfMs <= MAX_STALE_MS ? this.#held.keys : undefined
  }

  #match(keyId: string | undefined, algorithm: string): KeyMatch | undefined {
    const keys = this.#usableKeys()?.filter((key) => keyId === undefined || key.keyId === keyId)
    if (keys === undefined) return undefined
    const fitting = keys.filter((key) => key.algorithms.includes(algorithm)).map((entry) => entry.key)
    const [key] = fitting
    if (fitting.length > 1) return { kind: 'ambiguous' }
    if (key !== undefined) return { kind: 'found', key }
    const why = keyId === undefined ? undefined : keys.find((entry) => entry.refused !== undefined)?.refused
    return why === undefined ? { kind: 'absent' } : { kind: 'refused', why }
  }

  #refresh(): Promise<void> {
    if (this.#stopping.signal.aborted) return Promise.resolve()
    this.#running ??= this.#load().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #load(): Promise<void> {
    const { source, clock, events, issuerId } = this.#options
    this.#cancelTimer?.()
    const asOfMs = clock.monotonicMs()
    try {
      const keys = await source(this.#stopping.signal)
      this.#held = { keys, asOfMs }
      this.#failure = undefined
      this.#failuresInRow = 0
      this.#schedule(MIN_INTERVAL_MS, REFRESH_INTERVAL_MS)
    } catch (cause) {
      this.#failure = { text: describeFailure(cause), cause }
      const backoffMs = Math.min(BACKOFF_MIN_MS * 2 ** this.#failuresInRow, BACKOFF_MAX_MS)
      this.#failuresInRow += 1
      this.#schedule(backoffMs, backoffMs)
    }
    if (!this.#stopping.signal.aborted) events.keySetRefreshed(issuerId, this.#failure?.text)
  }

  /** `openMs`: from when on a token may cause a fetch; `timerMs`: when one happens by itself. */
  #schedule(openMs: number, timerMs: number): void {
    const { clock } = this.#options
    if (this.#stopping.signal.aborted) return
    this.#nextAttemptMs = clock.monotonicMs() + openMs
    this.#cancelTimer = clock.after(timerMs, () => void this.#refresh())
  }

  #settledWithin(work: Promise<void>, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(Math.max(0, waitMs), resolve)
      void work.finally(() => {
        cancel()
        resolve()
      })
    })
  }

  #unavailable(): CalloutError {
    const why = this.#failure?.text ?? 'the keys did not arrive in time'
    return new CalloutError('ERR_ISSUER_UNAVAILABLE', `issuer ${this.#options.issuerId}: ${why}`, {
      cause: this.#failure?.cause,
    })
  }
}

/** Room for a host name and an errno, not for a page. */
const FAILURE_BYTES_MAX = 200

function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return 'the keys could not be fetched'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  return isSafeText(error.message, FAILURE_BYTES_MAX) ? error.message : `the keys could not be fetched (${code})`
}
