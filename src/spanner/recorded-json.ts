import { DECISIONS } from './schema.ts'
import type { DecisionColumn } from './schema.ts'
import { RowShapeError } from './values.ts'

/** What a JSON column of `Decisions` holds. Throws `RowShapeError` for what is no JSON. */
export function parseRecorded(json: string, column: DecisionColumn): unknown {
  try {
    return JSON.parse(json)
  } catch {
    throw misshapen(column)
  }
}

/** The members of an object, all of them texts. Throws `RowShapeError`. */
export function textsOf(value: unknown, column: DecisionColumn): Record<string, string> {
  const members = Object.entries(objectOf(value, column))
  if (!members.every((member): member is [string, string] => typeof member[1] === 'string')) throw misshapen(column)
  return Object.fromEntries(members)
}

/** Throws `RowShapeError` for anything but an object; with `names`, also for one that has other members. */
export function objectOf(
  value: unknown,
  column: DecisionColumn,
  names?: readonly string[],
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw misshapen(column)
  if (names !== undefined && !Object.keys(value).every((name) => names.includes(name))) throw misshapen(column)
  return value as Record<string, unknown>
}

export function misshapen(column: DecisionColumn): RowShapeError {
  return new RowShapeError(`${DECISIONS}.${column} does not hold what the service writes there`)
}
