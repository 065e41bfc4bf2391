import type { Msg, NatsConnection } from '@nats-io/transport-node'
import type { CalloutEvents } from '../service/events.ts'
import type { ConnectionAddress, Heartbeat } from '../service/peers.ts'
import { decodePublicNkey } from './nkey.ts'
import { StandingSubscription } from './standing-subscription.ts'

/** Followed by the id of the member. The only subjects on which a member may publish beside its answers. */
const HEARTBEAT_PREFIX = 'callout.heartbeat.'

const MEMBER_ID = /^[0-9a-f-]{36}$/
const HEARTBEAT_BYTES_MAX = 256

export interface HeartbeatsOptions {
  readonly connection: NatsConnection
  readonly isConnected: () => boolean
  readonly memberId: string
  /** Another member was heard. */
  readonly onPeer: (heartbeat: Heartbeat) => void
  readonly events: Pick<CalloutEvents, 'heartbeat' | 'unexpected'>
}

/**
 * Without an echo a heartbeat is tried now and then only, and so is a subscription that was refused: nats-server logs each one
 * that it refuses.
 */
const UNHEARD_MAX = 12
const TRY_EVERY = 120

/**
 * Sends heartbeats through nats-server to all members, itself included: what comes back was published, routed, delivered
 * and read, which is all that a request needs. Until the first one has come back on a connection nothing is concluded
 * from silence: a user without the permission for it serves all the same.
 */
export class Heartbeats implements Disposable {
  readonly #options: HeartbeatsOptions
  readonly #subject: string
  readonly #subscription: StandingSubscription
  #address: ConnectionAddress | undefined
  #beats = 0
  #subscribeAgain: (() => void) | undefined
  #sent = 0
  #heard = false

  /** Subscribes. */
  constructor(options: HeartbeatsOptions) {
    const { connection, memberId, events } = options
    this.#options = options
    this.#subject = HEARTBEAT_PREFIX + memberId
    this.#subscription = new StandingSubscription({
      connection,
      subject: `${HEARTBEAT_PREFIX}*`,
      onMessage: (message) => this.#receive(message),
      onChange: (isUp) => {
        this.#sent = 0
        // Where nothing can be heard, silence says nothing.
        if (!isUp) this.#heard = false
      },
      later: (callback) => {
        this.#subscribeAgain = callback
        return () => {
          this.#subscribeAgain = undefined
        }
      },
      where: 'nats.heartbeat',
      events,
    })
    this.#subscription.start()
  }

  /** Whether a heartbeat of others would be heard, as far as nats-server says. */
  get isListening(): boolean {
    return this.#subscription.isUp
  }

  /** Heartbeats sent since the last one that came back; 0 until one has come back on this connection. */
  get lost(): number {
    return this.#heard ? this.#sent : 0
  }

  /** Sends one, unless there is no connection. To be called a few times a second. */
  send(able: boolean): void {
    const { connection, isConnected } = this.#options
    const { info } = connection
    if (!isConnected() || info === undefined) return
    this.#noticeReconnect({ serverId: info.server_id, connectionId: info.client_id })
    this.#beats += 1
    if (this.#beats % TRY_EVERY === 0) this.#subscribeAgain?.()
    this.#sent += 1
    if (!this.#heard && this.#isGivenUp()) return
    connection.publish(this.#subject, JSON.stringify({ server: info.server_id, connection: info.client_id, able }))
  }

  [Symbol.dispose](): void {
    this.#subscription.stop()
  }

  #noticeReconnect(address: ConnectionAddress): void {
    const before = this.#address
    if (before?.serverId === address.serverId && before.connectionId === address.connectionId) return
    this.#address = address
    this.#sent = 0
    this.#heard = false
  }

  #isGivenUp(): boolean {
    if (this.#sent === UNHEARD_MAX) this.#options.events.heartbeat('unheard')
    return this.#sent >= UNHEARD_MAX && this.#sent % TRY_EVERY !== 0
  }

  #receive(message: Msg): void {
    const { onPeer } = this.#options
    const heartbeat = heartbeatOf(message)
    if (heartbeat === undefined) return
    if (message.subject === this.#subject) this.#heardOwn(heartbeat)
    else onPeer(heartbeat)
  }

  /** One that was sent on an earlier connection says nothing about this one. */
  #heardOwn({ address }: Heartbeat): void {
    if (address.serverId !== this.#address?.serverId || address.connectionId !== this.#address.connectionId) return
    this.#sent = 0
    if (!this.#heard) this.#options.events.heartbeat('heard')
    this.#heard = true
  }
}

/** Whatever is not exactly a heartbeat is nobody's. */
function heartbeatOf({ subject, data }: Msg): Heartbeat | undefined {
  const memberId = subject.slice(HEARTBEAT_PREFIX.length)
  if (!MEMBER_ID.test(memberId) || data.length > HEARTBEAT_BYTES_MAX) return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(data).toString('utf8'))
  } catch {
    return undefined
  }
  const { server, connection, able } = (parsed ?? {}) as Record<string, unknown>
  if (typeof server !== 'string' || decodePublicNkey('server', server) === undefined) return undefined
  if (!Number.isSafeInteger(connection) || typeof able !== 'boolean') return undefined
  return { memberId, able, address: { serverId: server, connectionId: connection as number } }
}
