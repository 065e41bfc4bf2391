import { CalloutError } from '../core/errors.ts'
import type { CalloutEvents, ReadinessCheck } from '../service/events.ts'
import type { Clock, DeadlineMs } from '../service/ports.ts'
import type { KeySource } from './key-source.ts'
import { isSafeText } from './safe-text.ts'
import type { VerificationKey } from './signature-algorithm.ts'
import type { WebKey } from './web-key.ts'

/**
 * Replicas lose their issuer at the same moment. Each waits up to this share longer after a failure, and refreshes up to
 * this share earlier, so that they do not ask in step.
 */
export const JITTER = 0.2

/** Waiting ends this long before the deadline, so that the precise answer is there before the caller's own guard fires. */
const ANSWER_MARGIN_MS = 10

export interface KeySetOptions {
  readonly issuerId: string
  readonly source: KeySource
  readonly clock: Clock
  readonly events: Pick<CalloutEvents, 'keySetRefreshed'>
  /** A number from 0 to below 1, for jitter; without it there is none. */
  readonly random?: () => number
}

export type KeyMatch =
  | { readonly kind: 'found'; readonly key: VerificationKey }
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

  /** Resolves when the first fetch is over, however it went. */
  async start(): Promise<void> {
    if (this.#held === undefined) await this.#refresh()
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
    const { clock, source } = this.#options
    return this.#held && clock.monotonicMs() - this.#held.asOfMs <= source.refresh.maxStaleMs
      ? this.#held.keys
      : undefined
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
    const { source, clock, events, issuerId, random = () => 0 } = this.#options
    const { intervalMs, minIntervalMs, backoffMinMs, backoffMaxMs } = source.refresh
    this.#cancelTimer?.()
    const asOfMs = clock.monotonicMs()
    try {
      const keys = await source.load(this.#stopping.signal)
      this.#held = { keys, asOfMs }
      this.#failure = undefined
      this.#failuresInRow = 0
      this.#schedule(minIntervalMs, Math.max(minIntervalMs, intervalMs * (1 - JITTER * random())))
    } catch (cause) {
      this.#failure = { text: describeFailure(cause, 'the keys could not be fetched'), cause }
      const stepMs = Math.min(backoffMinMs * 2 ** this.#failuresInRow, backoffMaxMs)
      const backoffMs = stepMs * (1 + JITTER * random())
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

/** The message of a failure when it is short and printable, otherwise `otherwise` and a code. */
export function describeFailure(error: unknown, otherwise: string): string {
  if (!(error instanceof Error)) return otherwise
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  return isSafeText(error.message, FAILURE_BYTES_MAX) ? error.message : `${otherwise} (${code})`
}
