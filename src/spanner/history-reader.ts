import type { HistoryEntry, HistoryFilter, HistoryReader } from '../service/history.ts'
import type { Clock, DeadlineMs } from '../service/ports.ts'
import type { SpannerDatabase } from './database.ts'
import { readReach } from './history-log.ts'
import { decodeHistoryRow, entityKey, NO_PRINCIPAL } from './history-row.ts'
import { parseNanoseconds } from './nanoseconds.ts'
import { POLICY_TABLES } from './policy-tables.ts'
import type { Parameter } from './query.ts'
import {
  POLICY_HISTORY,
  POLICY_HISTORY_BY_EDIT,
  POLICY_HISTORY_BY_ID,
  POLICY_HISTORY_BY_PRINCIPAL,
  POLICY_HISTORY_BY_TIME,
  POLICY_HISTORY_BY_TRANSACTION,
  POLICY_HISTORY_COLUMNS,
} from './schema.ts'
import { storeError } from './status.ts'
import { int64Value, stringValue, timestampValue } from './values.ts'
import type { Row } from './values.ts'

/** A person waits for it. */
const TIMEOUT_MS = 10_000
/** Reads at a time, each of one row. */
const READS_AT_ONCE = 16

export interface HistoryReaderOptions {
  readonly database: SpannerDatabase
  readonly clock: Clock
}

/** Reads the table `PolicyHistory`, through the index that fits the question. */
export function createHistoryReader({ database, clock }: HistoryReaderOptions): HistoryReader {
  const deadline = (): DeadlineMs => clock.monotonicMs() + TIMEOUT_MS
  const select = async (
    index: string,
    where: string,
    order: string,
    parameters: Readonly<Record<string, Parameter>>,
  ): Promise<HistoryEntry[]> => {
    const sql = `${SELECT}@{FORCE_INDEX=${index}} WHERE ${where} ORDER BY ${order}`
    return decoded(await database.query(sql, parameters, deadline()))
  }
  return {
    async list(filter, limit) {
      const { conditions, parameters } = conditionsOf(filter)
      const perIndex = await Promise.all(
        indexesFor(filter).map(({ index, where }) =>
          select(index, [where, ...conditions].join(' AND '), `${NEWEST_FIRST} LIMIT @limit`, {
            ...parameters,
            limit: { value: int64Value(limit), type: 'INT64' },
          }),
        ),
      )
      return newestFirst(perIndex.flat()).slice(0, limit)
    },

    changesOf: (what) =>
      'editId' in what
        ? select(POLICY_HISTORY_BY_EDIT, 'EditId = @id', IN_ORDER, { id: text(what.editId) })
        : select(POLICY_HISTORY_BY_TRANSACTION, 'TransactionId = @id', IN_ORDER, { id: text(what.transactionId) }),

    async newest(rows) {
      const entries: (HistoryEntry | undefined)[] = []
      const deadlineMs = deadline()
      for (let start = 0; start < rows.length; start += READS_AT_ONCE) {
        const reads = rows.slice(start, start + READS_AT_ONCE).map(async ({ kind, key }) => {
          const prefix = [stringValue(POLICY_TABLES[kind].table), stringValue(entityKey(key))]
          const read = { table: POLICY_HISTORY, columns: POLICY_HISTORY_COLUMNS, prefixes: [prefix], limit: 1 }
          const [entry] = decoded((await database.read(read, 'strong', deadlineMs)).rows)
          return entry
        })
        entries.push(...(await Promise.all(reads)))
      }
      return entries
    },

    reach: () => readReach(database, deadline()),
  }
}

function decoded(rows: readonly Row[]): HistoryEntry[] {
  try {
    return rows.map(decodeHistoryRow)
  } catch (error) {
    throw storeError(error, 'history') ?? error
  }
}

const SELECT = `SELECT ${POLICY_HISTORY_COLUMNS.join(', ')} FROM ${POLICY_HISTORY}`
const IN_ORDER = 'CommittedAt, RecordSequence, ModIndex'
const NEWEST_FIRST = 'CommittedAt DESC, RecordSequence DESC, ModIndex DESC'

interface IndexUse {
  readonly index: string
  readonly where: string
}

/** A gap concerns everybody: it is found under the principal that nobody has. */
const GAPS: IndexUse = { index: POLICY_HISTORY_BY_PRINCIPAL, where: `Principal = '${NO_PRINCIPAL}'` }

function indexesFor({ principal, grantId, role }: HistoryFilter): readonly IndexUse[] {
  const conditions = [
    ...(principal === undefined ? [] : ['Principal = @principal']),
    ...(grantId === undefined ? [] : [`EntityId = @grant AND TableName = '${POLICY_TABLES.grant.table}'`]),
    ...(role === undefined ? [] : ['(Principal = @role OR EntityId = @role)']),
  ]
  if (conditions.length === 0) return [{ index: POLICY_HISTORY_BY_TIME, where: 'TRUE' }]
  const where = conditions.join(' AND ')
  if (principal !== undefined) return [GAPS, { index: POLICY_HISTORY_BY_PRINCIPAL, where }]
  if (grantId !== undefined) return [GAPS, { index: POLICY_HISTORY_BY_ID, where }]
  return [
    GAPS,
    { index: POLICY_HISTORY_BY_PRINCIPAL, where: 'Principal = @role' },
    { index: POLICY_HISTORY_BY_ID, where: 'EntityId = @role AND Principal != @role' },
  ]
}

function conditionsOf({ principal, grantId, role, sinceMs, untilMs }: HistoryFilter): {
  readonly conditions: readonly string[]
  readonly parameters: Readonly<Record<string, Parameter>>
} {
  return {
    conditions: [
      ...(sinceMs === undefined ? [] : ['CommittedAt >= @since']),
      ...(untilMs === undefined ? [] : ['CommittedAt < @until']),
    ],
    parameters: {
      ...(principal !== undefined && { principal: text(principal) }),
      ...(grantId !== undefined && { grant: text(grantId) }),
      ...(role !== undefined && { role: text(role) }),
      ...(sinceMs !== undefined && { since: { value: timestampValue(sinceMs), type: 'TIMESTAMP' as const } }),
      ...(untilMs !== undefined && { until: { value: timestampValue(untilMs), type: 'TIMESTAMP' as const } }),
    },
  }
}

/** Entries of one index are in order already, which a stable sort keeps within one time. */
function newestFirst(entries: readonly HistoryEntry[]): HistoryEntry[] {
  const timed = entries.map((entry) => ({ entry, time: parseNanoseconds(entry.committedAt) }))
  return timed.sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0)).map(({ entry }) => entry)
}

function text(value: string): Parameter {
  return { value: stringValue(value), type: 'STRING' }
}
