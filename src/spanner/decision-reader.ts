import type { RecordedInFull } from '../core/recorded-decision.ts'
import type { Clock, DecisionReader } from '../service/ports.ts'
import { BY_KEY, decisionsBy, integer, text, type NamedStatement, type Statement } from './audit-statements.ts'
import type { SpannerDatabase } from './database.ts'
import { decodeRecordedInFull, RECORDED_IN_FULL_COLUMNS } from './decision-facts.ts'
import { decisionShard } from './decision-row.ts'
import { storeError } from './status.ts'
import { timestampValue } from './values.ts'

/** A person waits for it. */
const TIMEOUT_MS = 10_000
/** What Spanner can hold. */
const TIMESTAMP_MAX_MS = Date.parse('9999-12-31T23:59:59Z')

/** Finds rows of `Decisions` by the shard and the time that their ids hold, without a scan. */
export function createDecisionReader(database: SpannerDatabase, clock: Clock): DecisionReader {
  return {
    async find(id): Promise<RecordedInFull | undefined> {
      if (madeAtMs(id) > TIMESTAMP_MAX_MS) return undefined
      const { sql, parameters } = recordedStatement(id)
      const [row] = await database.query(sql, parameters, clock.monotonicMs() + TIMEOUT_MS)
      if (row === undefined) return undefined
      try {
        return decodeRecordedInFull(row)
      } catch (error) {
        throw storeError(error, 'decision') ?? error
      }
    },
  }
}

function madeAtMs(id: string): number {
  return Number.parseInt(id.replace('-', '').slice(0, 12), 16)
}

function recordedStatement(id: string): Statement {
  const fromMs = madeAtMs(id)
  return {
    sql: `SELECT ${RECORDED_IN_FULL_COLUMNS.map((column) => `d.${column}`).join(', ')} FROM ${decisionsBy(BY_KEY)}
WHERE d.Shard = @shard AND d.DecidedAt >= @from AND d.DecidedAt < @until AND d.DecisionId = @id`,
    parameters: {
      shard: integer(decisionShard(id)),
      from: { value: timestampValue(fromMs), type: 'TIMESTAMP' },
      until: { value: timestampValue(fromMs + 1), type: 'TIMESTAMP' },
      id: text(id),
    },
  }
}

/** With values that find nothing. */
export const RECORDED_STATEMENTS: readonly NamedStatement[] = [
  { name: 'what was recorded of a decision', ...recordedStatement('00000000-0000-7000-8000-000000000000') },
]
