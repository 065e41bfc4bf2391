import type { CalloutError } from '../core/errors.ts'

/** Doubling from here … */
const PAUSE_FIRST_MS = 1000
/** … to here: an attempt may take a while itself, and somebody wants to see what comes after the outage. */
const PAUSE_MAX_MS = 10_000

export interface PatienceOptions {
  /** Whether a failure is of a kind that passes by itself; any other one is thrown at once. */
  readonly isOutage: (error: unknown) => error is CalloutError
  readonly monotonicMs: () => number
  /** Resolves early when the signal says so. */
  readonly pause: (ms: number) => Promise<void>
  readonly signal: AbortSignal
  /** Called once for each outage, and once when it is over. */
  readonly began: (error: CalloutError) => void
  readonly ended: (downMs: number) => void
}

/**
 * Does something, again and again through an outage, until it succeeds. It must have no effect but its result; one thing is done at a
 * time. Throws what is no outage, and `signal.reason` as soon as the signal says so, whatever is under way.
 */
export type Patience = <T>(attempt: () => Promise<T>) => Promise<T>

export function createPatience(options: PatienceOptions): Patience {
  const { isOutage, monotonicMs, pause, signal, began, ended } = options
  return async (attempt) => {
    let downSinceMs: number | undefined
    for (let pauseMs = PAUSE_FIRST_MS; ; pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2)) {
      try {
        const result = await unlessAborted(attempt, signal)
        if (downSinceMs !== undefined) ended(monotonicMs() - downSinceMs)
        return result
      } catch (error) {
        if (signal.aborted || !isOutage(error)) throw error
        if (downSinceMs === undefined) {
          downSinceMs = monotonicMs()
          began(error)
        }
      }
      await pause(pauseMs)
    }
  }
}

async function unlessAborted<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const end = (): void => reject(signal.reason)
  signal.addEventListener('abort', end)
  try {
    return await Promise.race([attempt(), aborted])
  } finally {
    signal.removeEventListener('abort', end)
  }
}
