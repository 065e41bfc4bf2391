import type { Clock } from '../service/ports.ts'
import type { CliIo } from './io.ts'

/** Work that is done sooner needs no word. */
const FIRST_AFTER_MS = 2000
const EVERY_MS = 2000

/**
 * Says on standard error how far long work has come: a line now and then, so that a log of a pipeline reads as well as a terminal.
 * The returned function takes what is done, and how much there is if that is known.
 */
export function reportProgress(io: CliIo, clock: Clock, what: string): (done: number, all?: number) => void {
  let nextMs = clock.monotonicMs() + FIRST_AFTER_MS
  return (done, all) => {
    const nowMs = clock.monotonicMs()
    if (nowMs < nextMs) return
    nextMs = nowMs + EVERY_MS
    io.stderr.write(`callout: ${what}: ${done}${all === undefined ? '' : ` of ${all}`}\n`)
  }
}
