import { createHash, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { RequestListener, ServerResponse } from 'node:http'
import type { IssuerOptions } from '../../src/oidc/issuer-options.ts'
import { NOW_SECONDS } from './builders.ts'
import { listenOnLoopback, misbehave, type Misbehaviour } from './hostile-http.ts'

/** A key pair with which a test signs what it wants; nothing is checked or corrected on the way. */
export interface Signer {
  readonly kid: string
  readonly alg: string
  readonly publicJwk: Readonly<Record<string, unknown>>
  readonly privateKey: KeyObject
}

const KEY_MAKERS: Readonly<Record<string, () => { publicKey: KeyObject; privateKey: KeyObject }>> = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  ES512: () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
}

export function createSigner(alg = 'ES256', kid = 'key-1'): Signer {
  const { publicKey, privateKey } = KEY_MAKERS[alg]!()
  return signerOf(publicKey, privateKey, alg, kid)
}

/** An RSA key pair of a size that no issuer should use. */
export function createRsaSigner(modulusLength: number, kid = 'key-1', publicExponent = 65_537): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength, publicExponent })
  return signerOf(publicKey, privateKey, 'RS256', kid)
}

function signerOf(publicKey: KeyObject, privateKey: KeyObject, alg: string, kid: string): Signer {
  return { kid, alg, privateKey, publicJwk: { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } }
}

export const ISSUER = 'https://idp.example/realms/prod'

/** Claims that the rules of `anIssuer()` accept at `NOW_MS`. */
export function someClaims(change: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    iss: ISSUER,
    sub: 'alice',
    aud: 'nats',
    iat: NOW_SECONDS - 60,
    exp: NOW_SECONDS + 3600,
    jti: 'token-1',
    ...change,
  }
}

export function without(claims: Readonly<Record<string, unknown>>, ...names: string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(claims).filter(([name]) => !names.includes(name)))
}

/** Header members replace those of the signer; `undefined` removes one. Strings are taken as JSON text, unread. */
export function signToken(
  signer: Signer,
  claims: unknown = someClaims(),
  header: Readonly<Record<string, unknown>> | string = {},
): string {
  const headerText =
    typeof header === 'string' ? header : JSON.stringify({ alg: signer.alg, kid: signer.kid, typ: 'JWT', ...header })
  const payload =
    claims instanceof Uint8Array ? claims : typeof claims === 'string' ? claims : (JSON.stringify(claims) ?? '')
  const input = `${encode(headerText)}.${encode(payload)}`
  return `${input}.${signBytes(signer, input).toString('base64url')}`
}

export function encode(part: string | Uint8Array): string {
  return Buffer.from(part).toString('base64url')
}

/** The signature that `alg` of the signer asks for, whatever the header of the input says. */
export function signBytes({ alg, privateKey }: Signer, input: string): Buffer {
  const bytes = Buffer.from(input)
  if (alg === 'EdDSA') return sign(null, bytes, privateKey)
  const digest = `sha${alg.slice(2)}`
  if (alg.startsWith('ES')) return sign(digest, bytes, { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return alg.startsWith('PS')
    ? sign(digest, bytes, { key: privateKey, padding: 6, saltLength: Number(alg.slice(2)) / 8 })
    : sign(digest, bytes, privateKey)
}

/** An issuer entry with the defaults of the configuration. */
export function anIssuer(change: Partial<IssuerOptions> = {}): IssuerOptions {
  return {
    id: 'corp',
    issuer: ISSUER,
    keys: { jwksUri: 'http://127.0.0.1:9/jwks' },
    algorithms: ['ES256'],
    tokenTypes: ['JWT', 'at+jwt'],
    profile: 'generic',
    audiences: ['nats'],
    authorizedParties: [],
    match: [],
    clockSkewMs: 30_000,
    maxLifetimeMs: 24 * 3_600_000,
    requireClaims: [],
    senderConstraint: 'if_bound',
    http: { timeoutMs: 1000, maxBytes: 262_144 },
    refresh: {
      intervalMs: 300_000,
      minIntervalMs: 10_000,
      maxStaleMs: 43_200_000,
      backoffMinMs: 1000,
      backoffMaxMs: 60_000,
    },
    identity: {
      subject: { path: ['sub'] },
      clientId: [['client_id'], ['azp']],
      groups: { path: ['groups'], max: 500 },
      kind: 'auto',
      attributes: { tenant: ['tid'] },
    },
    ...change,
  }
}

/** What the server does with a request: answer, status 500, or worse. */
export type KeyServerMode = 'answer' | 'error' | Misbehaviour

/** A real HTTP server with a discovery document at `issuer` and keys at `jwksUri`. */
export interface KeyServer extends AsyncDisposable {
  readonly issuer: string
  readonly jwksUri: string
  /** Paths of the requests so far, in order. */
  readonly requests: readonly string[]
  /** The `authorization` header of each of them. */
  readonly authorizations: readonly (string | undefined)[]
  /** For the keys. */
  mode: KeyServerMode
  /** For the discovery document. */
  metadataMode: KeyServerMode
  /** Of the connections that have ended, headers included. */
  bytesSent: number
  /** What `/jwks` answers; texts are sent as they are. */
  keys: readonly unknown[] | string
  /** Members that replace those of the discovery document. */
  metadata: Readonly<Record<string, unknown>>
}

export async function startKeyServer(keys: KeyServer['keys'], tls?: { key: string; cert: string }): Promise<KeyServer> {
  const requests: string[] = []
  const authorizations: (string | undefined)[] = []
  const listener: RequestListener = (request, response) => {
    const path = request.url ?? ''
    requests.push(path)
    authorizations.push(request.headers.authorization)
    const { socket } = request
    socket.once('close', () => {
      state.bytesSent += socket.bytesWritten
    })
    if (path.endsWith('/.well-known/openid-configuration')) {
      const { issuer, jwksUri, metadata } = state
      answer(response, state.metadataMode, JSON.stringify({ issuer, jwks_uri: jwksUri, ...metadata }))
    } else {
      const body = typeof state.keys === 'string' ? state.keys : JSON.stringify({ keys: state.keys })
      answer(response, path === '/moved' ? 'answer' : state.mode, body)
    }
  }
  const server = await listenOnLoopback(listener, tls)
  const { origin } = server
  const state: KeyServer = {
    issuer: origin,
    jwksUri: `${origin}/jwks`,
    requests,
    authorizations,
    mode: 'answer',
    metadataMode: 'answer',
    bytesSent: 0,
    keys,
    metadata: {},
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
  return state
}

function answer(response: ServerResponse, mode: KeyServerMode, body: string): void {
  switch (mode) {
    case 'answer':
      response.setHeader('content-type', 'application/json')
      response.end(body)
      return
    case 'error':
      response.writeHead(500).end('broken')
      return
    case 'hang':
    case 'drip':
    case 'huge':
    case 'empty':
    case 'page':
    case 'redirect':
    case 'truncated':
    case 'upgrade':
      misbehave(response, mode, body, '{"keys":[]}')
  }
}

/** Polls until the condition holds; fails after five seconds. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const giveUpMs = performance.now() + 5000
  while (!condition()) {
    if (performance.now() > giveUpMs) throw new Error(`did not happen within 5 s: ${what}`)
    await new Promise((resolve) => {
      setTimeout(resolve, 2)
    })
  }
}

/**
 * An RSA signature that anybody can make for a public key with e = 1: the padded digest itself (RFC 8017 §9.2).
 * `jwk` is the public key under which it verifies.
 */
export function forgeWithExponentOne(claims: unknown = someClaims()): { token: string; jwk: Record<string, unknown> } {
  const honest = createRsaSigner(2048)
  const input = `${encode(JSON.stringify({ alg: 'RS256', kid: 'key-1', typ: 'JWT' }))}.${encode(JSON.stringify(claims))}`
  const digestInfo = Buffer.concat([
    Buffer.from('3031300d060960864801650304020105000420', 'hex'),
    createHash('sha256').update(input).digest(),
  ])
  const padding = Buffer.alloc(256 - 3 - digestInfo.length, 0xff)
  const signature = Buffer.concat([Buffer.from([0, 1]), padding, Buffer.from([0]), digestInfo])
  return { token: `${input}.${signature.toString('base64url')}`, jwk: { ...honest.publicJwk, e: 'AQ' } }
}

/** The private key of a signer as an issuer would publish it by mistake. */
export function privateJwk({ privateKey, kid, alg }: Signer): Record<string, unknown> {
  return { ...privateKey.export({ format: 'jwk' }), kid, alg }
}

export function publicPem({ privateKey }: Signer): string {
  return createPublicKey(privateKey).export({ format: 'pem', type: 'spki' }).toString()
}

/** A fresh certificate for 127.0.0.1 and localhost that vouches for itself (X.509 v3, RFC 5280), valid until 2049. */
export function selfSignedCertificate(): { key: string; cert: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ecdsaWithSha256 = der(0x30, Buffer.from('06082a8648ce3d040302', 'hex'))
  const commonName = der(0x30, Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from('key server')))
  const name = der(0x30, der(0x31, commonName))
  const validity = der(0x30, der(0x17, Buffer.from('200101000000Z')), der(0x17, Buffer.from('491231235959Z')))
  const names = [der(0x87, Buffer.from([127, 0, 0, 1])), der(0x82, Buffer.from('localhost'))]
  const loopback = der(0x04, der(0x30, ...names))
  const alternativeName = der(0x30, Buffer.from('0603551d11', 'hex'), loopback)
  const body = der(
    0x30,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    name,
    validity,
    name,
    publicKey.export({ format: 'der', type: 'spki' }),
    der(0xa3, der(0x30, alternativeName)),
  )
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)])
  const lines =
    der(0x30, body, ecdsaWithSha256, der(0x03, signature))
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return {
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    cert: ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n'),
  }
}

/** Tag, length in the shortest form (DER) and content of one element (ITU-T X.690 §8.1, §10.1). */
function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content)
  const { length } = body
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), body])
}
