import type { HistoryFilter, HistoryPages, HistoryPosition } from '../service/history.ts'
import type { Clock } from '../service/ports.ts'
import type { SpannerDatabase } from './database.ts'
import { readReach } from './history-log.ts'
import { decodeHistoryRow, NO_PRINCIPAL } from './history-row.ts'
import { POLICY_TABLES } from './policy-tables.ts'
import type { Parameter, Parameters } from './query.ts'
import { POLICY_HISTORY, POLICY_HISTORY_BY_TIME, POLICY_HISTORY_COLUMNS } from './schema.ts'
import { int64Value, stringValue, timestampValue } from './values.ts'
import type { Row } from './values.ts'

/** A person or a collector waits for it. */
const TIMEOUT_MS = 20_000

/** The columns of a position, in the order of the history. */
const PLACE = [
  ['CommittedAt', 'TIMESTAMP'],
  ['TransactionId', 'STRING'],
  ['RecordSequence', 'STRING'],
  ['ModIndex', 'INT64'],
  ['TableName', 'STRING'],
  ['EntityKey', 'STRING'],
] as const
const PLACE_COLUMNS = PLACE.map(([column]) => column)
const PLACE_CELLS = PLACE_COLUMNS.map((column) => POLICY_HISTORY_COLUMNS.indexOf(column))

/** Reads the table `PolicyHistory` by its index of times. */
export function createHistoryPages(options: {
  readonly database: SpannerDatabase
  readonly clock: Clock
}): HistoryPages {
  const { database, clock } = options
  return {
    async page(filter, committedUntil, after, limit) {
      const conditions = ['CommittedAt <= @committedUntil', ...conditionsOf(filter), ...(after ? [BEHIND] : [])]
      const sql = `SELECT ${POLICY_HISTORY_COLUMNS.join(', ')} FROM ${POLICY_HISTORY}@{FORCE_INDEX=${POLICY_HISTORY_BY_TIME}}
WHERE ${conditions.join(' AND ')} ORDER BY ${PLACE_COLUMNS.join(', ')} LIMIT @limit`
      const parameters = {
        ...parametersOf(filter),
        ...(after && placeParameters(after)),
        committedUntil: { value: stringValue(committedUntil), type: 'TIMESTAMP' as const },
        limit: { value: int64Value(limit), type: 'INT64' as const },
      }
      const rows = await database.query(sql, parameters, clock.monotonicMs() + TIMEOUT_MS)
      const last = rows.at(-1)
      return {
        entries: rows.map((row) => ({ id: positionOf(row).join(' '), ...decodeHistoryRow(row) })),
        ...(last !== undefined && { end: positionOf(last) }),
      }
    },

    reach: () => readReach(database, clock.monotonicMs() + TIMEOUT_MS),
  }
}

/** A gap concerns everybody. */
function conditionsOf({ principal, grantId, sinceMs, untilMs }: HistoryFilter): readonly string[] {
  return [
    ...(principal === undefined ? [] : [`(Principal = @principal OR Principal = '${NO_PRINCIPAL}')`]),
    ...(grantId === undefined
      ? []
      : [`((EntityId = @grant AND TableName = '${POLICY_TABLES.grant.table}') OR Principal = '${NO_PRINCIPAL}')`]),
    ...(sinceMs === undefined ? [] : ['CommittedAt >= @since']),
    ...(untilMs === undefined ? [] : ['CommittedAt < @until']),
  ]
}

function parametersOf({ principal, grantId, sinceMs, untilMs }: HistoryFilter): Parameters {
  return {
    ...(principal !== undefined && { principal: text(principal) }),
    ...(grantId !== undefined && { grant: text(grantId) }),
    ...(sinceMs !== undefined && { since: { value: timestampValue(sinceMs), type: 'TIMESTAMP' as const } }),
    ...(untilMs !== undefined && { until: { value: timestampValue(untilMs), type: 'TIMESTAMP' as const } }),
  }
}

/** The first condition is for the seek, which an OR would be no good for. */
const BEHIND = `CommittedAt >= @CommittedAt AND ${behind(PLACE_COLUMNS)}`

/** Behind in the order of the columns, the first of which counts most. */
function behind([column = '', ...rest]: readonly string[]): string {
  if (rest.length === 0) return `${column} > @${column}`
  return `(${column} > @${column} OR (${column} = @${column} AND ${behind(rest)}))`
}

function placeParameters(position: HistoryPosition): Parameters {
  return Object.fromEntries(
    PLACE.map(([column, type], index) => [column, { value: stringValue(position[index] ?? ''), type }]),
  )
}

function positionOf(row: Row): HistoryPosition {
  return PLACE_CELLS.map((cell) => row[cell]?.stringValue ?? '')
}

function text(value: string): Parameter {
  return { value: stringValue(value), type: 'STRING' }
}
