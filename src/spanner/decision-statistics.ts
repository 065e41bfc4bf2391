import type { DecisionCount, DecisionStatistics } from '../service/decision-search.ts'
import { countStatement, SHARDS } from './audit-statements.ts'
import type { DecisionSearchOptions } from './decision-search.ts'
import { formatNanoseconds, parseNanoseconds } from './nanoseconds.ts'
import { DECISIONS } from './schema.ts'
import { RowReader } from './values.ts'
import type { Row } from './values.ts'

/** A person waits for it. */
const TIMEOUT_MS = 30_000
const COLUMNS = ['Outcome', 'Reason', 'Account', 'IssuerId', 'COUNT', 'SUM', 'MIN'] as const

interface ShardCount {
  readonly count: DecisionCount
  readonly oldest: string
}

/** Counts in Spanner, shard by shard: only the counts are sent. */
export function createDecisionStatistics({ database, clock }: DecisionSearchOptions): DecisionStatistics {
  return {
    async count(filter, rowsMax) {
      const share = Math.max(1, Math.floor(rowsMax / SHARDS))
      const deadlineMs = clock.monotonicMs() + TIMEOUT_MS
      const shards = await Promise.all(
        Array.from({ length: SHARDS }, async (_, shard) => {
          const { sql, parameters } = countStatement(shard, filter, share)
          return (await database.query(sql, parameters, deadlineMs)).map(decode)
        }),
      )
      const stoppedAt = shards
        .filter((counts) => counts.reduce((sum, { count }) => sum + count.rows, 0) >= share)
        .map((counts) => counts.map(({ oldest }) => oldest).reduce((a, b) => (a < b ? a : b)))
      const completeSince = stoppedAt.reduce<string | undefined>(
        (a, b) => (a === undefined || b > a ? b : a),
        undefined,
      )
      return { counts: sumOf(shards.flat()), ...(completeSince !== undefined && { completeSince }) }
    },
  }
}

function decode(row: Row): ShardCount {
  const reader = new RowReader(DECISIONS, COLUMNS, row)
  const outcome = reader.string()
  const [reason, account, issuer] = [reader.optionalString(), reader.optionalString(), reader.optionalString()]
  const count = {
    outcome,
    ...(reason !== undefined && { reason }),
    ...(account !== undefined && { account }),
    ...(issuer !== undefined && { issuer }),
    rows: reader.int64(),
    repeats: reader.int64(),
  }
  return { count, oldest: formatNanoseconds(parseNanoseconds(reader.string())) }
}

function sumOf(shardCounts: readonly ShardCount[]): DecisionCount[] {
  const sums = new Map<string, DecisionCount>()
  for (const { count } of shardCounts) {
    const { outcome, reason, account, issuer } = count
    const kind = JSON.stringify([outcome, reason, account, issuer])
    const sum = sums.get(kind)
    sums.set(kind, {
      ...count,
      rows: count.rows + (sum?.rows ?? 0),
      repeats: count.repeats + (sum?.repeats ?? 0),
    })
  }
  return [...sums.values()].sort((a, b) => b.rows + b.repeats - (a.rows + a.repeats))
}
