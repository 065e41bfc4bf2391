import { RowShapeError } from './values.ts'

const RFC3339_UTC = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/
const NANOS_PER_SECOND = 1_000_000_000n
const NANOS_PER_MS = 1_000_000n

/** Nanoseconds since the epoch: what a commit timestamp is compared by, since its text leaves out zeros at the end. */
export type Nanoseconds = bigint

/** Of an RFC 3339 timestamp in UTC, as Spanner writes them. Throws `RowShapeError`. */
export function parseNanoseconds(text: string): Nanoseconds {
  const match = RFC3339_UTC.exec(text)
  const wholeMs = match === null ? Number.NaN : Date.parse(`${match[1]}Z`)
  if (match === null || Number.isNaN(wholeMs)) throw new RowShapeError('a text is not a timestamp')
  return BigInt(wholeMs) * NANOS_PER_MS + BigInt((match[2] ?? '').padEnd(9, '0'))
}

export function formatNanoseconds(time: Nanoseconds): string {
  const nanos = ((time % NANOS_PER_SECOND) + NANOS_PER_SECOND) % NANOS_PER_SECOND
  const seconds = (time - nanos) / NANOS_PER_SECOND
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19)
  return `${whole}.${String(nanos).padStart(9, '0')}Z`
}

export function nanosecondsOf(epochMs: number): Nanoseconds {
  return BigInt(Math.floor(epochMs)) * NANOS_PER_MS
}
