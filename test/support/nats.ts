import { createPublicKey, sign } from 'node:crypto'
import { createAccount, createCurve, createServer, createUser } from '@nats-io/nkeys'
import type { KeyPair } from '@nats-io/nkeys'
import { createSigningKey, createXKey } from '../../src/nats/keys.ts'
import type { SigningKey, XKey } from '../../src/nats/keys.ts'
import { encodeJwt } from '../../src/nats/jwt.ts'
import type { JwtClaims } from '../../src/nats/jwt.ts'
import { decodeSeed, importSeed } from '../../src/nats/nkey.ts'
import { NOW_SECONDS } from './builders.ts'

/** Keys of one kind as the `nk` tool would make them. */
export interface Seeded<Key> {
  readonly seed: string
  readonly pair: KeyPair
  readonly key: Key
}

export function seedOf(pair: KeyPair): string {
  return new TextDecoder().decode(pair.getSeed())
}

export function anIssuer(): Seeded<SigningKey> {
  const pair = createAccount()
  const seed = seedOf(pair)
  return { seed, pair, key: createSigningKey(seed, 'issuer.nk') }
}

export function anXKey(): Seeded<XKey> {
  const pair = createCurve()
  const seed = seedOf(pair)
  return { seed, pair, key: createXKey(seed, 'xkey.nk') }
}

export function aUserNkey(): string {
  return createUser().getPublicKey()
}

/** Signs natively with any kind of nkey, also with those that the service itself never holds. */
export function signerOf(pair: KeyPair, kind: 'account' | 'server' | 'user'): SigningKey {
  const raw = decodeSeed(kind, seedOf(pair))
  if (raw === undefined) throw new TypeError('not a seed of that kind')
  const privateKey = importSeed(raw)
  return { publicKey: pair.getPublicKey(), sign: (data) => sign(null, data, privateKey) }
}

/** A change of request claims: keys given replace, at every depth; `undefined` removes. */
export interface ClaimsChange {
  readonly [name: string]: unknown
}

/** What a nats-server does before it asks: has keys of its own, writes a request, signs and perhaps seals it. */
export interface RequestForge {
  readonly id: string
  readonly xkey: Seeded<XKey>
  claims(change?: ClaimsChange): JwtClaims
  encode(claims: JwtClaims): Buffer
  request(change?: ClaimsChange): Buffer
  /** A request with the server's xkey in it, sealed for `recipient`. */
  sealed(recipient: string, change?: ClaimsChange): Buffer
}

export function aForge(issuerKey: string): RequestForge {
  const key = signerOf(createServer(), 'server')
  const xkey = anXKey()
  const claims = (change: ClaimsChange = {}): JwtClaims => merge(genuineClaims(key.publicKey, issuerKey), change)
  const encode = (value: JwtClaims): Buffer => Buffer.from(encodeJwt(value, key), 'latin1')
  const request = (change: ClaimsChange = {}): Buffer => encode(claims(change))
  return {
    id: key.publicKey,
    xkey,
    claims,
    encode,
    request,
    sealed: (recipient, change = {}) =>
      Buffer.from(
        xkey.key.seal(request(merge({ nats: { server_id: { xkey: xkey.key.publicKey } } }, change)), recipient),
      ),
  }
}

/** As nats-server 2.15.1 wrote them. */
function genuineClaims(server: string, issuerKey: string): JwtClaims {
  return {
    aud: 'nats-authorization-request',
    exp: NOW_SECONDS + 2,
    jti: 'U7UAEANBRBCOTC423IZ4SLBAHHYHID3FFVN7XXY5DLCHHC7Z5XOA',
    iat: NOW_SECONDS,
    iss: server,
    sub: issuerKey,
    nats: {
      server_id: { name: 'n1', host: '127.0.0.1', id: server, version: '2.15.1', cluster: 'east' },
      user_nkey: aUserNkey(),
      client_info: { host: '127.0.0.1', id: 8, user: '[REDACTED]', name: 'José 東京', kind: 'Client', type: 'nats' },
      connect_opts: { auth_token: 'a.b.c', name: 'José 東京', lang: 'nats.js', version: '3.4.0', protocol: 1 },
      type: 'authorization_request',
      version: 2,
    },
  }
}

function merge(base: JwtClaims, change: ClaimsChange): JwtClaims {
  const merged: Record<string, unknown> = { ...base }
  for (const [name, value] of Object.entries(change)) {
    const before = merged[name]
    merged[name] = isPlainObject(before) && isPlainObject(value) ? merge(before, value) : value
  }
  return merged
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A second opinion on public keys: derived by node:crypto alone. */
export function rawPublicKey(seed: string): Buffer {
  const kind = seed.startsWith('SA') ? 'account' : seed.startsWith('SN') ? 'server' : 'user'
  const raw = decodeSeed(kind, seed)
  if (raw === undefined) throw new TypeError('not a seed')
  const jwk = createPublicKey(importSeed(raw)).export({ format: 'jwk' })
  return Buffer.from(jwk.x ?? '', 'base64url')
}
