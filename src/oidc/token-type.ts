import { describeValue, refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'

/**
 * Types of signed messages that an issuer makes with the same keys, `iss` and `aud` as its login tokens, and that must
 * never log anyone in: security events (RFC 8417 §2.3) and logout tokens (OIDC Back-Channel Logout 1.0 §2.4).
 */
export const SECURITY_EVENT_TYPES: ReadonlySet<string> = new Set(['logout+jwt', 'secevent+jwt'])

/** Visible ASCII, so that lower-casing cannot fold some other letter into an ASCII one; no real type is longer. */
const MEDIA_TYPE = /^[\x21-\x7e]{1,100}$/

const APPLICATION = 'application/'

/**
 * The form in which `typ` values are compared: lower case, and without the `application/` that a sender may leave out
 * when no other slash follows (RFC 7515 §4.1.9). Undefined for text that is no media type.
 */
export function normalizeTokenType(type: string): string | undefined {
  if (!MEDIA_TYPE.test(type)) return undefined
  const lower = type.toLowerCase()
  const rest = lower.slice(APPLICATION.length)
  return lower.startsWith(APPLICATION) && rest !== '' && !rest.includes('/') ? rest : lower
}

/** Checks the `typ` header (`undefined` when absent) against the allow-list of an issuer entry. */
export function checkTokenType(type: unknown, allowed: readonly string[]): Refusal | undefined {
  if (type === undefined) {
    return allowed.includes('') ? undefined : refuse('token_type_not_allowed', 'the "typ" header is absent')
  }
  const normalized = typeof type === 'string' ? normalizeTokenType(type) : undefined
  const accepted =
    normalized !== undefined &&
    !SECURITY_EVENT_TYPES.has(normalized) &&
    allowed.some((entry) => entry === type || normalizeTokenType(entry) === normalized)
  return accepted ? undefined : refuse('token_type_not_allowed', `the "typ" header is ${describeValue(type)}`)
}
