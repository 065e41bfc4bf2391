import type { NatsConnection } from '@nats-io/transport-node'
import type { AuthorizationRequest } from '../core/request.ts'
import type { CalloutEvents, Delivery } from '../service/events.ts'
import type { Answer, Clock, Respond, Unavailable } from '../service/ports.ts'
import type { Seal } from './authorization-request.ts'
import type { EncodeResponse } from './authorization-response.ts'
import type { Kick, Kicked } from './system-link.ts'

/** How a refusal reaches its client. */
export interface DenialOptions {
  /** Refusals on the merits: answered, or kept for ourselves, so that nats-server waits out its timeout. */
  readonly mode: 'reply' | 'drop'
  /** Ends the connection of a client that is refused for no fault of its own; without it such a client is denied. */
  readonly kick?: Kick
}

export interface ResponderOptions {
  readonly connection: Pick<NatsConnection, 'publish'>
  /** Whether what is published now goes out: `() => link.connected`. */
  readonly isConnected: () => boolean
  readonly encode: EncodeResponse
  readonly denials: DenialOptions
  /** From receipt of the message; a later answer is of no use to the server and is not sent. */
  readonly answerWithinMs: number
  readonly clock: Clock
  readonly events: Pick<CalloutEvents, 'unexpected'>
}

/** What is needed to answer one message. */
export interface Asked {
  readonly request: AuthorizationRequest
  readonly seal?: Seal
  readonly reply: string
  readonly receivedAtMs: number
}

/** nats-server takes an empty payload for a refusal without a reason (`server/auth_callout.go`). */
const NO_ANSWER = new Uint8Array(0)
/** nats-server does it within milliseconds; a busy one gets its time, beyond our own deadline but not beyond its own. */
export const KICK_WITHIN_MS = 400

/** Makes the `Respond` of each request. */
export function createResponder(options: ResponderOptions): (asked: Asked) => Respond {
  const { connection, isConnected, encode, denials, answerWithinMs, clock, events } = options

  async function reply({ request, seal, reply: subject, receivedAtMs }: Asked, answer: Answer): Promise<Delivery> {
    const plain = await encode(request, answer)
    const response = seal === undefined ? plain : seal(plain)
    if (clock.monotonicMs() - receivedAtMs >= answerWithinMs) return 'late'
    if (!isConnected()) return 'failed'
    connection.publish(subject, response)
    return 'sent'
  }

  function kickFor({ request: { server, client } }: Asked, kick: Kick): Promise<Kicked> {
    return kick(server.id, client.connectionId, clock.monotonicMs() + KICK_WITHIN_MS)
  }

  /**
   * The client sees its connection end, which is no authentication error: after the second one many clients never come back.
   * An empty answer then lets go of what nats-server holds for it.
   */
  async function disconnect(asked: Asked, kick: Kick, text: string): Promise<Delivery> {
    const kicked = await kickFor(asked, kick)
    if (kicked === 'impossible') return reply(asked, { deny: text })
    if (kicked === 'unanswered' || !isConnected()) return 'failed'
    connection.publish(asked.reply, NO_ANSWER)
    return 'disconnected'
  }

  async function answer(asked: Asked, answer: Answer | Unavailable): Promise<Delivery> {
    const { mode, kick } = denials
    if ('unavailable' in answer) {
      const { unavailable: text } = answer
      return kick === undefined ? reply(asked, { deny: text }) : disconnect(asked, kick, text)
    }
    if ('deny' in answer && mode === 'drop') return 'dropped'
    const delivery = await reply(asked, answer)
    if (delivery === 'late' && 'allow' in answer && kick !== undefined) void kickFor(asked, kick)
    return delivery
  }

  return (asked) => {
    let answered = false
    return async (said) => {
      try {
        if (answered) throw new TypeError('a request was answered twice')
        answered = true
        return await answer(asked, said)
      } catch (error) {
        events.unexpected('nats.respond', error)
        return 'failed'
      }
    }
  }
}

/** Refuses a message that was not read. Never throws. */
export function refuseUnread(
  options: Pick<ResponderOptions, 'connection' | 'isConnected' | 'events'>,
  reply: string,
): void {
  try {
    if (options.isConnected()) options.connection.publish(reply, NO_ANSWER)
  } catch (error) {
    options.events.unexpected('nats.respond', error)
  }
}
