import { MsgImpl } from '@nats-io/transport-node'
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import { ABORT_CODES, type AbortCode } from '../core/reasons.ts'
import type { AuthorizationRequest } from '../core/request.ts'
import { Admission } from '../service/admission.ts'
import type { CalloutEvents, ReadinessCheck, ReadinessProbe } from '../service/events.ts'
import type { Group } from '../service/member.ts'
import { TROUBLES, type Trouble } from '../service/membership.ts'
import type { Arrival, Clock, RequestHandler, Respond } from '../service/ports.ts'
import { createTimeBudget, type TimeBudget } from '../service/time-budget.ts'
import { REQUEST_BYTES_MAX, SERVER_XKEY_HEADER } from './authorization-request.ts'
import type { DecodeRequest, Purpose } from './authorization-request.ts'
import type { EncodeResponse } from './authorization-response.ts'
import { createResponder, KICK_WITHIN_MS, refuseUnread, type Asked, type DenialOptions } from './responder.ts'
import { StandingSubscription } from './standing-subscription.ts'

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

/**
 * Messages that may wait, for each that is worked on; as many again wait in the reader's buffers at most, and as many
 * refusals may be under way.
 */
const WAITING_PER_PLACE = 8
const WAITING_BYTES_MAX = 32 * 1024 * 1024
/**
 * To refuse a request by its name, it has to be opened and verified first, which costs a third of a decision. Where that does
 * its client no good, so much of the time may go into it, and so much may be saved up; what is beyond is refused unread.
 */
const REFUSING_SHARE = 0.1
const REFUSING_SAVED_MS = 250
/** What a refusal takes besides opening and verifying the message: to sign the answer (35 µs), to write and to publish it. */
const REFUSING_LATER_MS = 0.1
/** Beyond our deadline; nats-server has given up by then, and an answer of whatever kind reaches nobody. */
const SERVER_PATIENCE_MS = 500
/** Without it no client gets in here. */
const SUBSCRIBE_AGAIN_AFTER_MS = 1000

export interface CalloutEndpointOptions {
  readonly connection: NatsConnection
  /** Whether what is published now goes out: `() => link.connected`. */
  readonly isConnected: () => boolean
  readonly queue: string
  readonly decode: DecodeRequest
  readonly encode: EncodeResponse
  readonly denials: DenialOptions
  readonly handler: RequestHandler
  readonly inFlightMax: number
  /** From receipt of the message; a later answer is of no use to the server and is not sent. */
  readonly answerWithinMs: number
  /** When a message that is read now can have arrived at the earliest; see `LoopWatch`. */
  readonly arrivalMs: () => number
  readonly clock: Clock
  readonly events: Pick<CalloutEvents, 'requestAborted' | 'refusedUnread' | 'inFlight' | 'groupMember' | 'unexpected'>
}

/** A message as it waits: copied, since the library's message would keep the whole buffer that it was read with. */
interface Received {
  readonly data: Uint8Array
  readonly serverXKey: string | undefined
  readonly reply: string
}

/**
 * The subscription to `$SYS.REQ.USER.AUTH` in a queue group, and what becomes of the messages that come by it.
 */
export class CalloutEndpoint implements AsyncDisposable, Group {
  /** The parts `subscription` and `keys` of `/readyz`. */
  readonly probe: ReadinessProbe
  readonly #options: CalloutEndpointOptions
  readonly #admission: Admission<Received>
  readonly #respondTo: (asked: Asked) => Respond
  readonly #refusing: TimeBudget
  /** Refusals that are being verified or told. */
  readonly #refusals = new Set<Promise<boolean>>()
  readonly #subscription: StandingSubscription
  #left: Trouble | undefined
  #draining = false
  /** Why nats-server refuses the subscription. */
  #refusal: string | undefined
  /** Why the last message was not for our keys; cleared by the next genuine request. */
  #keyTrouble: string | undefined

  /** Subscribes. */
  constructor(options: CalloutEndpointOptions) {
    const { clock, events, inFlightMax, answerWithinMs } = options
    this.#options = options
    this.#respondTo = createResponder(options)
    this.#refusing = createTimeBudget({
      share: REFUSING_SHARE,
      savedMsMax: REFUSING_SAVED_MS,
      monotonicMs: () => clock.monotonicMs(),
    })
    this.#admission = new Admission({
      start: (received, receivedAtMs) => this.#pass('handle', received, receivedAtMs),
      shed: (received, receivedAtMs) => this.#shed(received, receivedAtMs),
      inFlightMax,
      deadlineMs: answerWithinMs,
      waitingMax: inFlightMax * WAITING_PER_PLACE,
      waitingBytesMax: WAITING_BYTES_MAX,
      clock,
      nextTurn: (callback) => void setImmediate(callback),
      events,
    })
    this.#subscription = this.#subscriptionOf(options)
    this.join()
    this.probe = () => {
      return [check('subscription', this.#whyNotReady()), check('keys', this.#keyTrouble)]
    }
  }

  /** Requests that were received and have not settled. */
  get inFlight(): number {
    return this.#admission.inFlight + this.#admission.waiting + this.#refusals.size
  }

  /**
   * Leaves the queue group, so that new requests go to other members, waits for the requests in flight and sends what
   * is buffered; gives up after `withinMs`, by default the life of a request. Resolves with the number of requests that
   * were still unsettled. To be called before the connection is closed, which would lose their answers. Never rejects.
   */
  async drain(withinMs: number = this.#options.answerWithinMs): Promise<number> {
    const { events } = this.#options
    this.#draining = true
    await this.#within(
      withinMs,
      this.#finish().catch((error: unknown) => events.unexpected('nats.drain', error)),
    )
    return this.inFlight
  }

  get joined(): boolean {
    return this.#subscription.isUp
  }

  /** Subscribes, unless the member is in the queue group or leaves it for good. */
  join(): void {
    if (this.#draining) return
    this.#left = undefined
    this.#subscription.start()
  }

  leave(why: Trouble): void {
    const { events } = this.#options
    if (this.#draining || !this.#subscription.isWanted) return
    this.#left = why
    this.#refusal = undefined
    // To drain takes an answer of nats-server, which the deaf does not get.
    if (why === 'deaf') this.#subscription.stop()
    else this.#subscription.drain().catch((error: unknown) => events.unexpected('nats.leave', error))
  }

  async settled(): Promise<void> {
    await this.#within(this.#options.answerWithinMs, this.#idle())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain()
  }

  async #finish(): Promise<void> {
    const { connection } = this.#options
    await this.#subscription.drain()
    await this.#idle()
    if (!connection.isClosed()) await connection.flush()
  }

  async #idle(): Promise<void> {
    await this.#admission.idle()
    while (this.#refusals.size > 0) await Promise.all(this.#refusals)
  }

  async #within(withinMs: number, work: Promise<void>): Promise<void> {
    const { promise: expired, resolve: expire } = Promise.withResolvers<void>()
    const cancel = this.#options.clock.after(withinMs, expire)
    await Promise.race([work, expired])
    cancel()
  }

  #whyNotReady(): string | undefined {
    if (this.#draining) return 'draining'
    if (this.#left !== undefined) return `out of the queue group: ${TROUBLES[this.#left]}`
    if (this.#refusal !== undefined) return this.#refusal
    if (!this.#options.isConnected()) return 'not connected to nats-server'
    return this.#subscription.isUp ? undefined : 'nats-server has not confirmed the subscription yet'
  }

  #subscriptionOf({ connection, queue, clock, events }: CalloutEndpointOptions): StandingSubscription {
    return new StandingSubscription({
      connection,
      subject: CALLOUT_SUBJECT,
      queue,
      onMessage: (message) => this.#admit(message),
      onRefused: (error) => {
        if (this.#refusal === undefined) events.unexpected('nats.subscription', error)
        this.#refusal = `nats-server ended the subscription: ${error.message}`
      },
      onChange: (isUp) => {
        if (isUp) this.#refusal = undefined
        events.groupMember(isUp)
      },
      later: (callback) => clock.after(SUBSCRIBE_AGAIN_AFTER_MS, callback),
      where: 'nats.callout',
      events,
    })
  }

  /** The reader waits for this: whatever can wait is done when it is the turn of the message. */
  #admit(message: Msg): void {
    const received = receivedOf(message)
    if ('aborted' in received) this.#options.events.requestAborted(received.aborted)
    else this.#admission.offer(received, received.data.length, this.#options.arrivalMs())
  }

  #shed(received: Received, receivedAtMs: number): void {
    const { events, clock, denials, answerWithinMs, inFlightMax } = this.#options
    const ageMs = clock.monotonicMs() - receivedAtMs
    if (ageMs >= answerWithinMs + SERVER_PATIENCE_MS) {
      events.requestAborted('request_late')
      return
    }
    const isWorthIt = denials.kick === undefined ? this.#refusing.left : ageMs < answerWithinMs + KICK_WITHIN_MS
    if (!isWorthIt || this.#refusals.size >= inFlightMax * WAITING_PER_PLACE) {
      refuseUnread(this.#options, received.reply)
      events.refusedUnread()
      return
    }
    const refusal = this.#refusing
      .spend(() => this.#pass('shed', received, receivedAtMs), REFUSING_LATER_MS)
      .finally(() => this.#refusals.delete(refusal))
    this.#refusals.add(refusal)
  }

  /** Opens a message and hands the request to the handler. Resolves with whether it was one. Never rejects. */
  async #pass(to: keyof RequestHandler, received: Received, receivedAtMs: number): Promise<boolean> {
    const { handler, events } = this.#options
    try {
      const opened = await this.#open(received, receivedAtMs, to === 'handle' ? 'judge' : 'refuse')
      if (opened === undefined) return false
      await handler[to](opened.request, opened.arrival, opened.respond)
    } catch (bug) {
      events.unexpected('nats.handler', bug)
    }
    return true
  }

  async #open(
    { data, serverXKey, reply }: Received,
    receivedAtMs: number,
    purpose: Purpose,
  ): Promise<{ request: AuthorizationRequest; arrival: Arrival; respond: Respond } | undefined> {
    const { clock, decode, events } = this.#options
    const startedMs = clock.monotonicMs()
    const decoded = await decode(data, serverXKey, purpose)
    if ('aborted' in decoded) {
      if (KEY_TROUBLES.has(decoded.aborted)) this.#keyTrouble = `the last request: ${ABORT_CODES[decoded.aborted]}`
      events.requestAborted(decoded.aborted)
      return undefined
    }
    this.#keyTrouble = undefined
    return {
      request: decoded.request,
      arrival: { receivedAtMs, openMs: clock.monotonicMs() - startedMs },
      respond: this.#respondTo({ ...decoded, reply, receivedAtMs }),
    }
  }
}

/** Takes of a message what is needed later. */
function receivedOf(message: Msg): Received | { aborted: AbortCode } {
  const { reply, data } = message
  if (reply === undefined || reply === '') return { aborted: 'request_malformed' }
  if (headerBytes(message) > HEADER_BYTES_MAX || data.length > REQUEST_BYTES_MAX)
    return { aborted: 'request_oversized' }
  let serverXKeys: string[]
  try {
    serverXKeys = message.headers?.values(SERVER_XKEY_HEADER) ?? []
  } catch {
    // The library parses headers on first access and throws on a name or value that none may have.
    return { aborted: 'request_malformed' }
  }
  const serverXKey = serverXKeys.length === 0 ? undefined : serverXKeys.join(', ')
  return { data: Uint8Array.from(data), serverXKey, reply }
}

function headerBytes(message: Msg): number {
  if (!(message instanceof MsgImpl)) return Infinity
  return message.size() - message.subject.length - message.reply.length - message.data.length
}

function check(part: string, why: string | undefined): ReadinessCheck {
  return why === undefined ? { part, ready: true } : { part, ready: false, why }
}
