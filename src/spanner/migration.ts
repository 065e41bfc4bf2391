import { createHash } from 'node:crypto'

/**
 * One numbered step of the schema. Statements are such that they can be run again (`IF NOT EXISTS`), or add or drop
 * something named, which is left out when that is done: a runner may be killed after Spanner took them and before it could say so.
 * A released migration never changes.
 */
export interface Migration {
  /** 1, 2, 3, … without a gap. */
  readonly version: number
  readonly name: string
  readonly statements: readonly string[]
}

/** Lower-case hex SHA-256 of the statements. */
export function migrationChecksum({ statements }: Migration): string {
  return createHash('sha256').update(statements.join(';\n')).digest('hex')
}

/**
 * What a statement adds or drops that cannot be added or dropped twice: a named CHECK constraint or a change stream; undefined for
 * other statements. No migration adds again what an earlier one dropped.
 */
export function unrepeatableStep(statement: string): { readonly name: string; readonly adds: boolean } | undefined {
  const added = /^(?:ALTER TABLE \w+ ADD CONSTRAINT (\w+) CHECK |CREATE CHANGE STREAM (\w+) FOR )/.exec(statement)
  const name = added?.[1] ?? added?.[2]
  if (name !== undefined) return { name, adds: true }
  const dropped = /^ALTER TABLE \w+ DROP CONSTRAINT (\w+)$/.exec(statement)?.[1]
  return dropped === undefined ? undefined : { name: dropped, adds: false }
}
