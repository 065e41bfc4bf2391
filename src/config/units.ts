/**
 * The written forms of quantities in `callout.yaml`. A number without a unit is refused: `30` has been read as seconds
 * and as milliseconds.
 */

export type Parsed<T> = { readonly value: T } | { readonly problem: string }

const MILLISECONDS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const
const BYTES = { B: 1, KiB: 1024, MiB: 1024 * 1024 } as const

/** Nine digits of any unit stay far below 2^53 and above every bound that a setting has. */
const DURATION = /^([0-9]{1,9})(ms|s|m|h)$/
const SIZE = /^([0-9]{1,9})(B|KiB|MiB)$/
const PERCENTAGE = /^([0-9]{1,3})%$/

/** Reads `1500ms`, `30s`, `5m`, `12h` into milliseconds. Whole numbers only. */
export function parseDuration(input: unknown): Parsed<number> {
  const match = typeof input === 'string' ? DURATION.exec(input) : null
  if (match === null) return { problem: 'must be a duration with a unit, such as 1500ms, 30s, 5m or 12h' }
  return { value: Number(match[1]) * MILLISECONDS[match[2] as keyof typeof MILLISECONDS] }
}

/** Reads `64KiB`, `1MiB`, `512B` or a plain whole number of bytes. */
export function parseSize(input: unknown): Parsed<number> {
  if (typeof input === 'number' && Number.isSafeInteger(input) && input >= 0) return { value: input }
  const match = typeof input === 'string' ? SIZE.exec(input) : null
  if (match === null) return { problem: 'must be a size, such as 16384 (bytes), 64KiB or 1MiB' }
  return { value: Number(match[1]) * BYTES[match[2] as keyof typeof BYTES] }
}

/** Reads `10%` into the fraction 0.1. */
export function parsePercentage(input: unknown): Parsed<number> {
  const match = typeof input === 'string' ? PERCENTAGE.exec(input) : null
  if (match === null) return { problem: 'must be a percentage, such as 10%' }
  return { value: Number(match[1]) / 100 }
}

/** Writes milliseconds in the largest unit that keeps them whole. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s'
  for (const unit of ['h', 'm', 's'] as const) {
    if (ms >= MILLISECONDS[unit] && ms % MILLISECONDS[unit] === 0) return `${ms / MILLISECONDS[unit]}${unit}`
  }
  return `${ms}ms`
}
