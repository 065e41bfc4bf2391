/** How much work at once does the most good: more than a store and a processor can bear only makes each piece slower. */
export interface ConcurrencyLimit {
  readonly places: number
  /** To be called as work is done: how long such work takes now, and how much of it there was at once. */
  adapt(durationMs: number, atOnce: number): void
}

export interface ConcurrencyLimitOptions {
  readonly max: number
  /** Work that takes longer than this is taken for work that waits for other work. */
  readonly targetMs: number
}

/**
 * What fills two shared reads, and in a second and a half makes 85 decisions a second. A store that is slow by itself does not
 * become faster with less, so it is never less.
 */
const PLACES_MIN = 128
const SHRINK = 0.95

/** Additive increase while the places are used, multiplicative decrease while work takes too long. */
export function createConcurrencyLimit({ max, targetMs }: ConcurrencyLimitOptions): ConcurrencyLimit {
  const min = Math.min(PLACES_MIN, max)
  let places = min
  return {
    get places() {
      return Math.floor(places)
    },
    adapt(durationMs, atOnce) {
      if (durationMs > targetMs) places = Math.max(min, places * SHRINK)
      else if (atOnce >= Math.floor(places)) places = Math.min(max, places + 1)
    },
  }
}
