import { writtenLockTarget } from '../core/locks.ts'
import { assertNever } from '../core/errors.ts'
import type { PolicyLabels, PolicyOrigin, UnsignedRow, UnsignedTables } from '../core/policy-row.ts'
import { canonicalJson, unsigned } from '../core/same-row.ts'
import { formatInstant } from './instant.ts'

/** What a list for programs says last of a row: where it belongs, and who wrote it and why. */
export interface WrittenOrigin {
  readonly name: string | undefined
  readonly scope: string | undefined
  readonly owner: string | undefined
  readonly ticket: string | undefined
  readonly labels: readonly string[] | undefined
  readonly reason: string
  readonly createdBy: string
  readonly createdAt: string | undefined
}

export function writtenOrigin(row: PolicyLabels & PolicyOrigin): WrittenOrigin {
  const { name, scope, owner, ticket, labels, reason, createdBy, createdAt } = row
  return { name, scope, owner, ticket, labels, reason, createdBy, createdAt }
}

/** A row in one line for people: what it is about, without labels. */
export function writtenRow(row: UnsignedRow): string {
  switch (row.kind) {
    case 'grant': {
      const { principal, account, effect, action, subject, queue } = row.row
      return `grant ${principal} ${account} ${effect} ${action} ${subject}${queue === undefined ? '' : ` queue ${queue}`}`
    }
    case 'role':
      return row.row.role
    case 'binding':
      return `binding ${row.row.member} ${row.row.role}`
    case 'lock':
      return `lock ${writtenLockTarget(row.row)}`
    default:
      return assertNever(row)
  }
}

/** Fields whose values differ, as texts; empty where there is none. */
export function differences(
  before: UnsignedRow,
  after: UnsignedRow,
): { field: string; before: string; after: string }[] {
  const [was, is] = [fieldsOf(before), fieldsOf(after)]
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])]
  return names
    .map((field) => ({ field, before: was[field] ?? '', after: is[field] ?? '' }))
    .filter((field) => field.before !== field.after)
}

/** The row in the form for programs: times are RFC 3339. */
export function programRow(row: UnsignedRow): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row.row).map(([name, value]) =>
      isTime(name) && typeof value === 'number' ? [name.slice(0, -'Ms'.length), formatInstant(value)] : [name, value],
    ),
  )
}

function fieldsOf(row: UnsignedRow): Record<string, string> {
  const fields = programRow(unsigned(row))
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? value : canonicalJson(value)]),
  )
}

const TIMES: readonly (keyof UnsignedTables['grant'] | keyof UnsignedTables['lock'])[] = [
  'validFromMs',
  'validUntilMs',
  'expiresAtMs',
]

function isTime(name: string): boolean {
  return TIMES.some((time) => time === name)
}
