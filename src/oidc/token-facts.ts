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
  return withoutUndefined({
    issuer: text(readMember(claims, 'iss')),
    subject: text(readMember(claims, 'sub')),
    id: text(readMember(claims, 'jti')) ?? text(readMember(claims, 'uti')),
    keyId: text(readMember(header, 'kid')),
    algorithm: text(readMember(header, 'alg')),
    audience: audience(readMember(claims, 'aud')),
    issuedAt: date(readMember(claims, 'iat')),
    expiresAt: date(readMember(claims, 'exp')),
    sha256,
  })
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

function audience(value: unknown): string[] | undefined {
  const values: unknown[] = Array.isArray(value) ? value : [value]
  const texts = values.map(text).filter((entry) => entry !== undefined)
  return texts.length > 0 ? texts.slice(0, AUDIENCES_MAX) : undefined
}

function withoutUndefined(facts: { [Name in keyof TokenFacts]-?: TokenFacts[Name] | undefined }): TokenFacts {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined))
}
