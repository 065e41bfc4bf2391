import type { protos } from '@google-cloud/spanner-api'
import { isNull, NULL } from './values.ts'
import type { Row, Value } from './values.ts'

export type Mutation = protos.google.spanner.v1.IMutation

/** Refused with ALREADY_EXISTS when a row with the same key is there. */
export function insertion(table: string, columns: readonly string[], rows: readonly Row[]): Mutation {
  return { insert: write(table, columns, rows) }
}

/**
 * Inserts what `insertion` does, but does not mention the cells that are NULL: a mutation for each set of columns that rows fill.
 * To the emulator a cell costs the same whatever is in it. Not for columns with a DEFAULT, which would come to hold that.
 */
export function sparseInsertions(table: string, columns: readonly string[], rows: readonly Row[]): readonly Mutation[] {
  const groups = new Map<string, { readonly columns: readonly string[]; readonly rows: Row[] }>()
  for (const row of rows) {
    const filled = columns.filter((_, place) => !isNull(row[place] ?? NULL))
    const name = filled.join()
    const group = groups.get(name) ?? { columns: filled, rows: [] }
    group.rows.push(row.filter((cell) => !isNull(cell)))
    groups.set(name, group)
  }
  return Array.from(groups.values(), (group) => insertion(table, group.columns, group.rows))
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
