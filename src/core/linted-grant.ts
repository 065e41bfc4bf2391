import type { ValidityWindow } from './grant.ts'
import type { UnsignedTables } from './policy-row.ts'
import { canonicalJson } from './same-row.ts'

/** A row of `Grants` and where it is: a place in a document, or its name. */
export interface LintedGrant {
  readonly at: string
  readonly grant: UnsignedTables['grant']
}

/** Whether `wide` holds for every connection, at any time and in any queue group for which `narrow` does. */
export function alwaysHoldsWith({ grant: wide }: LintedGrant, { grant: narrow }: LintedGrant): boolean {
  const isOfQueue = wide.queue === undefined || wide.queue === narrow.queue
  const isOfConnection =
    wide.condition === undefined || canonicalJson(wide.condition) === canonicalJson(narrow.condition ?? null)
  return isOfQueue && isOfConnection && holdsLonger(wide, narrow)
}

/** Whether there is a time at which both hold. */
export function meets({ grant: one }: LintedGrant, { grant: other }: LintedGrant): boolean {
  const from = Math.max(one.validFromMs ?? -Infinity, other.validFromMs ?? -Infinity)
  return from < Math.min(one.validUntilMs ?? Infinity, other.validUntilMs ?? Infinity)
}

function holdsLonger(wide: ValidityWindow, narrow: ValidityWindow): boolean {
  const startsBefore = (wide.validFromMs ?? -Infinity) <= (narrow.validFromMs ?? -Infinity)
  return startsBefore && (wide.validUntilMs ?? Infinity) >= (narrow.validUntilMs ?? Infinity)
}
