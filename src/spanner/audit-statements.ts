import type { DecisionFilter, DecisionPosition, SearchOrder } from '../service/decision-search.ts'
import { SEARCH_ORDERS } from '../service/decision-search.ts'
import type { Parameter, Parameters } from './query.ts'
import {
  AUDIT_READ_COLUMNS,
  AUDIT_READS,
  AUDIT_READS_BY_TIME,
  DECISIONS,
  DECISIONS_BY_ADDRESS,
  DECISIONS_BY_GRANT_SET,
  DECISIONS_BY_PRINCIPAL,
  DECISIONS_BY_SERVER,
  DECISIONS_BY_TOKEN,
  DECISIONS_DENIED,
  DECISIONS_SPOOLED,
  GRANT_SET_MEMBERS,
  STORED_DECISION_COLUMNS,
} from './schema.ts'
import { booleanValue, int64Value, stringValue, timestampValue } from './values.ts'

/** A statement with a value for each of its parameters. */
export interface Statement {
  readonly sql: string
  readonly parameters: Parameters
}

export interface NamedStatement extends Statement {
  readonly name: string
}

/** The last hex digit of the decision id: `migrations/0002-decisions.ts`. */
export const SHARDS = 16

/** The table itself, by its primary key. */
export const BY_KEY = '_BASE_TABLE'

/** Cloud Spanner ignores it; the emulator does not see by itself that a NULL-filtered index has every row that is asked for. */
export const EMULATOR_HINT = '@{spanner_emulator.disable_query_null_filtered_index_check=true}'

export function decisionsBy(index: string): string {
  return `${DECISIONS}@{FORCE_INDEX=${index}} AS d`
}

/** A key to begin with: every row of the decisions that the filter asks for is in its ranges. */
interface Access {
  readonly from: string
  /** Fixes what leads the key; its next column is a time, mostly that of the decision, so that rows are in the order of `SearchOrder`. */
  readonly key: string
  /** Taken when the filter has this; the parameter has the same name. */
  readonly filter?: keyof DecisionFilter
  /** There is a range for each shard. */
  readonly isSharded?: true
}

/** The one that comes first is taken: what it finds is expected to be least. */
const ACCESSES = {
  // Not in the order that is asked for, but no more than what was replayed since the last look.
  spooled: {
    from: decisionsBy(DECISIONS_SPOOLED),
    key: `d.Shard IN (${shardNumbers().join(', ')}) AND d.Spooled = @spooled`,
    filter: 'spooled',
  },
  token: { from: decisionsBy(DECISIONS_BY_TOKEN), key: 'd.TokenId = @tokenId', filter: 'tokenId' },
  principal: { from: decisionsBy(DECISIONS_BY_PRINCIPAL), key: 'd.Principal = @principal', filter: 'principal' },
  grant: {
    from: `${GRANT_SET_MEMBERS}@{FORCE_INDEX=${BY_KEY}} AS m
JOIN@{FORCE_JOIN_ORDER=TRUE, JOIN_METHOD=APPLY_JOIN} ${decisionsBy(DECISIONS_BY_GRANT_SET)} ON d.GrantSetId = m.GrantSetId`,
    key: 'm.GrantId = @grantId',
    filter: 'grantId',
  },
  address: { from: decisionsBy(DECISIONS_BY_ADDRESS), key: 'd.ClientHost = @address', filter: 'address' },
  server: { from: decisionsBy(DECISIONS_BY_SERVER), key: 'd.ServerName = @serverName', filter: 'serverName' },
  denials: { from: decisionsBy(DECISIONS_DENIED), key: 'd.DenyShard = @shard', isSharded: true },
  time: { from: decisionsBy(BY_KEY), key: 'd.Shard = @shard', isSharded: true },
} as const satisfies Readonly<Record<string, Access>>

type AccessName = keyof typeof ACCESSES
const ACCESS_NAMES = Object.keys(ACCESSES) as AccessName[]

/** What each part of a filter asks of a row, whether or not its key does so already. */
const CONDITIONS: Readonly<Record<Exclude<keyof DecisionFilter, 'sinceMs' | 'untilMs'>, string>> = {
  principal: 'd.Principal = @principal',
  issuer: '(d.IssuerId = @issuer OR d.Issuer = @issuer)',
  outcome: 'd.Outcome = @outcome',
  reason: 'd.Reason = @reason',
  account: 'd.Account = @account',
  subject: 'd.Subject = @subject',
  grantId: '@grantId IN UNNEST(d.GrantIds)',
  address: 'd.ClientHost = @address',
  serverName: 'd.ServerName = @serverName',
  tokenId: 'd.TokenId = @tokenId',
  committedAfter: 'd.CommittedAt > @committedAfter',
  committedUntil: 'd.CommittedAt <= @committedUntil',
  committedWithinMs: 'TIMESTAMP_DIFF(d.CommittedAt, d.DecidedAt, MILLISECOND) <= @committedWithinMs',
  committedLaterThanMs: 'TIMESTAMP_DIFF(d.CommittedAt, d.DecidedAt, MILLISECOND) > @committedLaterThanMs',
  spooled: 'COALESCE(d.Spooled, FALSE) = @spooled',
}
type Condition = keyof typeof CONDITIONS
const CONDITION_NAMES = Object.keys(CONDITIONS) as Condition[]

/** The order of every key from the time on, or its reverse; the index of the denials has its shard before. */
const ORDER_BY: Readonly<Record<SearchOrder, string>> = {
  'newest first': 'd.DecidedAt DESC, d.Shard, d.DecisionId',
  'oldest first': 'd.DecidedAt, d.Shard DESC, d.DecisionId DESC',
}

/** The first condition is for the seek, which an OR would be no good for. */
const BEHIND: Readonly<Record<SearchOrder, string>> = {
  'newest first': `d.DecidedAt <= @at AND (d.DecidedAt < @at OR d.Shard > @atShard OR (d.Shard = @atShard AND d.DecisionId > @atId))`,
  'oldest first': `d.DecidedAt >= @at AND (d.DecidedAt > @at OR d.Shard < @atShard OR (d.Shard = @atShard AND d.DecisionId < @atId))`,
}

const SELECTED = STORED_DECISION_COLUMNS.map((column) => `d.${column}`).join(', ')

/** Reads a part of a range of keys. */
export type RangeStatement = (after: DecisionPosition | undefined, limit: number) => Statement

/** The ranges of keys that together hold what the filter asks for, each row in one of them. */
export function rangesOf(filter: DecisionFilter, order: SearchOrder): readonly RangeStatement[] {
  const access: Access = ACCESSES[accessFor(filter)]
  const shards = access.isSharded === true ? shardNumbers() : [undefined]
  return shards.map((shard) => (after, limit) => rangeStatement(access, filter, order, { shard, after, limit }))
}

function shardNumbers(): readonly number[] {
  return Array.from({ length: SHARDS }, (_, shard) => shard)
}

function accessFor(filter: DecisionFilter): AccessName {
  const isDenial = filter.outcome === 'deny' || (filter.reason !== undefined && filter.outcome === undefined)
  const fitting = ACCESS_NAMES.find((name) => {
    const access: Access = ACCESSES[name]
    if (name === 'spooled') return filter.spooled === true && filter.committedAfter !== undefined
    return access.filter === undefined ? name === 'denials' && isDenial : filter[access.filter] !== undefined
  })
  return fitting ?? 'time'
}

interface Part {
  readonly shard: number | undefined
  readonly after: DecisionPosition | undefined
  readonly limit: number
}

function rangeStatement(
  { from, key, filter: keyFilter }: Access,
  filter: DecisionFilter,
  order: SearchOrder,
  { shard, after, limit }: Part,
): Statement {
  const conditions = CONDITION_NAMES.filter((name) => filter[name] !== undefined && name !== keyFilter)
  const where = [
    key,
    TIME_RANGE,
    ...conditions.map((name) => CONDITIONS[name]),
    ...(after === undefined ? [] : [BEHIND[order]]),
  ]
  return {
    sql: `${EMULATOR_HINT}
SELECT ${SELECTED} FROM ${from}
WHERE ${where.join(' AND ')}
ORDER BY ${ORDER_BY[order]} LIMIT @limit`,
    parameters: {
      ...timeRange(filter),
      ...Object.fromEntries(
        CONDITION_NAMES.flatMap((name) => (filter[name] === undefined ? [] : [[name, valueOf(name, filter[name])]])),
      ),
      ...(shard !== undefined && { shard: integer(shard) }),
      ...(after !== undefined && { at: time(after.decidedAt), atShard: integer(after.shard), atId: text(after.id) }),
      limit: integer(limit),
    },
  }
}

function valueOf(name: Condition, value: string | number | boolean): Parameter {
  if (typeof value === 'number') return integer(value)
  if (typeof value === 'boolean') return { value: booleanValue(value), type: 'BOOL' }
  if (name === 'committedAfter' || name === 'committedUntil') return time(value)
  return text(name === 'outcome' ? value.toUpperCase() : value)
}

const TIME_RANGE = 'd.DecidedAt >= @since AND d.DecidedAt < @until'
/** All that Spanner can hold. */
const EARLIEST = '0001-01-01T00:00:00Z'
const LATEST = '9999-12-31T23:59:59.999999999Z'

function timeRange({ sinceMs, untilMs }: Pick<DecisionFilter, 'sinceMs' | 'untilMs'>): Parameters {
  return {
    since: sinceMs === undefined ? time(EARLIEST) : { value: timestampValue(sinceMs), type: 'TIMESTAMP' },
    until: untilMs === undefined ? time(LATEST) : { value: timestampValue(untilMs), type: 'TIMESTAMP' },
  }
}

/** The shard and the millisecond of a decision are in its id: `core/decision-id.ts`. */
export function byIdStatement(id: string): Statement {
  const ms = Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)
  return {
    sql: `SELECT ${SELECTED} FROM ${decisionsBy(BY_KEY)}
WHERE d.Shard = @shard AND ${TIME_RANGE} AND d.DecisionId = @id`,
    parameters: {
      ...timeRange({ sinceMs: ms, untilMs: ms + 1 }),
      shard: integer(Number.parseInt(id.slice(-1), 16)),
      id: text(id),
    },
  }
}

/** `Outcome`, `Reason`, `Account`, `IssuerId`, rows, repeats and the oldest time of them, of one shard. */
export function countStatement(
  shard: number,
  range: Pick<DecisionFilter, 'sinceMs' | 'untilMs'>,
  limit: number,
): Statement {
  return {
    sql: `SELECT n.Outcome, n.Reason, n.Account, n.IssuerId, COUNT(*), SUM(COALESCE(n.RepeatCount, 0)), MIN(n.DecidedAt) FROM (
  SELECT d.Outcome, d.Reason, d.Account, d.IssuerId, d.RepeatCount, d.DecidedAt FROM ${decisionsBy(BY_KEY)}
  WHERE d.Shard = @shard AND ${TIME_RANGE} ORDER BY d.DecidedAt DESC, d.DecisionId LIMIT @limit) AS n
GROUP BY n.Outcome, n.Reason, n.Account, n.IssuerId`,
    parameters: { ...timeRange(range), shard: integer(shard), limit: integer(limit) },
  }
}

/** Reads of the audit, newest first. */
export function readsStatement(
  { sinceMs, untilMs }: Pick<DecisionFilter, 'sinceMs' | 'untilMs'>,
  limit: number,
): Statement {
  return {
    sql: `SELECT ${AUDIT_READ_COLUMNS.map((column) => `r.${column}`).join(', ')} FROM ${AUDIT_READS}@{FORCE_INDEX=${AUDIT_READS_BY_TIME}} AS r
WHERE r.ReadAt >= @since AND r.ReadAt < @until ORDER BY r.ReadAt DESC, r.ReadId LIMIT @limit`,
    parameters: {
      ...timeRange({ ...(sinceMs !== undefined && { sinceMs }), ...(untilMs !== undefined && { untilMs }) }),
      limit: integer(limit),
    },
  }
}

/**
 * Each of them, once in each of its forms, with values that find nothing. What a filter asks for besides its key is left out: the
 * index is forced, so that it changes nothing of how rows are found.
 */
export const SEARCH_STATEMENTS: readonly NamedStatement[] = [
  ...ACCESS_NAMES.flatMap((name) =>
    SEARCH_ORDERS.flatMap((order) =>
      [undefined, { decidedAt: EARLIEST, shard: 0, id: 'none' }].map((after) => ({
        name: `decisions by ${name}, ${order}, ${after === undefined ? 'first page' : 'further page'}`,
        ...rangeStatement(ACCESSES[name], exampleOf(name), order, {
          shard: 'isSharded' in ACCESSES[name] ? 0 : undefined,
          after,
          limit: 1,
        }),
      })),
    ),
  ),
  { name: 'decision by id', ...byIdStatement('00000000-0000-7000-8000-000000000000') },
  { name: 'counts of decisions', ...countStatement(0, {}, 1) },
  { name: 'reads of the audit', ...readsStatement({}, 1) },
]

function exampleOf(name: AccessName): DecisionFilter {
  if (name === 'spooled') return { spooled: true, committedAfter: LATEST }
  const { filter }: Access = ACCESSES[name]
  return filter === undefined ? {} : { [filter]: 'none' }
}

export function text(value: string): Parameter {
  return { value: stringValue(value), type: 'STRING' }
}

export function integer(value: number): Parameter {
  return { value: int64Value(value), type: 'INT64' }
}

/** RFC 3339. */
export function time(value: string): Parameter {
  return { value: stringValue(value), type: 'TIMESTAMP' }
}
