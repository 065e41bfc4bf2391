import { createPublicKey } from 'node:crypto'
import { decodeBase64url } from './compact-jws.ts'
import { isRocaModulus } from './roca.ts'
import { algorithmFitsKey, createVerificationKey, isSameAlgorithm } from './signature-algorithm.ts'
import type { VerificationKey } from './signature-algorithm.ts'
import { isJsonObject, readMember } from './strict-json.ts'
import type { JsonObject } from './strict-json.ts'

/** One public key of an issuer. */
export interface WebKey {
  readonly keyId: string | undefined
  /** Names of the one algorithm that it verifies; empty when it was refused, or is for none that the entry allows. */
  readonly algorithms: readonly string[]
  readonly key?: VerificationKey
  /** Why no signature of this key can be trusted. */
  readonly refused?: string
}

/** More keys than any issuer publishes; each one costs an import at every refresh. */
const KEYS_MAX = 100

const KEY_ID_LENGTH_MAX = 256

/** Below, factoring is within reach (RFC 7518 §3.3); above, one verification takes long enough to be a weapon. */
const RSA_BITS_MIN = 2048
const RSA_BITS_MAX = 8192

/** One more than the bits need: some issuers write a leading zero. Bounds the arithmetic on what is hostile. */
const RSA_MODULUS_BYTES_MAX = RSA_BITS_MAX / 8 + 1

/** 65537. With e = 1 anybody can sign; other exponents are in no real key set. */
const RSA_EXPONENT = 'AQAB'

/** The size of a coordinate (RFC 7518 §6.2.1.2, RFC 8037 §2), by `crv`; the key has both or, in a twisted Edwards curve, one. */
const CURVES: ReadonlyMap<unknown, { readonly coordinates: readonly string[]; readonly bytes: number }> = new Map([
  ['P-256', { coordinates: ['x', 'y'], bytes: 32 }],
  ['P-384', { coordinates: ['x', 'y'], bytes: 48 }],
  ['P-521', { coordinates: ['x', 'y'], bytes: 66 }],
  ['Ed25519', { coordinates: ['x'], bytes: 32 }],
])

/** What Microsoft Entra writes into the `issuer` of a key that signs for every tenant. */
const ANY_TENANT = '{tenantid}'

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'] as const

/** `jwt-svid` is what SPIFFE bundles write for signature keys (JWT-SVID §6.1). */
const SIGNATURE_USES: ReadonlySet<unknown> = new Set([undefined, 'sig', 'jwt-svid'])

/**
 * Reads a JWK set (RFC 7517 §5). Entries that are no signature keys are passed over, as the RFC asks; a signature key
 * that is unsafe or broken is kept as refused, so that a token signed with it is answered precisely.
 * A key verifies one algorithm (RFC 8725 §3.1): the one in its `alg`, or without `alg` the only one that the issuer entry
 * allows and that fits its type and curve; when several do, it is refused rather than guessed.
 * With an `issuer`, a key that names another one is refused (Microsoft Entra publishes keys of single tenants among those
 * of all): only keys without a name, with the placeholder for any tenant, or with that very name are used.
 * Throws when the set as a whole is of no use: wrong shape, too many keys, no usable key.
 * `x5c` and `x5t` are not looked at: the key is trusted because of where it was fetched.
 */
export function importWebKeys(document: JsonObject, algorithms: readonly string[], issuer?: string): readonly WebKey[] {
  const entries = readMember(document, 'keys')
  if (!Array.isArray(entries)) throw new Error('the key set has no "keys" array')
  if (entries.length > KEYS_MAX) throw new Error(`the key set holds ${entries.length} keys, the limit is ${KEYS_MAX}`)
  const keys: WebKey[] = []
  for (const entry of entries as unknown[]) {
    if (!isJsonObject(entry) || !isSignatureKey(entry)) continue
    keys.push(importWebKey(entry, algorithms, issuer))
  }
  if (keys.some((key) => key.key !== undefined)) return keys
  const why = keys.find((key) => key.refused !== undefined)?.refused
  throw new Error(`the key set holds no usable signature key${why === undefined ? '' : `: ${why}`}`)
}

function isSignatureKey(entry: JsonObject): boolean {
  const operations = readMember(entry, 'key_ops')
  return (
    ['RSA', 'EC', 'OKP', 'oct'].includes(String(readMember(entry, 'kty'))) &&
    SIGNATURE_USES.has(readMember(entry, 'use')) &&
    (operations === undefined || (Array.isArray(operations) && operations.includes('verify')))
  )
}

function importWebKey(entry: JsonObject, allowed: readonly string[], issuer?: string): WebKey {
  const id = readMember(entry, 'kid')
  const keyId = typeof id === 'string' ? id : undefined
  const algorithms = algorithmsOf(entry, allowed)
  const [algorithm] = algorithms
  const refused = findFlaw(entry) ?? findOtherIssuer(entry, issuer) ?? findAmbiguity(algorithms)
  if (refused !== undefined) return { keyId, algorithms: [], refused }
  if (algorithm === undefined) return { keyId, algorithms }
  try {
    return { keyId, algorithms, key: importPublicKey(entry, algorithm) }
  } catch {
    // OpenSSL answers a bad point or encoding with an error that says nothing more.
    return { keyId, algorithms: [], refused: 'the key material does not decode to a valid public key' }
  }
}

function algorithmsOf(entry: JsonObject, allowed: readonly string[]): readonly string[] {
  const kty = readMember(entry, 'kty')
  const crv = readMember(entry, 'crv')
  const declared = readMember(entry, 'alg')
  return allowed.filter(
    (name) => algorithmFitsKey(name, kty, crv) && (declared === undefined || isSameAlgorithm(declared, name)),
  )
}

function findOtherIssuer(entry: JsonObject, issuer: string | undefined): string | undefined {
  const named = readMember(entry, 'issuer')
  const isOurs = named === undefined || named === issuer || (typeof named === 'string' && named.includes(ANY_TENANT))
  return issuer === undefined || isOurs ? undefined : 'the key is for another issuer'
}

function findAmbiguity(algorithms: readonly string[]): string | undefined {
  const [first, ...others] = algorithms
  if (others.every((other) => isSameAlgorithm(first, other))) return undefined
  return `the key names no "alg" and fits several that are allowed (${algorithms.join(', ')}): allow one of them`
}

function findFlaw(entry: JsonObject): string | undefined {
  const id = readMember(entry, 'kid')
  if (id !== undefined && (typeof id !== 'string' || id.length > KEY_ID_LENGTH_MAX))
    return 'the key id is no short text'
  if (readMember(entry, 'kty') === 'oct') return 'the key is symmetric'
  if (PRIVATE_MEMBERS.some((name) => Object.hasOwn(entry, name))) return 'the issuer published the private key'
  return readMember(entry, 'kty') === 'RSA' ? findRsaFlaw(entry) : findPointFlaw(entry)
}

/** OpenSSL reads other alphabets, padding and leading zeros; that the point is on its curve it checks itself. */
function findPointFlaw(entry: JsonObject): string | undefined {
  const curve = CURVES.get(readMember(entry, 'crv'))
  const isWritten = curve?.coordinates.every((name) => {
    const encoded = readMember(entry, name)
    return typeof encoded === 'string' && decodeBase64url(encoded)?.length === curve.bytes
  })
  return isWritten === false ? 'a coordinate of the key is not base64url of the size of its curve' : undefined
}

function findRsaFlaw(entry: JsonObject): string | undefined {
  if (readMember(entry, 'e') !== RSA_EXPONENT) return 'the RSA exponent is not 65537'
  const encoded = readMember(entry, 'n')
  const modulus = typeof encoded === 'string' ? decodeBase64url(encoded) : undefined
  if (modulus === undefined) return 'the RSA modulus is not base64url'
  if (modulus.length > RSA_MODULUS_BYTES_MAX) return `the RSA modulus has ${modulus.length} bytes`
  const number = BigInt(`0x${modulus.toString('hex')}`)
  const bits = number.toString(2).length
  if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX) return `the RSA modulus has ${bits} bits`
  return isRocaModulus(number) ? 'the RSA modulus can be factored (ROCA, CVE-2017-15361)' : undefined
}

/** Copies only what makes the key, so that `key_ops`, `ext` and unknown members cannot change how it is imported. */
function importPublicKey(entry: JsonObject, algorithm: string): VerificationKey {
  const material: Record<string, unknown> = {}
  for (const name of ['kty', 'n', 'e', 'crv', 'x', 'y']) {
    const value = readMember(entry, name)
    if (value !== undefined) material[name] = value
  }
  return createVerificationKey(algorithm, createPublicKey({ key: material, format: 'jwk' }))
}
