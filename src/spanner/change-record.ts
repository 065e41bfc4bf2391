import { named } from './partial-rows.ts'
import type { Named, StructType } from './partial-rows.ts'
import { RowShapeError } from './values.ts'
import type { Row } from './values.ts'

/** Columns by name, as JSON has them. */
export type JsonColumns = Readonly<Record<string, unknown>>

/** One row that a transaction wrote. */
export interface ChangedRow {
  readonly table: string
  readonly recordSequence: string
  readonly modIndex: number
  readonly type: 'INSERT' | 'UPDATE' | 'DELETE'
  readonly key: JsonColumns
  /** All columns but the key; empty for a row that went. */
  readonly newValues: JsonColumns
  /** Of a row that changed, at least those that did; of one that went, all; else empty. */
  readonly oldValues: JsonColumns
}

/** What a partition of a change stream says: https://cloud.google.com/spanner/docs/change-streams/details */
export type ChangeRecord =
  | {
      readonly kind: 'data'
      readonly committedAt: string
      readonly transactionId: string
      /** Unique within the transaction. */
      readonly sequence: string
      /** Of the transaction, in all partitions together. */
      readonly recordsOfTransaction: number
      readonly rows: readonly ChangedRow[]
    }
  /** Everything that was committed until then has been said. */
  | { readonly kind: 'heartbeat'; readonly at: string }
  /** The partition ends; these go on from `startAt`. */
  | { readonly kind: 'children'; readonly startAt: string; readonly children: readonly ChildPartition[] }

export interface ChildPartition {
  readonly token: string
  /** A partition that was merged from others is announced by each of them. */
  readonly parents: readonly string[]
}

const COLUMN = 'ChangeRecord'

/** The records in one row of a change stream query. Throws `RowShapeError` for anything that is none. */
export function changeRecords(row: Row, rowType: StructType): ChangeRecord[] {
  const [column] = rowType.fields ?? []
  const records = column === undefined ? undefined : named(row[0] ?? {}, column.type)
  return listOf(records).flatMap((record) => {
    const parts = fieldsOf(record)
    return [
      ...listOf(parts['data_change_record']).map(dataRecord),
      ...listOf(parts['heartbeat_record']).map((part): ChangeRecord => ({
        kind: 'heartbeat',
        at: textOf(fieldsOf(part)['timestamp']),
      })),
      ...listOf(parts['child_partitions_record']).map(childrenRecord),
    ]
  })
}

function dataRecord(part: Named): ChangeRecord {
  const fields = fieldsOf(part)
  const table = textOf(fields['table_name'])
  const sequence = textOf(fields['record_sequence'])
  const type = modType(fields['mod_type'])
  return {
    kind: 'data',
    committedAt: textOf(fields['commit_timestamp']),
    transactionId: textOf(fields['server_transaction_id']),
    sequence,
    recordsOfTransaction: Number(textOf(fields['number_of_records_in_transaction'])),
    rows: listOf(fields['mods']).map((mod, modIndex) => {
      const { keys, new_values: newValues, old_values: oldValues } = fieldsOf(mod)
      return {
        table,
        recordSequence: sequence,
        modIndex,
        type,
        key: jsonOf(keys),
        newValues: jsonOf(newValues),
        oldValues: jsonOf(oldValues),
      }
    }),
  }
}

function childrenRecord(part: Named): ChangeRecord {
  const fields = fieldsOf(part)
  return {
    kind: 'children',
    startAt: textOf(fields['start_timestamp']),
    children: listOf(fields['child_partitions']).map((child) => {
      const { token, parent_partition_tokens: parents } = fieldsOf(child)
      return { token: textOf(token), parents: listOf(parents).map(textOf) }
    }),
  }
}

function modType(value: Named | undefined): ChangedRow['type'] {
  if (value === 'INSERT' || value === 'UPDATE' || value === 'DELETE') return value
  throw new RowShapeError(`${COLUMN}: unknown mod_type`)
}

function listOf(value: Named | undefined): readonly Named[] {
  if (value === undefined || value === null) return []
  if (Array.isArray(value)) return value
  throw new RowShapeError(`${COLUMN}: no list where one is expected`)
}

function fieldsOf(value: Named): { readonly [field: string]: Named } {
  if (typeof value === 'object' && value !== null && !isList(value)) return value
  throw new RowShapeError(`${COLUMN}: no structure where one is expected`)
}

function isList(value: object): value is readonly Named[] {
  return Array.isArray(value)
}

function textOf(value: Named | undefined): string {
  if (typeof value === 'string') return value
  throw new RowShapeError(`${COLUMN}: no text where one is expected`)
}

function jsonOf(value: Named | undefined): JsonColumns {
  const columns: unknown = JSON.parse(textOf(value))
  if (typeof columns === 'object' && columns !== null && !Array.isArray(columns)) return columns as JsonColumns
  throw new RowShapeError(`${COLUMN}: keys or values are no JSON object`)
}
