import { refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'

/** `b64token` of RFC 6750 §2.1: what a bearer token may be made of. */
const B64TOKEN = /^[A-Za-z0-9._~+/-]+=*$/

/**
 * RFC 6749 §10.10 asks that a token be guessed with a chance of 2^-128 at most, which takes 22 characters of base64url.
 * What is shorter is a mistake, perhaps a password, and must not be sent to anybody.
 */
const LENGTH_MIN = 22

/** Whether a text may be sent to an issuer as one of its opaque tokens; the caller bounds its length from above. */
export function checkOpaqueToken(token: string): Refusal | undefined {
  if (token.length < LENGTH_MIN) {
    return refuse('token_malformed', `the token is neither a JWS nor ${LENGTH_MIN} characters long, as opaque ones are`)
  }
  return B64TOKEN.test(token)
    ? undefined
    : refuse('token_malformed', 'the token is neither a JWS nor made of the characters of opaque ones')
}

/**
 * Whether a text is meant to be a signed JWT, however wrong: three parts, of which the first reads as a JSON object. Such a
 * token is never taken for an opaque one, so that no broken spelling of it is sent to an issuer that it does not name.
 */
export function looksSigned(token: string): boolean {
  const [header, ...others] = token.split('.', 4)
  if (header === undefined || others.length !== 2) return false
  try {
    const value: unknown = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'))
    return typeof value === 'object' && value !== null
  } catch {
    return false
  }
}
