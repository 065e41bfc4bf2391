import { MIGRATIONS } from '../../src/spanner/migrations.ts'

/**
 * What a statement says of how its rows are found, against the DDL of the migrations. The emulator makes no plans, and scans for
 * SQL: this takes the place of a look at one.
 */

/** Columns of a key in their order, of a table or an index; an index ends in the key of its table. */
export interface Key {
  readonly table: string
  readonly columns: readonly string[]
}

/** Every primary key, by `TABLE`, and every index, by its name. */
export function keysOf(statements: readonly string[]): ReadonlyMap<string, Key> {
  const keys = new Map<string, Key>()
  for (const ddl of statements) {
    const [, table] = /^CREATE TABLE IF NOT EXISTS (\w+)/.exec(ddl) ?? []
    const [, primaryKey] = /\) PRIMARY KEY \(([^)]*)\)/.exec(ddl) ?? []
    if (table !== undefined && primaryKey !== undefined) keys.set(table, { table, columns: columnsOf(primaryKey) })
    const [, index, indexed = '', columns] =
      /^CREATE (?:UNIQUE |NULL_FILTERED )*INDEX IF NOT EXISTS (\w+) ON (\w+) \(([^)]*)\)/.exec(ddl) ?? []
    if (index !== undefined && columns !== undefined) {
      const own = columnsOf(columns)
      const rest = (keys.get(indexed)?.columns ?? []).filter((column) => !own.includes(column))
      keys.set(index, { table: indexed, columns: [...own, ...rest] })
    }
    const [, dropped] = /^DROP (?:INDEX|TABLE) IF EXISTS (\w+)/.exec(ddl) ?? []
    if (dropped !== undefined) keys.delete(dropped)
  }
  return keys
}

function columnsOf(list: string): string[] {
  return list.split(',').map((column) => column.trim().split(' ')[0] ?? '')
}

const DDL = MIGRATIONS.flatMap(({ statements }) => statements)
export const KEYS = keysOf(DDL)

/** What each view selects. */
export const VIEWS: ReadonlyMap<string, string> = new Map(
  DDL.flatMap((ddl) => {
    const [, view, select] = /^CREATE OR REPLACE VIEW (\w+) SQL SECURITY INVOKER AS\s+([^]*)$/.exec(ddl) ?? []
    return view === undefined || select === undefined ? [] : [[view, select]]
  }),
)

/** How a statement finds the rows of one table. */
export interface Seek {
  readonly table: string
  /** The index that it forces, or the table for its primary key. */
  readonly by: string
  readonly fixed: readonly string[]
  /** The column after the fixed ones, where the statement bounds it. */
  readonly ranged?: string
}

const SOURCE = /\b(?:FROM|JOIN(?:@\{[^}]*\})?)\s+(\w+)(?:@\{FORCE_INDEX=(\w+)\})?(?:\s+AS\s+(\w+))?/g

/**
 * For each table that a statement reads, in its order. Throws for one that forces no index, and for one whose leading key columns
 * it neither fixes nor bounds. Understands conditions that are joined by AND, with the column on the left side.
 */
export function seeksOf(sql: string, keys: ReadonlyMap<string, Key> = KEYS): Seek[] {
  const sources = [...sql.matchAll(SOURCE)].filter(([, table = '']) => table !== 'UNNEST' && keys.has(table))
  if (sources.length === 0) throw new Error(`reads no table: ${sql}`)
  const conditions = conditionsOf(sql)
  return sources.map(([, table = '', index, alias]) => {
    if (index === undefined) throw new Error(`${table}: no index is forced: ${sql}`)
    const by = index === '_BASE_TABLE' ? table : index
    const key = keys.get(by)
    if (key?.table !== table) throw new Error(`${table} has no index ${by}`)
    const isOn = (column: string, operators: string): boolean =>
      conditions.some((condition) =>
        new RegExp(`^(?:${alias === undefined ? '' : `${alias}\\.`})${column}\\s*${operators}`).test(condition),
      )
    const fixed = takeWhile(key.columns, (column) => isOn(column, '(?:=|IN\\s*\\()'))
    const next = key.columns[fixed.length]
    const ranged = next !== undefined && isOn(next, '(?:[<>]=?|BETWEEN\\b)') ? next : undefined
    if (fixed.length === 0 && ranged === undefined) throw new Error(`${by}: no part of the key is asked for: ${sql}`)
    return { table, by, fixed, ...(ranged !== undefined && { ranged }) }
  })
}

/** What has to hold of a row, by itself: the conditions of all WHERE and ON, taken apart at AND outside of brackets. */
function conditionsOf(sql: string): string[] {
  const clauses = [
    ...sql.matchAll(/\b(?:WHERE|ON)\b([^]*?)(?=\b(?:WHERE|JOIN|LEFT|GROUP BY|ORDER BY|LIMIT|HAVING|FROM)\b|;|$)/g),
  ]
  return clauses.flatMap(([, clause = '']) => splitAtAnd(clause))
}

function splitAtAnd(clause: string): string[] {
  const parts: string[] = []
  let part = ''
  let depth = 0
  for (const word of clause.split(/(\bAND\b|[()])/)) {
    if (word === '(') depth += 1
    if (word === ')') depth -= 1
    // The bracket that ends a statement within a statement ends its conditions.
    if (depth < 0) break
    if (word === 'AND' && depth === 0) {
      parts.push(part.trim())
      part = ''
    } else part += word
  }
  return [...parts, part.trim()]
}

function takeWhile<T>(items: readonly T[], holds: (item: T) => boolean): T[] {
  const end = items.findIndex((item) => !holds(item))
  return items.slice(0, end === -1 ? items.length : end)
}
