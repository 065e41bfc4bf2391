import process from 'node:process'

/**
 * Runs something that goes on until it is told to end: by Ctrl-C or SIGTERM, or because nobody reads standard output any more. Another
 * signal ends the process at once.
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
  }
}
