/** Remembers requests that were accepted, so that the same one is not accepted twice. */
export interface ReplayGuard {
  /** True, and remembers, when the id is new; false when it was seen within the window. */
  admit(id: string): boolean
}

export interface ReplayGuardOptions {
  /** How long an id is remembered at least; at most twice as long. Milliseconds. */
  readonly windowMs: number
  readonly monotonicMs: () => number
  /** Ids in one generation. */
  readonly capacity?: number
}

/** Two full generations take less than 20 MB, and cover a window of two minutes at 500 requests a second. */
const REPLAY_GENERATION_MAX = 65_536

/**
 * Two generations of ids: the younger takes new ones, the older is forgotten when the younger is a window old. A full
 * generation is retired early instead of refusing: a genuine request must never suffer from a flood, and a replay that
 * slips through is answered into an inbox that the server has closed, with keys that it no longer expects.
 */
export function createReplayGuard(options: ReplayGuardOptions): ReplayGuard {
  const { windowMs, monotonicMs, capacity = REPLAY_GENERATION_MAX } = options
  let younger = new Set<string>()
  let older = new Set<string>()
  let youngerSince = monotonicMs()

  function retire(now: number): void {
    const age = now - youngerSince
    if (age < windowMs && younger.size < capacity) return
    older = age < 2 * windowMs ? younger : new Set()
    younger = new Set()
    youngerSince = now
  }

  return {
    admit(id) {
      retire(monotonicMs())
      if (younger.has(id) || older.has(id)) return false
      younger.add(id)
      return true
    },
  }
}
