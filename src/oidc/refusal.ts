import type { DenyReason } from '../core/reasons.ts'
import { isSafeText } from './safe-text.ts'

/** Why a token is not accepted: a value, never an exception. */
export interface Refusal {
  readonly reason: DenyReason
  /** For operators and the audit row: precise, bounded, printable. */
  readonly detail: string
}

export function refuse(reason: DenyReason, detail: string): Refusal {
  return { reason, detail }
}

/** Long enough for a URL in a message, short enough for a log line. */
const QUOTED_BYTES_MAX = 120

/** Says what a value of the token is: quotes it when it is short and printable, otherwise names its kind and size. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') {
    return isSafeText(value, QUOTED_BYTES_MAX)
      ? JSON.stringify(value)
      : `a long or unprintable string of length ${value.length}`
  }
  if (value === null) return 'null'
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return value === undefined ? 'absent' : 'an object'
}
