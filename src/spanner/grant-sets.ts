import type { AuditEntry } from '../core/audit-entry.ts'
import type { Clock } from '../service/ports.ts'
import { upsertion, type Mutation } from './mutation.ts'
import { GRANT_SET_MEMBER_COLUMNS, GRANT_SET_MEMBERS } from './schema.ts'
import { sha256 } from './sha256.ts'
import { COMMIT_TIMESTAMP, stringValue } from './values.ts'

/** Some 2 MB; one that is forgotten is written again. */
const KNOWN_MAX = 10_000
const RENEWED_AFTER_MS = 24 * 3_600_000

/** Names the set of these grants: the same for the same grants in any order. */
export function grantSetId(grantIds: readonly string[]): string {
  return sha256([...grantIds].sort().join('\n'))
}

/** Writes which grants make up a set along with the first decision of the day that applies it. */
export interface GrantSets {
  /** What has to be written with these entries, and a function to call when it is. */
  missing(entries: readonly AuditEntry[]): { readonly mutations: readonly Mutation[]; readonly written: () => void }
}

export function createGrantSets(clock: Clock): GrantSets {
  /** When each was written, oldest first. */
  const known = new Map<string, number>()
  return {
    missing(entries) {
      const nowMs = clock.monotonicMs()
      const found = new Map<string, readonly string[]>()
      for (const { decision } of entries) {
        if (decision.outcome !== 'allow' || decision.grantIds.length === 0) continue
        const id = grantSetId(decision.grantIds)
        const writtenMs = known.get(id)
        if (writtenMs === undefined || nowMs - writtenMs > RENEWED_AFTER_MS) found.set(id, decision.grantIds)
      }
      const rows = [...found].flatMap(([id, grantIds]) =>
        grantIds.map((grantId) => [stringValue(grantId), stringValue(id), COMMIT_TIMESTAMP]),
      )
      return {
        mutations: rows.length === 0 ? [] : [upsertion(GRANT_SET_MEMBERS, GRANT_SET_MEMBER_COLUMNS, rows)],
        written() {
          for (const id of found.keys()) {
            known.delete(id)
            known.set(id, nowMs)
          }
          for (const [oldest] of known) {
            if (known.size <= KNOWN_MAX) break
            known.delete(oldest)
          }
        },
      }
    },
  }
}
