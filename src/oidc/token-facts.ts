import type { TokenFacts } from '../core/identity.ts'
import { isSafeText } from './safe-text.ts'
import { readMember } from './strict-json.ts'
import type { JsonObject } from './strict-json.ts'

/** Longer than any principal may be, so that every accepted subject is recorded; short enough for a row. */
const TEXT_BYTES_MAX = 512

/** Real tokens name one to three audiences; the rest of a hostile list is not worth a row. */
const AUDIENCES_MAX = 10

/** 9999-12-31T23:59:59Z, the last second that RFC 3339 and a Spanner TIMESTAMP can write. */
export const NUMERIC_DATE_MAX = 253_402_300_799

/**
 * What an audit row may say about a token, proved or not. A value of a wrong type, too long or with hidden characters is
 * left out, never cut or repaired; `sha256` still names the token.
 */
export function readTokenFacts(header: JsonObject, claims: JsonObject, sha256: string): TokenFacts {
  const facts: { -readonly [Name in keyof TokenFacts]: TokenFacts[Name] } = {}
  const issuer = text(readMember(claims, 'iss'))
  if (issuer !== undefined) facts.issuer = issuer
  const subject = text(readMember(claims, 'sub'))
  if (subject !== undefined) facts.subject = subject
  const id = text(readMember(claims, 'jti')) ?? text(readMember(claims, 'uti'))
  if (id !== undefined) facts.id = id
  const keyId = text(readMember(header, 'kid'))
  if (keyId !== undefined) facts.keyId = keyId
  const algorithm = text(readMember(header, 'alg'))
  if (algorithm !== undefined) facts.algorithm = algorithm
  const audience = texts(readMember(claims, 'aud'))
  if (audience.length > 0) facts.audience = audience
  const issuedAt = date(readMember(claims, 'iat'))
  if (issuedAt !== undefined) facts.issuedAt = issuedAt
  const expiresAt = date(readMember(claims, 'exp'))
  if (expiresAt !== undefined) facts.expiresAt = expiresAt
  facts.sha256 = sha256
  return facts
}

/** Seconds since 1970 as RFC 7519 §2 has them, restricted to whole seconds of the years that can be written. */
export function isNumericDate(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= NUMERIC_DATE_MAX
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && isSafeText(value, TEXT_BYTES_MAX) ? value : undefined
}

function date(value: unknown): number | undefined {
  return isNumericDate(value) ? value : undefined
}

function texts(value: unknown): string[] {
  if (!Array.isArray(value)) {
    const only = text(value)
    return only === undefined ? [] : [only]
  }
  const found: string[] = []
  for (const entry of value as unknown[]) {
    const one = text(entry)
    if (one !== undefined && found.push(one) === AUDIENCES_MAX) break
  }
  return found
}
