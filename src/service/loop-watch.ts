import type { Clock } from './ports.ts'

export interface LoopWatchOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'after'>
  /** Calls back in the next turn of the event loop, after sockets were read: `setImmediate`. */
  readonly nextTurn: (callback: () => void) => void
}

/** Knows when this process stood still: stopped, starved of CPU, or busy with one thing for too long. */
export interface LoopWatch extends Disposable {
  /**
   * When a message that is read right now can have arrived at the earliest, on `monotonicMs()`: now, or before the
   * standstill that has just ended. Whoever sent it may have waited for all of that.
   */
  arrivalMs(): number
  /** The longest standstill since the last call; ordinary pauses of a few dozen milliseconds are included. */
  takeStandstillMs(): number
}

const LOOK_EVERY_MS = 50
/** Pauses below this are everyday life, also under overload; a message is then as old as the moment it is read. */
const STANDSTILL_MS = 250

/** Starts to look at the time, some twenty times a second. */
export function startLoopWatch({ clock, nextTurn }: LoopWatchOptions): LoopWatch {
  let lookedMs = clock.monotonicMs()
  let longestMs = 0
  let ended = false
  let cancel = (): void => {}
  const pauseMs = (): number => Math.max(0, clock.monotonicMs() - lookedMs - LOOK_EVERY_MS)
  const look = (): void => {
    const nowMs = clock.monotonicMs()
    longestMs = Math.max(longestMs, pauseMs())
    // Sockets are read between a timer and the next turn: what waited in them is still stamped as before the standstill.
    nextTurn(() => {
      lookedMs = nowMs
      if (!ended) cancel = clock.after(LOOK_EVERY_MS, look)
    })
  }
  cancel = clock.after(LOOK_EVERY_MS, look)
  return {
    arrivalMs: () => (pauseMs() > STANDSTILL_MS ? lookedMs : clock.monotonicMs()),
    takeStandstillMs() {
      const takenMs = Math.max(longestMs, pauseMs())
      longestMs = 0
      return takenMs
    },
    [Symbol.dispose]() {
      ended = true
      cancel()
    },
  }
}
