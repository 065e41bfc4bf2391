import type { protos } from '@google-cloud/spanner-api'
import type { Row, Value } from './values.ts'

/** A read by key prefix of a table or index: no SQL, no plan, no scan. */
export interface KeyedRead {
  readonly table: string
  readonly index?: string
  readonly columns: readonly string[]
  /** Every row whose key begins with one of these; the empty one is every row. */
  readonly prefixes: readonly (readonly Value[])[]
  /** Only rows behind this key; for the one prefix that is empty. */
  readonly after?: readonly Value[]
  /** At most so many rows; ask for one more than is acceptable to notice that there are more. */
  readonly limit: number
}

/** A value for `@name` in a statement. The type goes along: NULL and empty arrays have none of their own. */
export interface Parameter {
  readonly value: Value
  readonly type: 'STRING' | 'INT64' | 'BOOL' | 'TIMESTAMP'
}

export type Parameters = Readonly<Record<string, Parameter>>

export function queryRequest(
  sql: string,
  parameters: Parameters,
): Pick<protos.google.spanner.v1.IExecuteSqlRequest, 'sql' | 'params' | 'paramTypes'> {
  const fields: Record<string, Value> = {}
  const paramTypes: Record<string, { code: Parameter['type'] }> = {}
  for (const [name, { value, type }] of Object.entries(parameters)) {
    fields[name] = value
    paramTypes[name] = { code: type }
  }
  return { sql, params: { fields }, paramTypes }
}

export function rowsOf(result: protos.google.spanner.v1.IResultSet): Row[] {
  return (result.rows ?? []).map((row) => row.values ?? [])
}

export function readRequest({
  table,
  index,
  columns,
  prefixes,
  after,
  limit,
}: KeyedRead): Pick<protos.google.spanner.v1.IReadRequest, 'table' | 'index' | 'columns' | 'keySet' | 'limit'> {
  const ranges = after === undefined ? prefixes.map(prefixRange) : [rangeAfter(after)]
  return { table, index: index ?? '', columns: columns as string[], keySet: { ranges }, limit }
}

function prefixRange(prefix: readonly Value[]): protos.google.spanner.v1.IKeyRange {
  const key = { values: prefix as Value[] }
  return { startClosed: key, endClosed: key }
}

function rangeAfter(key: readonly Value[]): protos.google.spanner.v1.IKeyRange {
  return { startOpen: { values: key as Value[] }, endClosed: { values: [] } }
}
