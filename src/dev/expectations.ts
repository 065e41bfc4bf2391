import { visible } from '../cli/visible.ts'
import type { TextStyle } from './text-style.ts'

/** A step takes some milliseconds, and nats-server gives up on a client after two seconds; a part that hangs must not hold us. */
const STEP_TIMEOUT_MS = 10_000

export interface ExpectationsOptions {
  /** Gets whole lines, each with its line break. */
  readonly write: (text: string) => void
  readonly style: TextStyle
  /** Ends the step that is under way, and every later one, with the reason of the signal. */
  readonly signal: AbortSignal
  readonly stepTimeoutMs?: number
}

/** Tries things, says of each whether it went as expected, and keeps count. */
export interface Expectations {
  /**
   * Tries one thing and prints a line. `tryIt` describes what happened in the words of `expected`; anything else, an
   * error and no answer in time included, is not as expected. Throws only when the signal is aborted.
   */
  step(what: string, expected: string, tryIt: () => Promise<string>): Promise<void>
  readonly tried: number
  readonly failed: number
}

export function createExpectations(options: ExpectationsOptions): Expectations {
  const { write, style, signal, stepTimeoutMs = STEP_TIMEOUT_MS } = options
  let tried = 0
  let failed = 0
  return {
    async step(what, expected, tryIt) {
      const happened = await outcomeOf(tryIt, signal, stepTimeoutMs)
      tried += 1
      if (happened === expected) {
        write(`  ${style.good('ok')}  ${what}  ${style.quiet(expected)}\n`)
        return
      }
      failed += 1
      write(`  ${style.bad('NOT AS EXPECTED')}  ${what.trimEnd()}\n`)
      write(`      expected: ${expected}\n      happened: ${style.bad(visible(happened))}\n`)
    },
    get tried() {
      return tried
    },
    get failed() {
      return failed
    },
  }
}

/** The last line of a transcript. */
export function verdict({ tried, failed }: Pick<Expectations, 'tried' | 'failed'>, style: TextStyle): string {
  if (tried === 0) return style.bad('Nothing was tried.')
  if (failed === 0) return style.good(`All ${tried} steps went as expected.`)
  return style.bad(`${failed} of ${tried} steps NOT AS EXPECTED, see above.`)
}

async function outcomeOf(tryIt: () => Promise<string>, signal: AbortSignal, timeoutMs: number): Promise<string> {
  signal.throwIfAborted()
  const late = Promise.withResolvers<string>()
  const timer = setTimeout(() => late.resolve(`nothing within ${timeoutMs / 1000} s`), timeoutMs)
  const abandon = (): void => late.reject(signal.reason)
  signal.addEventListener('abort', abandon)
  try {
    return await Promise.race([tryIt().catch(asText), late.promise])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abandon)
  }
}

function asText(error: unknown): string {
  return `error: ${error instanceof Error ? error.message : String(error)}`
}
