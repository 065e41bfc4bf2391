import type { protos } from '@google-cloud/spanner-api'
import type { Row, Value } from './values.ts'

/** A value for `@name` in a statement. The type goes along: NULL and empty arrays have none of their own. */
export interface Parameter {
  readonly value: Value
  readonly type: 'STRING' | 'INT64' | 'TIMESTAMP'
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
