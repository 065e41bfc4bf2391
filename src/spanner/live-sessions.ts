import type { RecordedDecision } from '../core/recorded-decision.ts'
import type { Clock, LiveSessions } from '../service/ports.ts'
import { BY_KEY, decisionsBy, EMULATOR_HINT, integer, SHARDS, text } from './audit-statements.ts'
import type { NamedStatement, Statement } from './audit-statements.ts'
import type { SpannerDatabase } from './database.ts'
import { decodeRecordedDecision, RECORDED_DECISION_COLUMNS } from './decision-inputs.ts'
import type { Parameters } from './query.ts'
import { DECISIONS_BY_PRINCIPAL, ROLE_BINDINGS, ROLE_BINDINGS_BY_ROLE } from './schema.ts'
import { storeError } from './status.ts'
import { stringValue, timestampValue } from './values.ts'
import type { Row } from './values.ts'

const TIMEOUT_MS = 20_000
/** A decision of somebody in a thousand groups has some 100 KB, and an answer ends at 10 MB. */
const PAGE_ROWS_MAX = 100
const MEMBERS_MAX = 100_000
const ROLES_PER_READ_MAX = 500

/** Looks for live sessions in `Decisions`, by ranges of its key or of the index on the principal. */
export function createLiveSessions(database: SpannerDatabase, clock: Clock): LiveSessions {
  return {
    async find({ nowMs, sessionMaxMs, principals, limit }) {
      const sessions: RecordedDecision[] = []
      const ranges =
        principals === undefined
          ? shardRanges()
          : principals.map((principal) => (looked: LookedFor) => principalStatement(principal, looked))
      // Each range gets its share, so that a part that is looked at is a part of all.
      const share = Math.max(1, Math.ceil(limit / Math.max(1, ranges.length)))
      let isComplete = true
      for (const range of ranges) {
        const found = await findIn(database, clock, range, { nowMs, sinceMs: nowMs - sessionMaxMs, limit: share + 1 })
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

/** Of a range of keys in which sessions are looked for. */
type RangeStatement = (looked: LookedFor) => Statement

interface LookedFor {
  readonly nowMs: number
  readonly sinceMs: number
  /** The next page begins behind it. */
  readonly last: Pick<RecordedDecision, 'decidedAtMs' | 'id'> | undefined
  readonly limit: number
}

function shardRanges(): RangeStatement[] {
  return Array.from({ length: SHARDS }, (_, shard) => (looked) => shardStatement(shard, looked))
}

function shardStatement(shard: number, looked: LookedFor): Statement {
  return sessionsStatement(decisionsBy(BY_KEY), 'd.Shard = @shard', { shard: integer(shard) }, looked)
}

function principalStatement(principal: string, looked: LookedFor): Statement {
  const from = decisionsBy(DECISIONS_BY_PRINCIPAL)
  return sessionsStatement(from, 'd.Principal = @principal', { principal: text(principal) }, looked)
}

function sessionsStatement(
  from: string,
  key: string,
  parameters: Parameters,
  { nowMs, sinceMs, last, limit }: LookedFor,
): Statement {
  return {
    sql: `${EMULATOR_HINT}
SELECT ${RECORDED_DECISION_COLUMNS.map((column) => `d.${column}`).join(', ')} FROM ${from}
WHERE ${key} AND d.DecidedAt >= @since AND d.DecidedAt <= @before AND d.Outcome = 'ALLOW' AND d.SessionExpiresAt > @now
  AND (d.DecidedAt < @before OR d.DecisionId > @behind)
ORDER BY d.DecidedAt DESC, d.DecisionId LIMIT @limit`,
    parameters: {
      ...parameters,
      since: { value: timestampValue(sinceMs), type: 'TIMESTAMP' },
      now: { value: timestampValue(nowMs), type: 'TIMESTAMP' },
      before: { value: timestampValue(last?.decidedAtMs ?? FAR_MS), type: 'TIMESTAMP' },
      behind: text(last?.id ?? ''),
      limit: integer(limit),
    },
  }
}

async function findIn(
  database: SpannerDatabase,
  clock: Clock,
  range: RangeStatement,
  { nowMs, sinceMs, limit }: Omit<LookedFor, 'last'>,
): Promise<RecordedDecision[]> {
  const found: RecordedDecision[] = []
  for (;;) {
    const page = Math.min(PAGE_ROWS_MAX, limit - found.length)
    const { sql, parameters } = range({ nowMs, sinceMs, last: found.at(-1), limit: page })
    const rows = await database.query(sql, parameters, clock.monotonicMs() + TIMEOUT_MS)
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

const NOBODY: LookedFor = { nowMs: 0, sinceMs: 0, last: { decidedAtMs: 0, id: 'x' }, limit: 1 }

/** Each of them, with values that find nothing. */
export const LIVE_SESSION_STATEMENTS: readonly NamedStatement[] = [
  { name: 'live sessions of a shard', ...shardStatement(0, NOBODY) },
  { name: 'live sessions of a principal', ...principalStatement('none', NOBODY) },
]
