import process from 'node:process'

/**
 * Runs something that goes on until it is told to end: by Ctrl-C or SIGTERM, or because nobody reads standard output any more. Another
 * signal ends the process at once. It is the last thing that the process does: once it has ended, nothing that is still under way
 * holds the process up.
 */
export async function untilInterrupted<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const ending = new AbortController()
  const end = (): void => ending.abort()
  process.once('SIGINT', end)
  process.once('SIGTERM', end)
  process.stdout.once('error', end)
  try {
    return await run(ending.signal)
  } finally {
    process.off('SIGINT', end)
    process.off('SIGTERM', end)
    process.stdout.off('error', end)
    // By then the exit code is known.
    if (ending.signal.aborted) setImmediate(exitOnceWritten)
  }
}

/** A call that the store does not answer would keep the process until its deadline. */
function exitOnceWritten(): void {
  process.stdout.write('', () => process.stderr.write('', () => process.exit()))
}

/** Keeps the process alive meanwhile. */
export function waitOrEnd(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
  })
}
