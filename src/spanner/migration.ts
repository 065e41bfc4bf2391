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
  /** What the emulator lacks: there the migration is recorded as skipped, and nothing is run. */
  readonly needs?: 'database roles'
}

/** Lower-case hex SHA-256 of the statements. */
export function migrationChecksum({ statements }: Pick<Migration, 'statements'>): string {
  return createHash('sha256').update(statements.join(';\n')).digest('hex')
}

/** A table of `INFORMATION_SCHEMA`. */
export type Listing = 'TABLE_CONSTRAINTS' | 'CHANGE_STREAMS' | 'ROLES'

export interface UnrepeatableStep {
  readonly name: string
  readonly adds: boolean
  /** Where to look for it. */
  readonly listing: Listing
}

const ADDITIONS: readonly (readonly [RegExp, Listing])[] = [
  [/^ALTER TABLE \w+ ADD CONSTRAINT (\w+) CHECK /, 'TABLE_CONSTRAINTS'],
  [/^CREATE CHANGE STREAM (\w+) FOR /, 'CHANGE_STREAMS'],
  [/^CREATE ROLE (\w+)$/, 'ROLES'],
]

/**
 * What a statement adds or drops that cannot be added or dropped twice: a named CHECK constraint, a change stream or a database
 * role; undefined for other statements. No migration adds again what an earlier one dropped.
 */
export function unrepeatableStep(statement: string): UnrepeatableStep | undefined {
  for (const [pattern, listing] of ADDITIONS) {
    const name = pattern.exec(statement)?.[1]
    if (name !== undefined) return { name, adds: true, listing }
  }
  const dropped = /^ALTER TABLE \w+ DROP CONSTRAINT (\w+)$/.exec(statement)?.[1]
  return dropped === undefined ? undefined : { name: dropped, adds: false, listing: 'TABLE_CONSTRAINTS' }
}
