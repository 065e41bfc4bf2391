import { verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { SigningKey } from './keys.ts'

/**
 * The JWTs of NATS: `header.claims.signature`, Ed25519 by an nkey over `header.claims` (nats-io/jwt `v2/claims.go`,
 * `v2/header.go`). Strict where a second spelling of the same claims would otherwise exist, and UTF-8 throughout.
 */
export type JwtClaims = Readonly<Record<string, unknown>>

export interface ParsedJwt {
  readonly claims: JwtClaims
  /** What the signature covers. */
  readonly signed: Buffer
  readonly signature: Buffer
}

const HEADER_TYPE = 'JWT'
const HEADER_ALGORITHM = 'ed25519-nkey'
const ENCODED_HEADER = Buffer.from(JSON.stringify({ typ: HEADER_TYPE, alg: HEADER_ALGORITHM })).toString('base64url')
const SIGNATURE_BYTES = 64

/** nats-server takes no larger token (`jwt/v2/decoder.go` MaxTokenSize). */
export const JWT_BYTES_MAX = 1024 * 1024

/** `ignoreBOM` keeps a byte order mark in the text, where JSON refuses it, instead of dropping it. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Takes a JWT apart without verifying the signature. Undefined unless it is three segments of canonical base64url (no
 * padding, no white space, no spare bits), a header of exactly `typ` `JWT` and `alg` `ed25519-nkey`, a JSON object in
 * valid UTF-8 and a signature of 64 bytes.
 */
export function parseJwt(bytes: Uint8Array): ParsedJwt | undefined {
  if (bytes.length > JWT_BYTES_MAX) return undefined
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  const [header, claims, signature, ...more] = text.split('.', 4)
  if (header === undefined || claims === undefined || signature === undefined || more.length > 0) return undefined
  if (!isHeader(decodeObject(header))) return undefined
  const claimsObject = decodeObject(claims)
  const signatureBytes = decodeBase64Url(signature)
  if (claimsObject === undefined || signatureBytes?.length !== SIGNATURE_BYTES) return undefined
  const signed = Buffer.from(text.slice(0, header.length + 1 + claims.length), 'latin1')
  return { claims: claimsObject, signed, signature: signatureBytes }
}

/**
 * Whether `key` signed it. Which key may sign what, times, audience and subject are not checked. On the calling thread, as
 * signatures are made: to wake another one for each and to be woken by it costs more than it takes off this one
 * (`npm run bench`).
 */
export function isSignedBy(key: KeyObject, { signed, signature }: ParsedJwt): boolean {
  return verify(null, signed, key, signature)
}

/**
 * Signs the claims; `iss` is the public key of the signer whatever the claims say. Rejects with `RangeError` above
 * `JWT_BYTES_MAX`.
 */
export async function encodeJwt(claims: JwtClaims, key: SigningKey): Promise<string> {
  const encodedClaims = Buffer.from(JSON.stringify({ ...claims, iss: key.publicKey })).toString('base64url')
  const signed = `${ENCODED_HEADER}.${encodedClaims}`
  const signature = await key.sign(Buffer.from(signed, 'latin1'))
  const text = `${signed}.${signature.toString('base64url')}`
  if (text.length > JWT_BYTES_MAX) throw new RangeError(`a JWT of ${text.length} bytes is more than nats-server takes`)
  return text
}

function isHeader(header: JwtClaims | undefined): boolean {
  return header?.['typ'] === HEADER_TYPE && header['alg'] === HEADER_ALGORITHM && Object.keys(header).length === 2
}

function decodeObject(segment: string): JwtClaims | undefined {
  const bytes = decodeBase64Url(segment)
  if (bytes === undefined) return undefined
  try {
    const value: unknown = JSON.parse(utf8.decode(bytes))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JwtClaims) : undefined
  } catch {
    // Not UTF-8 or not JSON: hostile input, nothing to report about it.
    return undefined
  }
}

/** Buffer skips what it does not know, so only text that comes back the same was base64url. */
function decodeBase64Url(segment: string): Buffer | undefined {
  const bytes = Buffer.from(segment, 'base64url')
  return bytes.toString('base64url') === segment ? bytes : undefined
}
