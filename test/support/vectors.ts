import { readFileSync } from 'node:fs'
import path from 'node:path'
import { decodeBase64url, parseCompactJws } from '../../src/oidc/compact-jws.ts'
import { KeySet } from '../../src/oidc/key-set.ts'
import { importWebKeys } from '../../src/oidc/web-key.ts'
import { ManualClock } from './manual-clock.ts'
import { anIssuer } from './oidc.ts'
import { RecordedEvents } from './recorded-events.ts'
import { corpVerifier, reasonOf } from './token-verifier.ts'

export const VECTORS = path.resolve(import.meta.dirname, '../vectors')

export type Jwk = Readonly<Record<string, unknown>>

export interface WycheproofCase {
  readonly tcId: number
  readonly comment: string
  readonly result: 'valid' | 'invalid' | 'acceptable'
  readonly jws?: unknown
  readonly jwe?: unknown
  readonly msg?: string
  readonly sig?: string
}

/** A JWK, or a set of them. */
export type JwkOrSet = Jwk & { readonly keys?: readonly Jwk[] }

export interface WycheproofGroup {
  readonly comment?: string
  readonly private?: JwkOrSet
  readonly public?: JwkOrSet
  readonly publicKeyJwk?: Jwk
  readonly publicKeyDer?: string
  readonly tests: readonly WycheproofCase[]
}

export function readVectors(file: string): unknown {
  return JSON.parse(readFileSync(path.join(VECTORS, file), 'utf8'))
}

export function readWycheproof(name: string): readonly WycheproofGroup[] {
  const file = readVectors(`wycheproof/${name}`) as { numberOfTests: number; testGroups: readonly WycheproofGroup[] }
  const count = file.testGroups.reduce((sum, group) => sum + group.tests.length, 0)
  if (count !== file.numberOfTests) throw new Error(`${name} says ${file.numberOfTests} cases and holds ${count}`)
  return file.testGroups
}

export function keysOf(keyOrSet: JwkOrSet): readonly Jwk[] {
  return keyOrSet.keys ?? [keyOrSet]
}

const TOKEN_BYTES_MAX = 16_384

export const ALL_ALGORITHMS = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ')

/**
 * The way of a signature through the verifier, for messages that hold no claims: the check of the form (with empty claims
 * in place of the payload, whose spelling is checked apart), the import of the keys, the choice of one, and the
 * signature. 'accepted', or the first refusal.
 */
export async function signatureVerdict(
  jwks: readonly Jwk[],
  token: string,
  algorithms: readonly string[] = ALL_ALGORITHMS,
): Promise<string> {
  const [header, payload = '', ...rest] = token.split('.')
  const jws = parseCompactJws([header, payload && 'e30', ...rest].join('.'), TOKEN_BYTES_MAX)
  if (!jws.wellFormed) return jws.refusal.reason
  if (decodeBase64url(payload) === undefined) return 'token_malformed'
  const { alg, kid } = jws.header
  if (typeof alg !== 'string' || !algorithms.includes(alg)) return 'algorithm_not_allowed'
  await using keySet = new KeySet({
    issuerId: 'vectors',
    source: { refresh: anIssuer().refresh, load: async () => importWebKeys({ keys: jwks }, algorithms) },
    clock: new ManualClock(),
    events: new RecordedEvents(),
  })
  const match = await keySet.find(kid as string | undefined, alg, 1000).catch(() => undefined)
  if (match?.kind !== 'found') return match?.kind ?? 'no usable key'
  const dot = token.lastIndexOf('.')
  const [signed, signature] = [Buffer.from(token.slice(0, dot)), Buffer.from(token.slice(dot + 1), 'base64url')]
  return (await match.key.verifies(signed, signature)) ? 'accepted' : 'signature_invalid'
}

/** The whole verifier, whose issuer publishes the keys: what it says about any text at all. */
export async function verifierVerdict(jwks: readonly Jwk[], token: string): Promise<string> {
  await using verifier = corpVerifier(jwks, { algorithms: ALL_ALGORITHMS, tokenTypes: [''] })
  return await reasonOf(verifier, token)
}
