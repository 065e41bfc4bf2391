import type { Clock, DeadlineMs } from '../service/ports.ts'

/** Doubling from here … */
const BACKOFF_FIRST_MS = 5
/** … to here: a peer that is down for seconds costs a handful of attempts a second, and is back in use at once. */
const BACKOFF_MAX_MS = 200

/** The fractional part of the golden ratio: successive multiples, modulo one, lie as far apart as they can. */
const GOLDEN = 0.618_033_988_749_895

/** Waits between attempts. One for each store object: its sequence spreads the retries of concurrent calls. */
export interface Backoff {
  /**
   * Waits before attempt number `attempt` (1 is the first retry). Returns false, without waiting, when the deadline would
   * pass meanwhile.
   */
  wait(attempt: number, deadlineMs: DeadlineMs): Promise<boolean>
}

/** `seed` sets where in its cycle the jitter begins, so that replicas started together do not retry in step. */
export function createBackoff(clock: Clock, seed: number): Backoff {
  let position = Math.abs(seed) % 1
  return {
    async wait(attempt, deadlineMs) {
      position = (position + GOLDEN) % 1
      const ceilingMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** attempt)
      const delayMs = ceilingMs * (0.25 + 0.75 * position)
      if (clock.monotonicMs() + delayMs >= deadlineMs) return false
      await pause(clock, delayMs)
      return true
    },
  }
}

/** Waits, and keeps the process alive meanwhile: the timers of a `Clock` do not, and nothing else may be pending. */
export async function pause(clock: Clock, delayMs: number): Promise<void> {
  const alive = setInterval(() => {}, 2 ** 31 - 1)
  try {
    await new Promise<void>((resolve) => {
      clock.after(delayMs, resolve)
    })
  } finally {
    clearInterval(alive)
  }
}
