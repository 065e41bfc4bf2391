const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Ending takes some tenths of a second; a part that hangs is ended for good after five. */
const END_WITHIN_MS = 10_000

/** `npm run` passes on the Ctrl-C that the terminal has sent us already: the same one, not a second one. */
const SAME_SIGNAL_WITHIN_MS = 1000

/**
 * Aborts at the first Ctrl-C, SIGTERM or SIGHUP, so that everything can end in order. Another one, or no end in time,
 * ends the process at once with code 1; what it has started goes with it (see `startChild`).
 */
export function endingSignal(): AbortSignal {
  const controller = new AbortController()
  let firstAt = 0
  for (const name of SIGNALS) {
    process.on(name, () => {
      if (controller.signal.aborted) {
        if (performance.now() - firstAt > SAME_SIGNAL_WITHIN_MS) process.exit(1)
        return
      }
      firstAt = performance.now()
      setTimeout(() => process.exit(1), END_WITHIN_MS).unref()
      controller.abort(new Error(`ended by ${name}`))
    })
  }
  return controller.signal
}
