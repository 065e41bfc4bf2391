import { isDeepStrictEqual } from 'node:util'
import { CalloutError } from '../core/errors.ts'
import type { PolicyKind } from '../core/policy-row.ts'
import type { DecisionRows, PastChange, PastRows } from '../service/past-policy.ts'
import type { Clock, DeadlineMs } from '../service/ports.ts'
import type { SpannerDatabase } from './database.ts'
import { HISTORY_MIGRATION, readReach } from './history-log.ts'
import { decodeHistoryRow, NO_PRINCIPAL, storedCells, toSeconds } from './history-row.ts'
import { parseNanoseconds } from './nanoseconds.ts'
import { decodeGrant, decodeLock, decodeRole, decodeRoleBinding } from './policy-rows.ts'
import { readPolicyAt } from './policy-store.ts'
import { POLICY_TABLES } from './policy-tables.ts'
import type { Parameters } from './query.ts'
import {
  GRANT_COLUMNS,
  LOCK_COLUMNS,
  POLICY_HISTORY,
  POLICY_HISTORY_BY_PRINCIPAL,
  POLICY_HISTORY_COLUMNS,
  ROLE_BINDING_COLUMNS,
  ROLE_COLUMNS,
  SCHEMA_MIGRATIONS,
} from './schema.ts'
import { grpcFailure, STATUS, storeError } from './status.ts'
import { int64Value, parseServerTimestamp, RowReader, stringValue } from './values.ts'
import type { Row } from './values.ts'

/** A person waits for it. */
const TIMEOUT_MS = 20_000
/** As the decision path: nobody has more. */
const ROWS_MAX = 20_000
/** A row of the history holds a row of policy twice, and an answer ends at 10 MB. */
const CHANGES_PER_READ_MAX = 2000
const HOLDERS_PER_READ_MAX = 500

interface PastTable<Kind extends PolicyKind> {
  readonly columns: readonly string[]
  readonly decode: (row: Row) => DecisionRows[Kind]
  /** The parts of the key, by which rows are told apart. */
  readonly key: (row: DecisionRows[Kind]) => readonly string[]
}

const TABLES: { readonly [Kind in PolicyKind]: PastTable<Kind> } = {
  grant: { columns: GRANT_COLUMNS, decode: decodeGrant, key: ({ principal, id }) => [principal, id] },
  role: { columns: ROLE_COLUMNS, decode: decodeRole, key: ({ role }) => [role] },
  binding: { columns: ROLE_BINDING_COLUMNS, decode: decodeRoleBinding, key: ({ member, role }) => [member, role] },
  lock: { columns: LOCK_COLUMNS, decode: decodeLock, key: ({ target, id }) => [target, id] },
}

export interface PastRowsOptions {
  readonly database: SpannerDatabase
  readonly clock: Clock
}

/** What Spanner keeps of the past (`version_retention_period`, an hour if nobody set it) and what `PolicyHistory` holds. */
export function createPastRows({ database, clock }: PastRowsOptions): PastRows {
  const deadline = (): DeadlineMs => clock.monotonicMs() + TIMEOUT_MS
  return {
    policyAt: (keys, at) => whileKept(() => readPolicyAt(database, keys, parseServerTimestamp(at), deadline())),

    async historySince(at) {
      const [{ recordedUntil }, { startedAt, lastGapEnd }] = await Promise.all([
        readReach(database, deadline()),
        readStart(database, deadline()),
      ])
      const time = parseNanoseconds(at)
      if (time < parseNanoseconds(startedAt)) return { unknown: { why: 'before_history', detail: startedAt } }
      if (time > parseNanoseconds(recordedUntil)) return { unknown: { why: 'not_recorded', detail: recordedUntil } }
      if (lastGapEnd !== undefined && time < parseNanoseconds(lastGapEnd))
        return { unknown: { why: 'gap', detail: lastGapEnd } }
      return { until: recordedUntil }
    },

    async rowsAt(kind, holders, at) {
      if (holders.length === 0) return new Map()
      const { columns, decode, key } = tableOf(kind)
      const { table } = POLICY_TABLES[kind]
      const read = { table, columns, prefixes: wellFormed(holders).map(keyOf), limit: ROWS_MAX + 1 }
      const result = await whileKept(() => database.read(read, parseServerTimestamp(at), deadline()))
      if (result === undefined) return undefined
      if (result.rows.length > ROWS_MAX) throw tooMany(table, ROWS_MAX)
      return usable(() => new Map(result.rows.map(decode).map((row) => [nameOf(key(row)), row])))
    },

    async changesOf(kind, holders, after, until) {
      const rows = await readChanges(database, kind, holders, { after, until }, deadline())
      return usable(() => rows.map((row) => changeOf(kind, row)))
    },

    isSame: (_, a, b) => isDeepStrictEqual(toSeconds(a), toSeconds(b)),
  }
}

function tableOf<Kind extends PolicyKind>(kind: Kind): PastTable<Kind> {
  return TABLES[kind]
}

function changeOf<Kind extends PolicyKind>(kind: Kind, row: Row): PastChange<DecisionRows[Kind]> {
  const { columns, decode } = tableOf(kind)
  const { key, before, after } = decodeHistoryRow(row)
  return {
    name: nameOf(key),
    ...(before !== undefined && { before: decode(storedCells(columns, before)) }),
    ...(after !== undefined && { after: decode(storedCells(columns, after)) }),
  }
}

function nameOf(key: readonly string[]): string {
  return key.join(' ')
}

/** A text with a lone surrogate is the key of no row; on the wire it would turn into the key of another. */
function wellFormed(holders: readonly string[]): string[] {
  return holders.filter((holder) => holder.isWellFormed())
}

function keyOf(holder: string) {
  return [stringValue(holder)]
}

/** Undefined when Spanner does not keep the data, or the tables, of the time that was asked for. */
async function whileKept<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    const failure = grpcFailure(error instanceof CalloutError ? error.cause : error)
    if (failure?.code === STATUS.failedPrecondition) return undefined
    if (/^(?:Table|Column|Database)\b.*not found/i.test(failure?.details ?? '')) return undefined
    throw error
  }
}

function usable<T>(decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    throw storeError(error, 'history') ?? error
  }
}

function tooMany(table: string, most: number): CalloutError {
  return new CalloutError('ERR_STORE_REFUSED', `${table}: more than ${most} rows for one question`)
}

const START_SQL = `SELECT
  (SELECT AppliedAt FROM ${SCHEMA_MIGRATIONS} WHERE Version = @migration),
  (SELECT MAX(CommittedAt) FROM ${POLICY_HISTORY}@{FORCE_INDEX=${POLICY_HISTORY_BY_PRINCIPAL}} WHERE Principal = '${NO_PRINCIPAL}')`

/** Since when changes are recorded, and when they were recorded again after they last were not. */
async function readStart(
  database: SpannerDatabase,
  deadlineMs: DeadlineMs,
): Promise<{ readonly startedAt: string; readonly lastGapEnd: string | undefined }> {
  const parameters: Parameters = { migration: { value: int64Value(HISTORY_MIGRATION), type: 'INT64' } }
  const [row] = await database.query(START_SQL, parameters, deadlineMs)
  const reader = new RowReader(POLICY_HISTORY, ['AppliedAt', 'CommittedAt'], row ?? [])
  return usable(() => ({ startedAt: reader.string(), lastGapEnd: reader.optionalString() }))
}

async function readChanges(
  database: SpannerDatabase,
  kind: PolicyKind,
  holders: readonly string[],
  { after, until }: { readonly after: string; readonly until: string },
  deadlineMs: DeadlineMs,
): Promise<Row[]> {
  const { table } = POLICY_TABLES[kind]
  const found: Row[] = []
  const asked = wellFormed(holders)
  for (let start = 0; start < asked.length; start += HOLDERS_PER_READ_MAX) {
    const named = asked
      .slice(start, start + HOLDERS_PER_READ_MAX)
      .map((holder, index) => [`p${index}`, holder] as const)
    const rows = await database.query(
      `SELECT ${POLICY_HISTORY_COLUMNS.join(', ')} FROM ${POLICY_HISTORY}@{FORCE_INDEX=${POLICY_HISTORY_BY_PRINCIPAL}}
WHERE Principal IN (${named.map(([name]) => `@${name}`).join(', ')}) AND TableName = @table
  AND CommittedAt > @after AND CommittedAt <= @until
ORDER BY CommittedAt, RecordSequence, ModIndex LIMIT @limit`,
      {
        ...Object.fromEntries(named.map(([name, holder]) => [name, { value: stringValue(holder), type: 'STRING' }])),
        table: { value: stringValue(table), type: 'STRING' },
        after: { value: stringValue(after), type: 'TIMESTAMP' },
        until: { value: stringValue(until), type: 'TIMESTAMP' },
        limit: { value: int64Value(CHANGES_PER_READ_MAX + 1), type: 'INT64' },
      },
      deadlineMs,
    )
    if (rows.length > CHANGES_PER_READ_MAX) throw tooMany(POLICY_HISTORY, CHANGES_PER_READ_MAX)
    found.push(...rows)
  }
  return found
}
