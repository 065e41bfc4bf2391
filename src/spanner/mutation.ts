import type { protos } from '@google-cloud/spanner-api'
import type { Row, Value } from './values.ts'

export type Mutation = protos.google.spanner.v1.IMutation

/** Refused with ALREADY_EXISTS when a row with the same key is there. */
export function insertion(table: string, columns: readonly string[], rows: readonly Row[]): Mutation {
  return { insert: write(table, columns, rows) }
}

/** Replaces the named columns of a row that is there; refused with NOT_FOUND otherwise. */
export function replacement(table: string, columns: readonly string[], rows: readonly Row[]): Mutation {
  return { update: write(table, columns, rows) }
}

/** Replaces the named columns of the row if it is there. */
export function upsertion(table: string, columns: readonly string[], rows: readonly Row[]): Mutation {
  return { insertOrUpdate: write(table, columns, rows) }
}

/** Succeeds whether or not the row is there. */
export function deletion(table: string, key: readonly Value[]): Mutation {
  return { delete: { table, keySet: { keys: [{ values: key as Value[] }] } } }
}

function write(
  table: string,
  columns: readonly string[],
  rows: readonly Row[],
): protos.google.spanner.v1.Mutation.IWrite {
  return { table, columns: columns as string[], values: rows.map((row) => ({ values: row as Value[] })) }
}
