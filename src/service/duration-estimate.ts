/** What a piece of work takes these days, from the last ones. */
export interface DurationEstimate {
  /** Milliseconds that nine of ten of the last pieces of work did not exceed; 0 before the first. */
  readonly ms: number
  add(durationMs: number): void
}

/** Enough to be steady, few enough to follow a store that becomes slow within a second of load. */
const REMEMBERED = 64
const RECKONED_EVERY = 8
const SHARE = 0.9

export function createDurationEstimate(): DurationEstimate {
  const last: number[] = []
  let next = 0
  let added = 0
  let ms = 0
  return {
    get ms() {
      return ms
    },
    add(durationMs) {
      last[next] = durationMs
      next = (next + 1) % REMEMBERED
      added += 1
      if (added > RECKONED_EVERY && added % RECKONED_EVERY !== 0) return
      ms = last.toSorted((a, b) => a - b)[Math.ceil(last.length * SHARE) - 1] ?? 0
    },
  }
}
