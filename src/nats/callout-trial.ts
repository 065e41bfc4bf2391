import { errors } from '@nats-io/transport-node'
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import type { AbortCode } from '../core/reasons.ts'
import type { Clock } from '../service/ports.ts'
import { SERVER_XKEY_HEADER } from './authorization-request.ts'
import type { DecodeRequest } from './authorization-request.ts'
import type { EncodeResponse } from './authorization-response.ts'
import { CALLOUT_SUBJECT } from './callout-endpoint.ts'
import type { NatsLinkOptions } from './connection.ts'
import { parseJwt } from './jwt.ts'
import { isSealed, type XKey } from './keys.ts'
import { decodePublicNkey } from './nkey.ts'
import { AUTH_ERROR_SUBJECT } from './refused-allows.ts'
import { logInOnce } from './single-login.ts'

export interface KnockOptions extends Pick<NatsLinkOptions, 'tls' | 'name'> {
  readonly server: string
  /** Logged in at `server` as the service; hears why the client was refused, if it may. */
  readonly connection?: NatsConnection
  readonly withinMs: number
  readonly clock: Pick<Clock, 'monotonicMs'>
}

/** What became of a client without credentials, and after how long. */
export interface Knock {
  readonly outcome: 'refused' | 'admitted' | 'silent' | 'failed'
  readonly why: string
  readonly tookMs: number
  /** Why nats-server refused it, in its words, as far as it could be heard; empty when the service did not answer. */
  readonly reason?: string
}

/** The server says it at once, by way of another of its threads. */
const REASON_WITHIN_MS = 500
/** Its texts are short; whatever else comes is cut. */
const REASON_CHARACTERS_MAX = 256

/** Connects as a client that presents nothing, once, and hangs up. In operator mode that needs a default sentinel. */
export async function knock({ clock, connection, ...options }: KnockOptions): Promise<Knock> {
  using refusal = await hearRefusal(connection, options.name)
  const startedMs = clock.monotonicMs()
  const login = await logInOnce(options)
  const tookMs = clock.monotonicMs() - startedMs
  if (login.kind === 'connected') {
    await login.connection.close()
    return { outcome: 'admitted', why: '', tookMs }
  }
  const reason = login.kind === 'refused' ? await refusal.reason(REASON_WITHIN_MS) : undefined
  return { outcome: login.kind, why: login.why, tookMs, ...(reason === undefined ? {} : { reason }) }
}

interface HeardRefusal extends Disposable {
  /** Undefined when nothing was heard in time. */
  reason(withinMs: number): Promise<string | undefined>
}

/** Listens to what nats-server says in the callout account about a client of this name. */
async function hearRefusal(connection: NatsConnection | undefined, name: string): Promise<HeardRefusal> {
  const { promise: heard, resolve } = Promise.withResolvers<string | undefined>()
  const subscription = connection?.subscribe(AUTH_ERROR_SUBJECT, {
    callback: (error, message) => {
      if (error !== null) return resolve(undefined)
      const event = authErrorOf(message)
      if (event.name === name) resolve(event.reason)
    },
  })
  await connection?.flush()
  return {
    async reason(withinMs) {
      if (subscription === undefined) return undefined
      const timer = setTimeout(() => resolve(undefined), withinMs)
      try {
        return await heard
      } finally {
        clearTimeout(timer)
      }
    },
    [Symbol.dispose]: () => subscription?.unsubscribe(),
  }
}

function authErrorOf(message: Msg): { readonly name?: unknown; readonly reason?: string } {
  try {
    const { client, reason } = message.json<{ client?: { name?: unknown }; reason?: unknown }>()
    return {
      name: client?.name,
      ...(typeof reason === 'string' ? { reason: reason.slice(0, REASON_CHARACTERS_MAX) } : {}),
    }
  } catch {
    // Not JSON, so not of a server.
    return {}
  }
}

/** What a request of a server, received in place of the service, says about the keys. */
export interface Overheard {
  /** Absent when our keys are the right ones. */
  readonly aborted?: AbortCode
  readonly sealed: boolean
  /** Whether it was the request of our own client, which alone is answered. */
  readonly answered: boolean
  /** Public key that the server wants as issuer; absent when the request could not be opened. */
  readonly issuerKey?: string
}

export interface SelfTrialOptions extends KnockOptions {
  readonly connection: NatsConnection
  readonly queue: string
  readonly decode: DecodeRequest
  readonly encode: EncodeResponse
  readonly xkeys: readonly XKey[]
}

export interface SelfTrial {
  /** Absent when no request came. */
  readonly overheard?: Overheard
  readonly knock: Knock
  /** Whether nats-server refused the subscription or the answer. */
  readonly refusedBy?: 'subscribe' | 'publish'
}

/**
 * Requests go to a member of the queue group at random; so many memberships make it likely that it is us. As soon as one
 * request has come, all are given up.
 */
const MEMBERSHIPS = 8

/**
 * Stands in for the service: joins the queue group for one message, connects as a client without credentials, and
 * answers that request, and only that one, with a signed refusal. Shows what the server asks and whether it takes our
 * answer. A request of another client that comes first is not answered: for use when nobody else answers either.
 */
export async function tryCalloutAlone(options: SelfTrialOptions): Promise<SelfTrial> {
  const { connection, queue, name } = options
  let heard: Promise<Overheard> | undefined
  let refusedBy: SelfTrial['refusedBy']
  const statuses = connection.status()
  void (async () => {
    for await (const status of statuses) {
      if (status.type !== 'error' || !(status.error instanceof errors.PermissionViolationError)) continue
      refusedBy = status.error.operation === 'publish' ? 'publish' : 'subscribe'
    }
  })()
  const leave = (): void => {
    for (const subscription of subscriptions) if (!subscription.isClosed()) subscription.unsubscribe()
  }
  const subscriptions = Array.from({ length: MEMBERSHIPS }, () =>
    connection.subscribe(CALLOUT_SUBJECT, {
      queue,
      callback: (error, message) => {
        if (error !== null || heard !== undefined) return
        heard = answerOwn(message, name, options)
        leave()
      },
    }),
  )
  await connection.flush()
  const result = await knock(options)
  const overheard = await heard
  leave()
  await connection.flush()
  await new Promise(setImmediate)
  return {
    knock: result,
    ...(overheard === undefined ? {} : { overheard }),
    ...(refusedBy === undefined ? {} : { refusedBy }),
  }
}

async function answerOwn(message: Msg, name: string, { decode, encode, xkeys }: SelfTrialOptions): Promise<Overheard> {
  const serverXKey = message.headers?.get(SERVER_XKEY_HEADER)
  const sealed = isSealed(message.data)
  const decoded = await decode(message.data, serverXKey === '' ? undefined : serverXKey)
  if ('aborted' in decoded) {
    const issuerKey = issuerKeyOf(message.data, serverXKey ?? '', xkeys)
    return { aborted: decoded.aborted, sealed, answered: false, ...(issuerKey === undefined ? {} : { issuerKey }) }
  }
  const { request, seal } = decoded
  const answered = request.client.name === name
  if (answered) {
    const response = await encode(request, { deny: 'callout doctor' })
    message.respond(seal === undefined ? response : seal(response))
  }
  return { sealed, answered, issuerKey: request.issuerKey }
}

/** The issuer that a request names, whoever wrote it: for people to compare, never to decide by. */
function issuerKeyOf(data: Uint8Array, serverXKey: string, xkeys: readonly XKey[]): string | undefined {
  const plain = isSealed(data)
    ? xkeys.map((xkey) => xkey.open(data, serverXKey)).find((opened) => opened !== undefined)
    : data
  const subject = plain === undefined ? undefined : parseJwt(plain)?.claims['sub']
  if (typeof subject !== 'string' || decodePublicNkey('account', subject) === undefined) return undefined
  return subject
}
