import { hash } from 'node:crypto'
import type { TokenFacts } from '../core/identity.ts'
import { refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { parseJsonIn, readMember } from './strict-json.ts'
import type { JsonObject, JsonResult } from './strict-json.ts'
import { readTokenFacts } from './token-facts.ts'

/** A token as it reads before anything about it is proved. */
export type CompactJws =
  | {
      readonly wellFormed: true
      readonly header: JsonObject
      readonly claims: JsonObject
      readonly facts: TokenFacts
    }
  | { readonly wellFormed: false; readonly refusal: Refusal; readonly facts: TokenFacts }

/**
 * Headers that point at a key inside or beside the token, or that change what is signed. A login token needs none of
 * them, and `b64`, `crit` and embedded keys have each made verifiers accept forgeries (RFC 8725 §3.10).
 */
const REFUSED_HEADERS = ['crit', 'b64', 'jku', 'x5u', 'x5c', 'jwk'] as const

/** Real key ids are thumbprints, UUIDs or short names. */
const KEY_ID_LENGTH_MAX = 256

/**
 * The check before all checks: a strict compact JWS (RFC 7515 §7.1) whose header and payload are JSON objects.
 * Each part must be the one canonical base64url spelling of its bytes: decoders ignore stray characters and trailing bits,
 * which gives one token endless spellings (rfc8725bis "Check JWT Format Type").
 * Nothing is verified here: not the signature, the algorithm, or any claim.
 */
export function parseCompactJws(token: string, maxBytes: number): CompactJws {
  if (token.length > maxBytes) {
    return malformed(refuse('token_oversized', `the token has ${token.length} characters, the limit is ${maxBytes}`))
  }
  const parts = token.split('.', 4)
  const [headerPart, payloadPart, signaturePart] = parts
  if (parts.length !== 3 || !headerPart || !payloadPart || !signaturePart) {
    return malformed(refuse('token_malformed', 'the token is not three non-empty parts separated by dots'))
  }
  const header = readHeader(headerPart)
  const claims = readPart(payloadPart)
  if (header === undefined || claims === undefined || !isCanonicalBase64url(signaturePart)) {
    return malformed(refuse('token_malformed', 'a part of the token is not canonical base64url'))
  }
  const sha256 = hash('sha256', token.slice(0, -signaturePart.length - 1), 'hex')
  if ('fault' in header) return malformed(refuse('token_malformed', `the header ${header.fault}`), { sha256 })
  if ('fault' in claims) return malformed(refuse('token_malformed', `the payload ${claims.fault}`), { sha256 })
  const facts = readTokenFacts(header.object, claims.object, sha256)
  const refusal = checkHeader(header.object)
  if (refusal) return malformed(refusal, facts)
  return { wellFormed: true, header: header.object, claims: claims.object, facts }
}

/**
 * Memory for one part at a time, of a token of the usual limit. A buffer for each part would come from a pool that has
 * to be made anew every few tokens, which costs more than all that is done with it.
 */
const SCRATCH = Buffer.allocUnsafeSlow(12 * 1024)

function scratchFor(text: string): Buffer {
  return text.length * 3 <= SCRATCH.length * 4 ? SCRATCH : Buffer.allocUnsafeSlow(text.length)
}

/** Undefined when the part is not canonical base64url. */
function readPart(part: string): JsonResult | undefined {
  const scratch = scratchFor(part)
  const length = scratch.write(part, 'base64url')
  return scratch.toString('base64url', 0, length) === part ? parseJsonIn(scratch, length) : undefined
}

/** All tokens of one key have one header, so a few are remembered as they read: a fifth of the work on a token. */
const headers = new Map<string, JsonResult>()
const HEADERS_MAX = 64
const REMEMBERED_HEADER_LENGTH_MAX = 512

function readHeader(part: string): JsonResult | undefined {
  const known = headers.get(part)
  if (known !== undefined) return known
  const header = readPart(part)
  if (header === undefined || part.length > REMEMBERED_HEADER_LENGTH_MAX) return header
  // Whoever fills it with headers of his own makes others be read again, which is all that it saved.
  if (headers.size >= HEADERS_MAX) headers.clear()
  headers.set(part, header)
  return header
}

function checkHeader(header: JsonObject): Refusal | undefined {
  const refused = REFUSED_HEADERS.find((name) => Object.hasOwn(header, name))
  if (refused !== undefined) return refuse('token_malformed', `the header holds "${refused}"`)
  const keyId = readMember(header, 'kid')
  if (keyId === undefined || (typeof keyId === 'string' && keyId.length <= KEY_ID_LENGTH_MAX)) return undefined
  return refuse('token_malformed', `the "kid" header is not a string of at most ${KEY_ID_LENGTH_MAX} characters`)
}

/** Undefined unless the text is the canonical spelling: alphabet of RFC 4648 §5, no padding, unused bits zero. */
export function decodeBase64url(text: string): Buffer | undefined {
  return isCanonicalBase64url(text) ? Buffer.from(text, 'base64url') : undefined
}

/** The decoder takes other alphabets, padding and stray characters; what it read is written again in one way only. */
function isCanonicalBase64url(text: string): boolean {
  const scratch = scratchFor(text)
  return text !== '' && scratch.toString('base64url', 0, scratch.write(text, 'base64url')) === text
}

function malformed(refusal: Refusal, facts: TokenFacts = {}): CompactJws {
  return { wellFormed: false, refusal, facts }
}
