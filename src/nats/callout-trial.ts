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
import { logInOnce } from './single-login.ts'

export interface KnockOptions extends Pick<NatsLinkOptions, 'tls' | 'name'> {
  readonly server: string
  readonly withinMs: number
  readonly clock: Pick<Clock, 'monotonicMs'>
}

/** What became of a client without credentials, and after how long. */
export interface Knock {
  readonly outcome: 'refused' | 'admitted' | 'silent' | 'failed'
  readonly why: string
  readonly tookMs: number
}

/** Connects as a client that presents nothing, once, and hangs up. In operator mode that needs a default sentinel. */
export async function knock({ clock, ...options }: KnockOptions): Promise<Knock> {
  const startedMs = clock.monotonicMs()
  const login = await logInOnce(options)
  const tookMs = clock.monotonicMs() - startedMs
  if (login.kind !== 'connected') return { outcome: login.kind, why: login.why, tookMs }
  await login.connection.close()
  return { outcome: 'admitted', why: '', tookMs }
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
  /** Logged in at `server` as the service. */
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
 * Stands in for the service: joins the queue group for exactly one message, connects as a client without credentials, and
 * answers that request, and only that one, with a signed refusal. Shows what the server asks and whether it takes our
 * answer. A request of another client that comes first is not answered: for use when nobody else answers either.
 */
export async function tryCalloutAlone(options: SelfTrialOptions): Promise<SelfTrial> {
  const { connection, queue, name } = options
  let overheard: Overheard | undefined
  let refusedBy: SelfTrial['refusedBy']
  const statuses = connection.status()
  void (async () => {
    for await (const status of statuses) {
      if (status.type !== 'error' || !(status.error instanceof errors.PermissionViolationError)) continue
      refusedBy = status.error.operation === 'publish' ? 'publish' : 'subscribe'
    }
  })()
  const subscription = connection.subscribe(CALLOUT_SUBJECT, {
    queue,
    max: 1,
    callback: (error, message) => {
      if (error === null) overheard = answerOwn(message, name, options)
    },
  })
  await connection.flush()
  const result = await knock(options)
  if (!subscription.isClosed()) subscription.unsubscribe()
  await connection.flush()
  await new Promise(setImmediate)
  return {
    knock: result,
    ...(overheard === undefined ? {} : { overheard }),
    ...(refusedBy === undefined ? {} : { refusedBy }),
  }
}

function answerOwn(message: Msg, name: string, { decode, encode, xkeys }: SelfTrialOptions): Overheard {
  const serverXKey = message.headers?.get(SERVER_XKEY_HEADER)
  const sealed = isSealed(message.data)
  const decoded = decode(message.data, serverXKey === '' ? undefined : serverXKey)
  if ('aborted' in decoded) {
    const issuerKey = issuerKeyOf(message.data, serverXKey ?? '', xkeys)
    return { aborted: decoded.aborted, sealed, answered: false, ...(issuerKey === undefined ? {} : { issuerKey }) }
  }
  const { request, seal } = decoded
  const answered = request.client.name === name
  if (answered) {
    const response = encode(request, { deny: 'callout doctor' })
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
