import type { RecordedInFull } from '../core/recorded-decision.ts'
import type { Clock, DecisionReader } from '../service/ports.ts'
import type { SpannerDatabase } from './database.ts'
import { decodeRecordedInFull, RECORDED_IN_FULL_COLUMNS } from './decision-facts.ts'
import { decisionShard } from './decision-row.ts'
import { DECISIONS } from './schema.ts'
import { storeError } from './status.ts'
import { int64Value, stringValue, timestampValue } from './values.ts'

/** A person waits for it. */
const TIMEOUT_MS = 10_000
/** What Spanner can hold. */
const TIMESTAMP_MAX_MS = Date.parse('9999-12-31T23:59:59Z')

/** Finds rows of `Decisions` by the shard and the time that their ids hold, without a scan. */
export function createDecisionReader(database: SpannerDatabase, clock: Clock): DecisionReader {
  return {
    async find(id): Promise<RecordedInFull | undefined> {
      const fromMs = Number.parseInt(id.replace('-', '').slice(0, 12), 16)
      if (fromMs > TIMESTAMP_MAX_MS) return undefined
      const [row] = await database.query(
        SELECT,
        {
          shard: { value: int64Value(decisionShard(id)), type: 'INT64' },
          from: { value: timestampValue(fromMs), type: 'TIMESTAMP' },
          until: { value: timestampValue(fromMs + 1), type: 'TIMESTAMP' },
          id: { value: stringValue(id), type: 'STRING' },
        },
        clock.monotonicMs() + TIMEOUT_MS,
      )
      if (row === undefined) return undefined
      try {
        return decodeRecordedInFull(row)
      } catch (error) {
        throw storeError(error, 'decision') ?? error
      }
    },
  }
}

const SELECT = `SELECT ${RECORDED_IN_FULL_COLUMNS.join(', ')} FROM ${DECISIONS}
WHERE Shard = @shard AND DecidedAt >= @from AND DecidedAt < @until AND DecisionId = @id`
