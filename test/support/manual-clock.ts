import type { Clock } from '../../src/service/ports.ts'
import { NOW_MS } from './builders.ts'

/** A clock that moves only when told to; timers fire in order as it passes them. */
export class ManualClock implements Clock {
  #elapsedMs = 0
  #timers: { atMs: number; callback: () => void }[] = []

  nowMs(): number {
    return NOW_MS + this.#elapsedMs
  }

  monotonicMs(): number {
    return this.#elapsedMs
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#elapsedMs + delayMs, callback }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  /** Timers that were set, and neither fired nor cancelled. */
  get pendingTimers(): number {
    return this.#timers.length
  }

  /** Lets time pass within one piece of work: no timer fires meanwhile. */
  pass(ms: number): void {
    this.#elapsedMs += ms
  }

  /** Moves on by `ms`, firing what is due, and lets everything that follows from it run. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#elapsedMs + ms
    await settled()
    for (;;) {
      const [next] = this.#timers.filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)
      if (next === undefined) break
      this.#elapsedMs = Math.max(this.#elapsedMs, next.atMs)
      this.#timers = this.#timers.filter((timer) => timer !== next)
      next.callback()
      await settled()
    }
    this.#elapsedMs = untilMs
    await settled()
  }
}

/** Returns when no promise callback is left to run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
