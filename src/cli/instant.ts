import { parseDuration } from '../config/units.ts'
import type { ValidityWindow } from '../core/grant.ts'
import { usageFailure } from './io.ts'

/** RFC 3339 with its zone: a time without one means something else on every machine. */
const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d{2}:\d{2})$/

/** Reads `2027-01-31T18:00:00Z`, or `+12h` from now, into epoch milliseconds; `option` is named when it is neither. */
export function parseInstant(text: string, option: string, nowMs: number): number {
  if (text.startsWith('+')) {
    const duration = parseDuration(text.slice(1))
    if ('value' in duration) return nowMs + duration.value
  }
  const ms = RFC_3339.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(ms)) return ms
  throw usageFailure(
    `${option} must be a time with its zone, such as 2027-01-31T18:00:00Z, or a duration from now, such as +12h`,
  )
}

/** Reads a time as `parseInstant`, or `-24h` from now. */
export function parsePast(text: string, option: string, nowMs: number): number {
  if (!text.startsWith('-')) return parseInstant(text, option, nowMs)
  return 2 * nowMs - parseInstant(`+${text.slice(1)}`, option, nowMs)
}

/** The same of a time that has been; fails for one that lies in the future. */
export function parsePastInstant(text: string, option: string, nowMs: number): number {
  const ms = parsePast(text, option, nowMs)
  if (ms <= nowMs) return ms
  throw usageFailure(`${option} lies in the future; nobody knows what will be granted then`)
}

/** The window between `--from` and `--until`; open where one is absent. Throws a usage failure for one that would never open. */
export function windowOf(options: { readonly from?: string; readonly until?: string }, nowMs: number): ValidityWindow {
  const from = options.from === undefined ? undefined : parseInstant(options.from, '--from', nowMs)
  const until = options.until === undefined ? undefined : parseInstant(options.until, '--until', nowMs)
  if (until !== undefined && until <= Math.max(nowMs, from ?? nowMs))
    throw usageFailure('--until must be later than now and than --from')
  return {
    ...(from === undefined ? {} : { validFromMs: from }),
    ...(until === undefined ? {} : { validUntilMs: until }),
  }
}

/** RFC 3339 in UTC, without empty milliseconds. */
export function formatInstant(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}

/** The same, of a time that may be absent. */
export function formatOptionalInstant(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : formatInstant(ms)
}
