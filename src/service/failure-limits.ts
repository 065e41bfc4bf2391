import type { Decision } from '../core/decision.ts'
import { networkOf } from '../core/network.ts'
import { isOnMerits } from '../core/reasons.ts'
import type { Clock } from './ports.ts'

export interface FailureLimitsOptions {
  /** Refusals within the window beyond which an address is refused unseen; 0 is no limit. */
  readonly perAddress: number
  /** The same for a principal, whose token was genuine. */
  readonly perPrincipal: number
  readonly windowMs: number
  readonly clock: Pick<Clock, 'monotonicMs'>
}

/**
 * Who is refused again and again is refused early: an address before its tokens are verified, a principal before its
 * grants are read. Each refusal on the merits counts once: against the principal when the token was genuine, against
 * the address otherwise, so that nobody can lock out another by using his name. A refusal for too many failures does not
 * count, and the count goes down all the time: also during an attack some requests of the address are judged.
 */
export interface FailureLimits {
  refusesAddress(host: string): boolean
  refusesPrincipal(principal: string): boolean
  /** To be called with each decision; `principal` only when its token was accepted. */
  judged(decision: Decision, host: string, principal: string | undefined): void
}

/** An address where one in eleven gets in is never refused, whatever the other ten do: a proxy, a network behind NAT. */
const FORGIVEN_BY_ADMISSION = 10

export function createFailureLimits(options: FailureLimitsOptions): FailureLimits {
  const { perAddress, perPrincipal, windowMs, clock } = options
  const addresses = new FailureCounts(perAddress, windowMs, clock)
  const principals = new FailureCounts(perPrincipal, windowMs, clock)
  return {
    refusesAddress: (host) => addresses.isExceeded(networkOf(host)),
    refusesPrincipal: (principal) => principals.isExceeded(principal),
    judged(decision, host, principal) {
      if (decision.outcome === 'allow') {
        addresses.forgive(networkOf(host), FORGIVEN_BY_ADMISSION)
        if (principal !== undefined) principals.forgive(principal, Infinity)
      } else if (isOnMerits(decision.reason) && decision.reason !== 'too_many_failures') {
        if (principal === undefined) addresses.add(networkOf(host))
        else principals.add(principal)
      }
    },
  }
}

/** Keys in one of two generations, a few MB; beyond, those whose last failure is longest ago are forgotten. */
const GENERATION_MAX = 8_192

interface Count {
  readonly failures: number
  readonly asOfMs: number
}

/** Failures by key, which go down by `max` in a window, evenly. */
class FailureCounts {
  readonly #max: number
  readonly #windowMs: number
  readonly #clock: Pick<Clock, 'monotonicMs'>
  #younger = new Map<string, Count>()
  #older: ReadonlyMap<string, Count> = new Map()

  constructor(max: number, windowMs: number, clock: Pick<Clock, 'monotonicMs'>) {
    this.#max = max
    this.#windowMs = windowMs
    this.#clock = clock
  }

  isExceeded(key: string): boolean {
    return this.#max > 0 && this.#now(key) > this.#max - 1
  }

  add(key: string): void {
    if (this.#max > 0) this.#set(key, Math.min(this.#max, this.#now(key) + 1))
  }

  forgive(key: string, failures: number): void {
    const left = this.#now(key)
    if (left > 0) this.#set(key, Math.max(0, left - failures))
  }

  #set(key: string, failures: number): void {
    if (this.#younger.size >= GENERATION_MAX && !this.#younger.has(key)) {
      this.#older = this.#younger
      this.#younger = new Map()
    }
    this.#younger.set(key, { failures, asOfMs: this.#clock.monotonicMs() })
  }

  #now(key: string): number {
    const count = this.#younger.get(key) ?? this.#older.get(key)
    if (count === undefined) return 0
    const goneMs = this.#clock.monotonicMs() - count.asOfMs
    return Math.max(0, count.failures - (goneMs / this.#windowMs) * this.#max)
  }
}
