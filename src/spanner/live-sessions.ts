import type { RecordedDecision } from '../core/recorded-decision.ts'
import type { Clock, LiveSessions } from '../service/ports.ts'
import type { SpannerDatabase } from './database.ts'
import { decodeRecordedDecision, RECORDED_DECISION_COLUMNS } from './decision-inputs.ts'
import type { Parameters } from './query.ts'
import { DECISIONS, DECISIONS_BY_PRINCIPAL, ROLE_BINDINGS, ROLE_BINDINGS_BY_ROLE } from './schema.ts'
import { storeError } from './status.ts'
import { int64Value, stringValue, timestampValue } from './values.ts'
import type { Row } from './values.ts'

const TIMEOUT_MS = 20_000
/** A decision of somebody in a thousand groups has some 100 KB, and an answer ends at 10 MB. */
const PAGE_ROWS_MAX = 100
/** The last hex digit of the decision id: `migrations/0002-decisions.ts`. */
const SHARDS = 16
const MEMBERS_MAX = 100_000
const ROLES_PER_READ_MAX = 500

/** Looks for live sessions in `Decisions`, by ranges of its key or of the index on the principal. */
export function createLiveSessions(database: SpannerDatabase, clock: Clock): LiveSessions {
  return {
    async find({ nowMs, sessionMaxMs, principals, limit }) {
      const sessions: RecordedDecision[] = []
      const ranges = principals === undefined ? shardRanges() : principals.map(principalRange)
      // Each range gets its share, so that a part that is looked at is a part of all.
      const share = Math.max(1, Math.ceil(limit / Math.max(1, ranges.length)))
      let isComplete = true
      for (const range of ranges) {
        const found = await findIn(database, clock, range, { nowMs, since: nowMs - sessionMaxMs, limit: share + 1 })
        if (found.length > share) isComplete = false
        sessions.push(...found.slice(0, share))
        if (sessions.length >= limit && range !== ranges.at(-1))
          return { sessions: sessions.slice(0, limit), isComplete: false }
      }
      return { sessions, isComplete }
    },

    async membersOf(roles) {
      const members = new Set<string>()
      for (let start = 0; start < roles.length; start += ROLES_PER_READ_MAX) {
        const { rows } = await database.read(
          {
            table: ROLE_BINDINGS,
            index: ROLE_BINDINGS_BY_ROLE,
            columns: ['Member'],
            prefixes: roles.slice(start, start + ROLES_PER_READ_MAX).map((role) => [stringValue(role)]),
            limit: MEMBERS_MAX,
          },
          'strong',
          clock.monotonicMs() + TIMEOUT_MS,
        )
        for (const [member] of rows) members.add(member?.stringValue ?? '')
      }
      return [...members]
    },
  }
}

interface Range {
  readonly from: string
  readonly where: string
  readonly parameters: Parameters
}

function shardRanges(): Range[] {
  return Array.from({ length: SHARDS }, (_, shard) => ({
    from: DECISIONS,
    where: 'Shard = @shard',
    parameters: { shard: { value: int64Value(shard), type: 'INT64' } },
  }))
}

function principalRange(principal: string): Range {
  return {
    from: `${DECISIONS}@{FORCE_INDEX=${DECISIONS_BY_PRINCIPAL}}`,
    where: 'Principal = @principal',
    parameters: { principal: { value: stringValue(principal), type: 'STRING' } },
  }
}

async function findIn(
  database: SpannerDatabase,
  clock: Clock,
  { from, where, parameters }: Range,
  { nowMs, since, limit }: { readonly nowMs: number; readonly since: number; readonly limit: number },
): Promise<RecordedDecision[]> {
  const found: RecordedDecision[] = []
  for (;;) {
    const last = found.at(-1)
    const page = Math.min(PAGE_ROWS_MAX, limit - found.length)
    const rows = await database.query(
      `@{spanner_emulator.disable_query_null_filtered_index_check=true}
SELECT ${RECORDED_DECISION_COLUMNS.join(', ')} FROM ${from}
WHERE ${where} AND DecidedAt >= @since AND Outcome = 'ALLOW' AND SessionExpiresAt > @now
  AND (DecidedAt < @before OR (DecidedAt = @before AND DecisionId > @behind))
ORDER BY DecidedAt DESC, DecisionId LIMIT @page`,
      {
        ...parameters,
        since: { value: timestampValue(since), type: 'TIMESTAMP' },
        now: { value: timestampValue(nowMs), type: 'TIMESTAMP' },
        before: { value: timestampValue(last?.decidedAtMs ?? FAR_MS), type: 'TIMESTAMP' },
        behind: { value: stringValue(last?.id ?? ''), type: 'STRING' },
        page: { value: int64Value(page), type: 'INT64' },
      },
      clock.monotonicMs() + TIMEOUT_MS,
    )
    found.push(...decodeAll(rows))
    if (rows.length < page || found.length >= limit) return found
  }
}

function decodeAll(rows: readonly Row[]): RecordedDecision[] {
  try {
    return rows.map(decodeRecordedDecision)
  } catch (error) {
    throw storeError(error, 'live sessions') ?? error
  }
}

/** The clock of a service that is ahead of ours decides in our future. */
const FAR_MS = Date.parse('9999-01-01T00:00:00Z')
