import { createHash } from 'node:crypto'

/**
 * One numbered step of the schema. Statements are such that they can be run again (`IF NOT EXISTS`), or add a named
 * constraint, which is left out when it exists: a runner may be killed after Spanner took them and before it could say so.
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

/** The name of the constraint that a statement adds to an existing table; undefined for other statements. */
export function addedConstraint(statement: string): string | undefined {
  return /^ALTER TABLE \w+ ADD CONSTRAINT (\w+) CHECK /.exec(statement)?.[1]
}
