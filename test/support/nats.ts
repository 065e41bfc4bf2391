import { createPublicKey, randomUUID, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { createAccount, createCurve, createServer, createUser } from '@nats-io/nkeys'
import type { KeyPair } from '@nats-io/nkeys'
import { connect } from '@nats-io/transport-node'
import type { NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node'
import type { Allow } from '../../src/core/decision.ts'
import type { Permissions } from '../../src/core/permissions.ts'
import type { AuthorizationRequest } from '../../src/core/request.ts'
import { createRequestDecoder } from '../../src/nats/authorization-request.ts'
import { createResponseEncoder, createUserJwtIssuer } from '../../src/nats/authorization-response.ts'
import { serverConfigurationSigners, type Signers } from '../../src/nats/signers.ts'
import type { Delivery } from '../../src/service/events.ts'
import type { Answer, Respond } from '../../src/service/ports.ts'
import { CalloutEndpoint } from '../../src/nats/callout-endpoint.ts'
import { NatsLink } from '../../src/nats/connection.ts'
import type { NatsCredentials } from '../../src/nats/connection.ts'
import { createSigningKey, createXKey } from '../../src/nats/keys.ts'
import type { SigningKey, XKey } from '../../src/nats/keys.ts'
import type { DenialOptions } from '../../src/nats/responder.ts'
import type { JwtClaims } from '../../src/nats/jwt.ts'
import { decodeSeed, importSeed } from '../../src/nats/nkey.ts'
import { systemClock } from '../../src/service/clock.ts'
import { NOW_SECONDS } from './builders.ts'
import { RecordedEvents } from './recorded-events.ts'

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
export function signerOf(pair: KeyPair): SigningKey {
  const privateKey = privateKeyOf(pair)
  return { publicKey: pair.getPublicKey(), sign: (data) => Promise.resolve(sign(null, data, privateKey)) }
}

/** Signs at once. */
export function signNow(data: string, pair: KeyPair): Buffer {
  return sign(null, Buffer.from(data, 'latin1'), privateKeyOf(pair))
}

/** A JWT of these claims, written down without our codec; `iss` is the signer. */
export function forgeJwt(claims: JwtClaims, pair: KeyPair): string {
  const segment = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${segment({ typ: 'JWT', alg: 'ed25519-nkey' })}.${segment({ ...claims, iss: pair.getPublicKey() })}`
  return `${signed}.${signNow(signed, pair).toString('base64url')}`
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
  const pair = createServer()
  const id = pair.getPublicKey()
  const xkey = anXKey()
  const claims = (change: ClaimsChange = {}): JwtClaims => merge(genuineClaims(id, issuerKey), change)
  const encode = (value: JwtClaims): Buffer => Buffer.from(forgeJwt(value, pair), 'latin1')
  const request = (change: ClaimsChange = {}): Buffer => encode(claims(change))
  return {
    id,
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
  const jwk = createPublicKey(importAnySeed(seed)).export({ format: 'jwk' })
  return Buffer.from(jwk.x ?? '', 'base64url')
}

function privateKeyOf(pair: KeyPair): KeyObject {
  return importAnySeed(seedOf(pair))
}

function importAnySeed(seed: string): KeyObject {
  const kind = seed.startsWith('SA') ? 'account' : seed.startsWith('SN') ? 'server' : 'user'
  const raw = decodeSeed(kind, seed)
  if (raw === undefined) throw new TypeError('not a seed')
  return importSeed(raw)
}

/** What a test lets the service say to a request. */
export interface Script {
  readonly permissions?: Permissions
  readonly account?: string
  readonly userName?: string
}

export interface CalloutServerOptions {
  readonly issuer: string
  readonly xkey?: string
  /** Seconds that nats-server waits for the answer. */
  readonly timeoutSeconds?: number
  /** In place of the user `auth` with the permissions that the documentation recommends. */
  readonly authUser?: string
  /** The name of that user as `auth_users` has to list it. */
  readonly authUserName?: string
}

/** The service's own user: it may ask for requests in its queue group, answer them and hear their fate, beat, and be asked. */
const AUTH_USER = `{ user: auth, password: pw, permissions: {
  subscribe: ["$SYS.REQ.USER.AUTH callout", "$SYS.ACCOUNT.CLIENT.AUTH.ERR", "callout.heartbeat.*", "$SRV.>"]
  publish: { allow: ["callout.heartbeat.*"] }, allow_responses: { max: 1, expires: "5s" } } }`

/**
 * A configuration with the accounts AUTH, APP and OPS. nats-server lets nobody in AUTH publish on the callout subject;
 * OUTSIDE gets there all the same, by the import that leaf nodes need: what its user `intruder` publishes on `garbage`
 * arrives as a request.
 */
export function calloutConfig(options: CalloutServerOptions): string {
  return `
    accounts {
      AUTH {
        users: [ ${options.authUser ?? AUTH_USER} ]
        exports: [ { service: "$SYS.REQ.USER.AUTH" }, { service: "$SRV.>", response: stream, accounts: [SYS] } ]
      }
      OUTSIDE {
        users: [ { user: intruder, password: pw } ]
        imports: [ { service: { account: AUTH, subject: "$SYS.REQ.USER.AUTH" }, to: garbage } ]
      }
      APP {}
      OPS {}
      SYS {
        users: [ { user: sys, password: pw } ]
        imports: [ { service: { account: AUTH, subject: "$SRV.>" } } ]
      }
    }
    system_account: SYS
    max_control_line: 32KB
    authorization {
      timeout: ${options.timeoutSeconds ?? 2}
      auth_callout {
        issuer: ${options.issuer}
        account: AUTH
        auth_users: [ ${options.authUserName ?? 'auth'}, intruder, sys ]
        ${options.xkey === undefined ? '' : `xkey: ${options.xkey}`}
      }
    }`
}

/** A request counts as in flight until the script has ended and all that it said is told. */
export type ScriptedHandler = (request: AuthorizationRequest, say: Say, allow: Allowing) => void | Promise<void>
export type Say = (answer: Parameters<Respond>[0] | Promise<Answer>) => Promise<Delivery>
/** Signs a user JWT for the request. */
export type Allowing = (script?: Script) => Promise<Answer>

export interface ServiceOptions {
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string }
  readonly url: string
  /** Server-configuration mode, unless `signers` are given. */
  readonly issuer?: SigningKey
  readonly signers?: Signers
  readonly xkeys?: readonly XKey[]
  readonly handler: ScriptedHandler
  readonly answerWithinMs?: number
  readonly arrivalMs?: () => number
  readonly inFlightMax?: number
  readonly denials?: DenialOptions
  readonly credentials?: NatsCredentials
}

/** Link, decoder, endpoint and encoder as the service composes them, with a script in place of decisions. */
export interface RunningService extends AsyncDisposable {
  readonly link: NatsLink
  readonly connection: NatsConnection
  readonly endpoint: CalloutEndpoint
  readonly events: RecordedEvents
  /** Genuine requests, in order of arrival. */
  readonly requests: AuthorizationRequest[]
}

export async function startService(options: ServiceOptions): Promise<RunningService> {
  const events = new RecordedEvents()
  const requests: AuthorizationRequest[] = []
  const credentials = options.credentials ?? { kind: 'password', user: 'auth', password: 'pw' }
  const link = new NatsLink({
    servers: [options.url],
    credentials,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    name: 'callout',
    clock: systemClock,
    events,
  })
  const connection = await link.open()
  const signers = options.signers ?? serverConfigurationSigners(options.issuer === undefined ? [] : [options.issuer])
  const userJwts = createUserJwtIssuer(signers)
  const endpoint = new CalloutEndpoint({
    connection,
    isConnected: () => link.connected,
    queue: 'callout',
    decode: createRequestDecoder({
      signers,
      xkeys: options.xkeys ?? [],
      clock: systemClock,
    }),
    encode: createResponseEncoder(signers, systemClock),
    denials: options.denials ?? { mode: 'reply' },
    inFlightMax: options.inFlightMax ?? 1024,
    handler: {
      async shed(_request, _arrival, respond) {
        await respond({ unavailable: 'overloaded' })
      },
      async handle(request, _arrival, respond) {
        requests.push(request)
        const said: Promise<Delivery>[] = []
        const say: Say = (answer) => {
          const delivery = Promise.resolve(answer).then(respond)
          said.push(delivery)
          return delivery
        }
        const allow: Allowing = async (script = {}) => ({
          allow: await userJwts.issue(anAllow(script), request, script.userName ?? 'corp:alice'),
        })
        await options.handler(request, say, allow)
        await Promise.all(said)
      },
    },
    answerWithinMs: options.answerWithinMs ?? 10_000,
    arrivalMs: options.arrivalMs ?? (() => systemClock.monotonicMs()),
    clock: systemClock,
    events,
  })
  await connection.flush()
  return {
    link,
    connection,
    endpoint,
    events,
    requests,
    async [Symbol.asyncDispose]() {
      await endpoint.drain(100)
      await link.close()
    },
  }
}

function anAllow({ permissions, account = 'APP' }: Script): Allow {
  const everything = { allow: ['>'], deny: [] }
  return {
    outcome: 'allow',
    id: randomUUID(),
    decidedAtMs: Date.now(),
    skippedGrants: [],
    account,
    permissions: permissions ?? { publish: everything, subscribe: everything },
    expiresAt: Math.floor(Date.now() / 1000) + 3600,
    grantIds: [],
  }
}

/** Connects as a client would; one attempt. */
export function connectClient(
  url: string,
  options: NodeConnectionOptions = { token: 'a.b.c' },
): Promise<NatsConnection> {
  return connect({ servers: url, reconnect: false, timeout: CLIENT_PATIENCE_MS, ...options })
}

/** Longer than any test waits, so that a client that fails does so because of what the server said. */
const CLIENT_PATIENCE_MS = 30_000

/** Polls until the condition holds; a test that waits this long has failed. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await delay(5)
  }
}
