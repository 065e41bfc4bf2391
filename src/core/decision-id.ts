/** Random bytes that one id takes. */
export const DECISION_ID_RANDOM_BYTES = 10

/**
 * Formats a UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, then random bits, so that ids sort by time of decision.
 * `random` gives exactly ten bytes; uniqueness rests on them.
 */
export function decisionId(nowMs: number, random: Uint8Array): string {
  const time = Math.trunc(nowMs).toString(16).padStart(12, '0').slice(-12)
  const bytes = Array.from(random.subarray(0, DECISION_ID_RANDOM_BYTES))
  bytes[0] = ((bytes[0] ?? 0) & 0x0f) | 0x70
  bytes[2] = ((bytes[2] ?? 0) & 0x3f) | 0x80
  const rest = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return `${time.slice(0, 8)}-${time.slice(8)}-${rest.slice(0, 4)}-${rest.slice(4, 8)}-${rest.slice(8)}`
}

const DECISION_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** Whether a text is an id as `decisionId` formats it. */
export function isDecisionId(text: string): boolean {
  return DECISION_ID.test(text)
}
