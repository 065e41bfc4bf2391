/** Keeps one kind of work to a share of the time that passes. */
export interface TimeBudget {
  /**
   * Runs `work` and charges for what it took, and for the `laterMs` that it is known to take after it has returned. Only
   * to be called while `left`.
   */
  spend<T>(work: () => T, laterMs?: number): T
  /** Whether there is time left to spend. */
  readonly left: boolean
}

export interface TimeBudgetOptions {
  /** Of the time that passes, 0 to 1. */
  readonly share: number
  /** What may be saved up for a burst. */
  readonly savedMsMax: number
  readonly monotonicMs: () => number
}

/** Starts with all that can be saved. The last piece of work may overdraw; then the debt is waited off. */
export function createTimeBudget({ share, savedMsMax, monotonicMs }: TimeBudgetOptions): TimeBudget {
  let savedMs = savedMsMax
  let asOfMs = monotonicMs()
  function settle(): number {
    const nowMs = monotonicMs()
    savedMs = Math.min(savedMsMax, savedMs + (nowMs - asOfMs) * share)
    asOfMs = nowMs
    return nowMs
  }
  return {
    spend(work, laterMs = 0) {
      const startedMs = settle()
      try {
        return work()
      } finally {
        savedMs -= monotonicMs() - startedMs + laterMs
      }
    },
    get left() {
      settle()
      return savedMs > 0
    },
  }
}
