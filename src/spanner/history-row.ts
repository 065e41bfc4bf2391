import { isDeepStrictEqual } from 'node:util'
import { POLICY_KINDS } from '../core/policy-row.ts'
import type { PolicyKind, PolicyRow } from '../core/policy-row.ts'
import type { ChangeSource, HistoryEntry, PolicyTransaction, StoredRow } from '../service/history.ts'
import { POLICY_TABLES } from './policy-tables.ts'
import { POLICY_HISTORY, POLICY_HISTORY_COLUMNS } from './schema.ts'
import {
  booleanValue,
  int64Value,
  jsonValue,
  NULL,
  RowReader,
  RowShapeError,
  stringsValue,
  stringValue,
} from './values.ts'
import type { Row, Value } from './values.ts'

/** A gap belongs to no table. */
const NO_TABLE = ''
/** And to no principal. */
export const NO_PRINCIPAL = ''
const GAP_SOURCE = 'history'

const KINDS: ReadonlyMap<string, PolicyKind> = new Map(POLICY_KINDS.map((kind) => [POLICY_TABLES[kind].table, kind]))
const CHANGES = { ADDED: 'added', CHANGED: 'changed', REMOVED: 'removed', GAP: 'gap' } as const

/** `EntityKey` of a row. */
export function entityKey(key: readonly string[]): string {
  return JSON.stringify(key)
}

/** A row of `PolicyHistory` for each change. Rows that were changed without a command say themselves who made them. */
export function historyRows({ id, committedAt, edit, changes }: PolicyTransaction): Row[] {
  return changes.map(({ kind, key, before, after, recordSequence, modIndex }) => {
    const claimed = edit === undefined ? after : undefined
    return [
      stringValue(POLICY_TABLES[kind].table),
      stringValue(entityKey(key)),
      { stringValue: committedAt },
      stringValue(id),
      stringValue(recordSequence),
      int64Value(modIndex),
      stringValue(before === undefined ? 'ADDED' : after === undefined ? 'REMOVED' : 'CHANGED'),
      stringValue(key[0] ?? ''),
      stringValue(key.at(-1) ?? ''),
      stringValue(edit?.id),
      stringValue(edit?.source ?? ('sql' satisfies ChangeSource)),
      stringValue(edit?.actor ?? textOf(claimed?.['CreatedBy'])),
      stringValue(edit?.approvedBy),
      stringValue(edit?.reason ?? textOf(claimed?.['Reason'])),
      before === undefined ? NULL : jsonValue(before),
      after === undefined ? NULL : jsonValue(after),
    ]
  })
}

/** Says that what was changed from `from` until `until` is not known. The same gap makes the same row. */
export function gapRow(from: string, until: string): Row {
  const reason = `changes from ${from} until ${until} are not known: nobody recorded them for longer than the change stream keeps them`
  return [
    ...[NO_TABLE, entityKey([]), until, from, '0'].map((text) => stringValue(text)),
    int64Value(0),
    ...['GAP', NO_PRINCIPAL, ''].map((text) => stringValue(text)),
    NULL,
    stringValue(GAP_SOURCE),
    NULL,
    NULL,
    stringValue(reason),
    NULL,
    NULL,
  ]
}

/** Decodes a row of `POLICY_HISTORY_COLUMNS`. Throws `RowShapeError`. */
export function decodeHistoryRow(row: Row): HistoryEntry {
  const reader = new RowReader(POLICY_HISTORY, POLICY_HISTORY_COLUMNS, row)
  const kind = KINDS.get(reader.string())
  const key = keyOf(reader.string())
  const committedAt = reader.string()
  const transactionId = reader.string()
  reader.string()
  reader.int64()
  const change = reader.oneOf(CHANGES)
  const principal = reader.string()
  reader.string()
  const editId = reader.optionalString()
  const source = reader.string()
  const actor = reader.optionalString()
  const approvedBy = reader.optionalString()
  const reason = reader.optionalString()
  const before = storedRow(reader.optionalString())
  const after = storedRow(reader.optionalString())
  return {
    committedAt,
    transactionId,
    ...(editId !== undefined && { editId }),
    change,
    ...(kind !== undefined && { kind }),
    key,
    principal,
    source,
    ...(actor !== undefined && { actor }),
    ...(approvedBy !== undefined && { approvedBy }),
    ...(reason !== undefined && { reason }),
    ...(before !== undefined && { before }),
    ...(after !== undefined && { after }),
  }
}

/** A recorded row as admins edit it. Throws `RowShapeError` for one that this release cannot read, such as of an unknown action. */
export function decodeStoredRow(kind: PolicyKind, stored: StoredRow): PolicyRow {
  const { columns, decode } = POLICY_TABLES[kind]
  const row = decode(storedCells(columns, stored))
  return { kind, row } as PolicyRow
}

/** The columns of a recorded row, as a read of the table would bring them. Throws `RowShapeError`. */
export function storedCells(columns: readonly string[], stored: StoredRow): Row {
  return columns.map((column) => valueOf(stored[column]))
}

const TIMES = ['validFromMs', 'validUntilMs', 'expiresAtMs']

/** Whether two rows are the same to the second: the emulator leaves fractions out of the rows in its change records. */
export function isSameToTheSecond(a: PolicyRow, b: PolicyRow): boolean {
  return a.kind === b.kind && isDeepStrictEqual(toSeconds(a.row), toSeconds(b.row))
}

/** The row with its times cut to whole seconds. */
export function toSeconds(row: object): object {
  const cells = Object.entries(row).map(([name, value]: [string, unknown]) => {
    if (TIMES.includes(name)) return [name, Math.floor(Number(value) / 1000)]
    return name === 'createdAt' ? [name, String(value).slice(0, 19)] : [name, value]
  })
  return Object.fromEntries(cells) as object
}

/** As the change stream writes values of columns: INT64 and TIMESTAMP as texts. */
function valueOf(value: unknown): Value {
  if (value === null || value === undefined) return NULL
  if (typeof value === 'string') return stringValue(value)
  if (typeof value === 'boolean') return booleanValue(value)
  if (typeof value === 'number') return int64Value(value)
  if (isTexts(value)) return stringsValue(value)
  throw new RowShapeError(`${POLICY_HISTORY}: a column holds what no column of policy holds`)
}

function keyOf(text: string): string[] {
  const key = parsed(text)
  if (isTexts(key)) return key
  throw new RowShapeError(`${POLICY_HISTORY}.EntityKey is not a list of texts`)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((element) => typeof element === 'string')
}

function storedRow(text: string | undefined): StoredRow | undefined {
  if (text === undefined) return undefined
  const row = parsed(text)
  if (typeof row === 'object' && row !== null && !Array.isArray(row)) return row as StoredRow
  throw new RowShapeError(`${POLICY_HISTORY}: a recorded row is not an object`)
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
