import { hash } from 'node:crypto'
import { CalloutError } from '../core/errors.ts'
import type { CalloutEvents, ReadinessCheck } from '../service/events.ts'
import type { Clock, DeadlineMs } from '../service/ports.ts'
import type { IntrospectionEndpoint, TokenStatus } from './introspection-endpoint.ts'
import type { IntrospectionOptions } from './introspection-options.ts'
import type { IssuerOptions } from './issuer-options.ts'
import { describeFailure, JITTER } from './key-set.ts'
import { createTokenStatusCache } from './token-status-cache.ts'
import type { TokenStatusCache } from './token-status-cache.ts'

/** Waiting ends this long before the deadline, so that the precise answer is there before the caller's own guard fires. */
const ANSWER_MARGIN_MS = 10

export interface IntrospectorOptions {
  readonly issuerId: string
  readonly introspection: IntrospectionOptions
  readonly refresh: Pick<IssuerOptions['refresh'], 'backoffMinMs' | 'backoffMaxMs'>
  readonly endpoint: IntrospectionEndpoint
  readonly clock: Clock
  readonly events: Pick<CalloutEvents, 'introspected'>
  /** A number from 0 to below 1, for jitter. */
  readonly random: () => number
  /** Unguessable, never the same twice. */
  readonly newId: () => string
}

export type Introspected = TokenStatus & { readonly fromCache: boolean }

/**
 * What one issuer says about its opaque tokens: asked once for each token at a time, remembered for a moment, never more
 * than `maxInFlight` questions at once.
 *
 * After a failure the issuer is asked about a made-up token, which must not be active. If that fails as well the fault is
 * the issuer's: no token is sent until such a probe, one for each step of the backoff, is answered. A token that an issuer
 * trips over costs the others nothing but the wait for one probe.
 */
export class Introspector {
  readonly #options: IntrospectorOptions
  readonly #cache: TokenStatusCache
  readonly #stopping = new AbortController()
  readonly #asking = new Map<string, Promise<TokenStatus>>()
  #probing: Promise<void> | undefined
  #probeAgainMs = Number.NEGATIVE_INFINITY
  #cancelTimer: (() => void) | undefined
  #failuresInRow = 0
  /** Why no token is sent; undefined while the issuer answers. */
  #broken: string | undefined
  #hasAnswered = false

  constructor(options: IntrospectorOptions) {
    this.#options = options
    this.#cache = createTokenStatusCache(options.introspection, options.clock)
  }

  /**
   * Probes the issuer, so that wrong credentials show before the first client comes. Resolves when the first probe is
   * over, however it went.
   */
  async start(): Promise<void> {
    await this.#probe()
  }

  /**
   * What the issuer says about the token. Waits not past the deadline; an answer that comes later is still remembered.
   * Throws `CalloutError('ERR_ISSUER_UNAVAILABLE')` when the issuer could not be asked, and `ERR_OVERLOADED` when too many
   * questions are open.
   */
  async introspect(token: string, deadlineMs: DeadlineMs): Promise<Introspected> {
    const { issuerId, events } = this.#options
    const key = hash('sha256', token, 'base64')
    const known = this.#cache.get(key)
    if (known !== undefined) {
      events.introspected(issuerId, 'cached', undefined)
      return { ...known, fromCache: true }
    }
    if (this.#probing !== undefined && this.#broken === undefined) await this.#within(this.#probing, deadlineMs)
    if (this.#broken !== undefined) throw this.#unavailable(this.#broken)
    const answer = this.#asking.get(key) ?? this.#ask(token, key)
    return { ...(await this.#within(answer, deadlineMs)), fromCache: false }
  }

  readiness(): ReadinessCheck {
    const part = `introspection:${this.#options.issuerId}`
    if (this.#broken === undefined && this.#hasAnswered) return { part, ready: true }
    return { part, ready: false, why: this.#broken ?? 'the issuer has not answered yet' }
  }

  /** Ends everything in flight. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    this.#cancelTimer?.()
    await Promise.allSettled([...this.#asking.values(), this.#probing])
  }

  #ask(token: string, key: string): Promise<TokenStatus> {
    const { introspection, issuerId } = this.#options
    if (this.#asking.size >= introspection.maxInFlight) {
      throw new CalloutError('ERR_OVERLOADED', `issuer ${issuerId}: ${this.#asking.size} questions are open`)
    }
    const answer = this.#question(token, key).finally(() => this.#asking.delete(key))
    this.#asking.set(key, answer)
    return answer
  }

  async #question(token: string, key: string): Promise<TokenStatus> {
    const { endpoint, clock, events, issuerId } = this.#options
    const askedAtMs = clock.monotonicMs()
    try {
      const status = await endpoint.ask(token, this.#stopping.signal)
      this.#hasAnswered = true
      this.#cache.set(key, status, askedAtMs)
      events.introspected(issuerId, status.active ? 'active' : 'inactive', undefined)
      return status
    } catch (cause) {
      const why = describeFailure(cause, FAILED)
      if (this.#stopping.signal.aborted) throw this.#unavailable(why, cause)
      events.introspected(issuerId, 'failed', why)
      if (this.#broken === undefined && clock.monotonicMs() >= this.#probeAgainMs) void this.#probe()
      throw this.#unavailable(why, cause)
    }
  }

  #probe(): Promise<void> {
    if (this.#stopping.signal.aborted) return Promise.resolve()
    this.#probing ??= this.#askAboutNothing().finally(() => {
      this.#probing = undefined
    })
    return this.#probing
  }

  async #askAboutNothing(): Promise<void> {
    const { endpoint, clock, events, issuerId, introspection, newId, random } = this.#options
    const { backoffMinMs, backoffMaxMs } = this.#options.refresh
    this.#cancelTimer?.()
    try {
      const { active } = await endpoint.ask(`${introspection.tokenPrefix ?? ''}${newId()}`, this.#stopping.signal)
      if (active) throw new Error('the issuer calls a made-up token active')
      endpoint.report('fetched')
      this.#broken = undefined
      this.#hasAnswered = true
      this.#failuresInRow = 0
      this.#probeAgainMs = clock.monotonicMs() + backoffMinMs
      events.introspected(issuerId, 'probed', undefined)
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      endpoint.report('failed')
      this.#broken = describeFailure(error, FAILED)
      const stepMs = Math.min(backoffMinMs * 2 ** this.#failuresInRow, backoffMaxMs)
      this.#failuresInRow += 1
      this.#cancelTimer = clock.after(stepMs * (1 + JITTER * random()), () => void this.#probe())
      events.introspected(issuerId, 'failed', this.#broken)
    }
  }

  /** Settles as the work does, or rejects at the deadline; the work goes on. */
  async #within<T>(work: Promise<T>, deadlineMs: DeadlineMs): Promise<T> {
    const { clock } = this.#options
    let cancel: (() => void) | undefined
    const late = new Promise<never>((_, reject) => {
      const leftMs = deadlineMs - clock.monotonicMs() - ANSWER_MARGIN_MS
      cancel = clock.after(Math.max(0, leftMs), () => reject(this.#unavailable('the answer did not arrive in time')))
    })
    try {
      return await Promise.race([work, late])
    } finally {
      cancel?.()
    }
  }

  #unavailable(why: string, cause?: unknown): CalloutError {
    return new CalloutError('ERR_ISSUER_UNAVAILABLE', `issuer ${this.#options.issuerId}: ${why}`, { cause })
  }
}

const FAILED = 'the issuer could not be asked'
