import type { Clock } from '../service/ports.ts'

/** Enough lines to see what is going on, few enough that a flood of bad messages is not a flood of logs. */
const LINES_PER_WINDOW = 5
const WINDOW_MS = 10_000
/** Kinds come from closed lists; should one not, the oldest makes room. */
const KINDS_MAX = 256

interface Window {
  endsAtMs: number
  lines: number
  suppressed: number
}

/**
 * Lets through a few lines of each kind in every ten seconds. Returns undefined for a line to leave out, else how many
 * of its kind were left out before it.
 */
export type LogLimit = (kind: string) => { readonly suppressed: number } | undefined

export function createLogLimit(clock: Pick<Clock, 'monotonicMs'>): LogLimit {
  const windows = new Map<string, Window>()
  return (kind) => {
    const nowMs = clock.monotonicMs()
    let window = windows.get(kind)
    if (window === undefined || nowMs >= window.endsAtMs) {
      const suppressed = window?.suppressed ?? 0
      windows.delete(kind)
      window = { endsAtMs: nowMs + WINDOW_MS, lines: 1, suppressed: 0 }
      windows.set(kind, window)
      if (windows.size > KINDS_MAX) forgetOldest(windows)
      return { suppressed }
    }
    if (window.lines >= LINES_PER_WINDOW) {
      window.suppressed++
      return undefined
    }
    window.lines++
    return { suppressed: 0 }
  }
}

function forgetOldest(windows: Map<string, Window>): void {
  for (const kind of windows.keys()) {
    windows.delete(kind)
    return
  }
}
