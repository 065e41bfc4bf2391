import { MsgImpl } from '@nats-io/transport-node'
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node'
import { ABORT_CODES, type AbortCode } from '../core/reasons.ts'
import type { AuthorizationRequest } from '../core/request.ts'
import type { CalloutEvents, ReadinessCheck, ReadinessProbe } from '../service/events.ts'
import type { Clock, RequestHandler, Respond } from '../service/ports.ts'
import { SERVER_XKEY_HEADER } from './authorization-request.ts'
import type { DecodeRequest, DecodedRequest, Seal } from './authorization-request.ts'
import type { EncodeResponse } from './authorization-response.ts'

/** Where nats-server asks (`server/auth_callout.go` AuthCalloutSubject). */
export const CALLOUT_SUBJECT = '$SYS.REQ.USER.AUTH'

/**
 * A server sends one header of 80 bytes. The library's parser takes a time that grows with the square of the number of
 * headers.
 */
const HEADER_BYTES_MAX = 4096

/** Aborts that a server with another issuer or xkey in its configuration causes with each of its requests. */
const KEY_TROUBLES: ReadonlySet<AbortCode> = new Set([
  'request_not_sealed',
  'request_sealed',
  'request_seal_invalid',
  'request_subject_unknown',
  'request_operator_mode',
])

export interface CalloutEndpointOptions {
  readonly connection: NatsConnection
  /** Whether what is published now goes out: `() => link.connected`. */
  readonly isConnected: () => boolean
  readonly queue: string
  readonly decode: DecodeRequest
  readonly encode: EncodeResponse
  readonly handler: RequestHandler
  /** From receipt of the message; a later answer is of no use to the server and is not sent. */
  readonly answerWithinMs: number
  readonly clock: Clock
  readonly events: Pick<CalloutEvents, 'requestAborted' | 'unexpected'>
}

/**
 * The subscription to `$SYS.REQ.USER.AUTH` in a queue group. The library subscribes again after each reconnect. An
 * exception that escaped from its callback would end its reader while the connection looks alive, so none does.
 */
export class CalloutEndpoint implements AsyncDisposable {
  /** The parts `subscription` and `keys` of `/readyz`. */
  readonly probe: ReadinessProbe
  readonly #options: CalloutEndpointOptions
  readonly #subscription: Subscription
  readonly #inFlight = new Set<Promise<void>>()
  #refusal: string | undefined
  /** Why the last message was not for our keys; cleared by the next genuine request. */
  #keyTrouble: string | undefined

  /** Subscribes. */
  constructor(options: CalloutEndpointOptions) {
    this.#options = options
    this.#subscription = options.connection.subscribe(CALLOUT_SUBJECT, {
      queue: options.queue,
      callback: (error, message) => this.#receive(error, message),
    })
    this.probe = () => {
      return [check('subscription', this.#whyNotReady()), check('keys', this.#keyTrouble)]
    }
  }

  /** Requests that were handed to the handler and have not settled. */
  get inFlight(): number {
    return this.#inFlight.size
  }

  /**
   * Leaves the queue group, so that new requests go to other members, waits for the requests in flight and sends what
   * is buffered; gives up after `withinMs`, by default the life of a request. Resolves with the number of requests that
   * were still unsettled. To be called before the connection is closed, which would lose their answers. Never rejects.
   */
  async drain(withinMs: number = this.#options.answerWithinMs): Promise<number> {
    const { clock, events } = this.#options
    const { promise: expired, resolve: expire } = Promise.withResolvers<void>()
    const cancel = clock.after(withinMs, expire)
    await Promise.race([this.#finish().catch((error: unknown) => events.unexpected('nats.drain', error)), expired])
    cancel()
    return this.#inFlight.size
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain()
  }

  async #finish(): Promise<void> {
    const { connection } = this.#options
    if (!this.#subscription.isClosed()) await this.#subscription.drain()
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight)
    if (!connection.isClosed()) await connection.flush()
  }

  #whyNotReady(): string | undefined {
    if (this.#refusal !== undefined) return this.#refusal
    if (this.#subscription.isDraining()) return 'draining'
    if (this.#subscription.isClosed()) return 'the subscription has ended'
    return this.#options.isConnected() ? undefined : 'not connected to nats-server'
  }

  #receive(error: Error | null, message: Msg): void {
    const { events, clock } = this.#options
    try {
      if (error === null) this.#accept(message, clock.monotonicMs())
      else {
        this.#refusal = `nats-server ended the subscription: ${error.message}`
        events.unexpected('nats.subscription', error)
      }
    } catch (bug) {
      events.unexpected('nats.callout', bug)
    }
  }

  #accept(message: Msg, receivedAtMs: number): void {
    const { events, handler, clock } = this.#options
    const decoded = this.#decode(message)
    if ('aborted' in decoded) {
      if (KEY_TROUBLES.has(decoded.aborted)) this.#keyTrouble = `the last request: ${ABORT_CODES[decoded.aborted]}`
      events.requestAborted(decoded.aborted)
      return
    }
    this.#keyTrouble = undefined
    const respond = this.#responder(message, decoded, receivedAtMs)
    const openMs = clock.monotonicMs() - receivedAtMs
    const work = handler
      .handle(decoded.request, receivedAtMs, openMs, respond)
      .catch((bug: unknown) => events.unexpected('nats.handler', bug))
      .finally(() => this.#inFlight.delete(work))
    this.#inFlight.add(work)
  }

  #decode(message: Msg): DecodedRequest {
    if (message.reply === undefined || message.reply === '') return { aborted: 'request_malformed' }
    if (headerBytes(message) > HEADER_BYTES_MAX) return { aborted: 'request_oversized' }
    let serverXKeys: string[]
    try {
      serverXKeys = message.headers?.values(SERVER_XKEY_HEADER) ?? []
    } catch {
      // The library parses headers on first access and throws on a name or value that none may have.
      return { aborted: 'request_malformed' }
    }
    return this.#options.decode(message.data, serverXKeys.length === 0 ? undefined : serverXKeys.join(', '))
  }

  #responder(message: Msg, decoded: { request: AuthorizationRequest; seal?: Seal }, receivedAtMs: number): Respond {
    const { encode, clock, events, answerWithinMs, isConnected } = this.#options
    let answered = false
    return (answer) => {
      try {
        if (answered) throw new TypeError('a request was answered twice')
        answered = true
        const plain = encode(decoded.request, answer)
        const response = decoded.seal === undefined ? plain : decoded.seal(plain)
        if (clock.monotonicMs() - receivedAtMs >= answerWithinMs) return 'late'
        if (!isConnected()) return 'failed'
        return message.respond(response) ? 'sent' : 'failed'
      } catch (error) {
        events.unexpected('nats.respond', error)
        return 'failed'
      }
    }
  }
}

function headerBytes(message: Msg): number {
  if (!(message instanceof MsgImpl)) return Infinity
  return message.size() - message.subject.length - message.reply.length - message.data.length
}

function check(part: string, why: string | undefined): ReadinessCheck {
  return why === undefined ? { part, ready: true } : { part, ready: false, why }
}
