import type { Clock, DeadlineMs } from '../service/ports.ts'
import { DeadlinePassed } from './status.ts'

/** Lets one holder in at a time, in order of arrival. */
export interface Turns {
  /** Settles with the function that ends the turn. Rejects with `DeadlinePassed` when it does not come in time. */
  take(deadlineMs: DeadlineMs): Promise<() => void>
}

export function createTurns(clock: Clock): Turns {
  const waiting: (() => void)[] = []
  let isTaken = false
  const release = (): void => {
    const next = waiting.shift()
    if (next === undefined) isTaken = false
    else next()
  }
  return {
    take(deadlineMs) {
      if (!isTaken) {
        isTaken = true
        return Promise.resolve(release)
      }
      return new Promise((resolve, reject) => {
        const enter = (): void => {
          cancelTimer()
          resolve(release)
        }
        const cancelTimer = clock.after(Math.max(0, deadlineMs - clock.monotonicMs()), () => {
          waiting.splice(waiting.indexOf(enter), 1)
          reject(new DeadlinePassed('other commits took all the time'))
        })
        waiting.push(enter)
      })
    },
  }
}
