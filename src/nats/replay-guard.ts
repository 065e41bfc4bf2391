import { hash, randomBytes } from 'node:crypto'

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

/** Covers a window of two minutes at 3,200 requests a second, more than one process decides. The two take 8 MiB. */
const REPLAY_GENERATION_MAX = 393_216

/**
 * Two generations of ids: the younger takes new ones, the older is forgotten when the younger is a window old. A full
 * generation is retired early instead of refusing: a genuine request must never suffer from a flood, and a replay that
 * slips through is answered into an inbox that the server has closed, with keys that it no longer expects.
 */
export function createReplayGuard(options: ReplayGuardOptions): ReplayGuard {
  const { windowMs, monotonicMs, capacity = REPLAY_GENERATION_MAX } = options
  const salt = randomBytes(16).toString('hex')
  let younger = new Fingerprints(capacity)
  let older = new Fingerprints(capacity)
  let youngerSince = monotonicMs()

  function retire(now: number): void {
    const age = now - youngerSince
    if (age < windowMs && younger.size < capacity) return
    ;[younger, older] = [older, younger]
    younger.clear()
    if (age >= 2 * windowMs) older.clear()
    youngerSince = now
  }

  return {
    admit(id) {
      retire(monotonicMs())
      const digest = hash('sha256', salt + id, 'buffer')
      const [high, low] = [digest.readUInt32LE(0), digest.readUInt32LE(4)]
      if (older.has(high, low)) return false
      return younger.add(high, low)
    },
  }
}

/**
 * A set of 64-bit fingerprints, a tenth of the memory of the texts: that any two of a million collide has a probability
 * of one to 37 million. Open addressing, at most three quarters full; nobody can choose where an id goes, for the salt.
 */
class Fingerprints {
  size = 0
  readonly #mask: number
  /** High and low half by turns; both zero is an empty place. */
  readonly #words: Uint32Array

  constructor(capacity: number) {
    const places = 2 ** Math.ceil(Math.log2((capacity * 4) / 3))
    this.#mask = places - 1
    this.#words = new Uint32Array(places * 2)
  }

  has(high: number, low: number): boolean {
    return !this.#isFree(this.#placeOf(high, low))
  }

  /** False when it was there already. */
  add(high: number, low: number): boolean {
    const place = this.#placeOf(high, low)
    if (!this.#isFree(place)) return false
    this.#words[place] = high
    this.#words[place + 1] = low
    this.size += 1
    return true
  }

  clear(): void {
    this.#words.fill(0)
    this.size = 0
  }

  /** Where it is, or the free place where it belongs. */
  #placeOf(high: number, low: number): number {
    let place = (low & this.#mask) * 2
    while (!this.#isFree(place) && (this.#words[place] !== high || this.#words[place + 1] !== low)) {
      place = (place + 2) & (this.#words.length - 1)
    }
    return place
  }

  #isFree(place: number): boolean {
    return this.#words[place] === 0 && this.#words[place + 1] === 0
  }
}
