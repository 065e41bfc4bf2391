import type { Clock } from '../service/ports.ts'
import type { TokenStatus } from './introspection-endpoint.ts'
import { readMember } from './strict-json.ts'
import { isNumericDate } from './token-facts.ts'

/** What issuers say about some thousand sessions; an answer has some hundred bytes. */
const ENTRIES_MAX = 10_000
const BYTES_MAX = 16 * 1024 * 1024
/** A larger answer is not worth the room of others. */
const ENTRY_BYTES_MAX = 64 * 1024

export interface TokenStatusCache {
  get(key: string): TokenStatus | undefined
  /** @param askedAtMs `clock.monotonicMs()` before the question: a token revoked since then may still have been active. */
  set(key: string, status: TokenStatus, askedAtMs: number): void
}

interface Entry {
  readonly status: TokenStatus
  readonly untilMs: number
  readonly bytes: number
}

/**
 * Keeps answers for a short time: an active one for `cacheMs` and not past its `exp`, the other for `negativeCacheMs`.
 * Bounded in entries and bytes; the oldest make room. Answers of the two kinds do not displace each other, so that a
 * flood of made-up tokens leaves those of clients where they are.
 */
export function createTokenStatusCache(
  limits: { readonly cacheMs: number; readonly negativeCacheMs: number },
  clock: Pick<Clock, 'nowMs' | 'monotonicMs'>,
): TokenStatusCache {
  const active = new Map<string, Entry>()
  const inactive = new Map<string, Entry>()
  let bytesHeld = 0

  function forget(entries: Map<string, Entry>, key: string): void {
    const entry = entries.get(key)
    if (entry === undefined) return
    entries.delete(key)
    bytesHeld -= entry.bytes
  }

  function isGood({ status, untilMs }: Entry): boolean {
    if (clock.monotonicMs() >= untilMs) return false
    const expiresAt = status.active ? readMember(status.claims, 'exp') : undefined
    return expiresAt === undefined || (isNumericDate(expiresAt) && clock.nowMs() < expiresAt * 1000)
  }

  return {
    get(key) {
      for (const entries of [active, inactive]) {
        const entry = entries.get(key)
        if (entry === undefined) continue
        if (isGood(entry)) return entry.status
        forget(entries, key)
      }
      return undefined
    },
    set(key, status, askedAtMs) {
      const entries = status.active ? active : inactive
      const untilMs = askedAtMs + (status.active ? limits.cacheMs : limits.negativeCacheMs)
      const entry = { status, untilMs, bytes: status.active ? status.bytes : 0 }
      forget(active, key)
      forget(inactive, key)
      if (entry.bytes > ENTRY_BYTES_MAX || !isGood(entry)) return
      entries.set(key, entry)
      bytesHeld += entry.bytes
      for (const oldest of entries.keys()) {
        if (entries.size <= ENTRIES_MAX && bytesHeld <= BYTES_MAX) break
        forget(entries, oldest)
      }
    },
  }
}
