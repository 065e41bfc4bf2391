import type { Msg, NatsConnection } from '@nats-io/transport-node'
import type { CalloutEvents, ReadinessProbe } from '../service/events.ts'
import type { Clock } from '../service/ports.ts'
import { createBoundedCache } from './bounded-cache.ts'
import { ASK_AGAIN_AFTER_MS, StandingSubscription } from './standing-subscription.ts'

/**
 * Where nats-server says, in the callout account, that a client failed to authenticate and why (`server/events.go`
 * `authErrorAccountEventSubj`).
 */
export const AUTH_ERROR_SUBJECT = '$SYS.ACCOUNT.CLIENT.AUTH.ERR'

/** nats-server judges an answer within milliseconds; so many are sent in the seconds that a slow one may take. */
const ALLOWS_MAX = 8192
/** An allow that was not refused by then was accepted. */
const ACCEPTED_AFTER_MS = 3_000
/** An event holds the user JWT of the sentinel and a few names; it is about 2.6 KB. */
const EVENT_BYTES_MAX = 64 * 1024
/** What a denial of ours becomes; it stands at the very end, where no name of a client does. */
const OUR_DENIAL = Buffer.from('Auth callout service returned an error', 'latin1')
/** Of the text of the server. */
const REASON_MAX = 512

/** Reasons that say nothing about the user JWT: nats-server had given up, or the account is full. */
const NOT_ABOUT_THE_JWT = /^(?:$|Could not register)/

/** An allow that was answered; the first two name the connection. */
export interface AnsweredAllow {
  readonly serverId: string
  readonly connectionId: number
  readonly decisionId: string
}

export interface RefusedAllowsOptions {
  readonly connection: NatsConnection
  readonly clock: Pick<Clock, 'monotonicMs' | 'after'>
  readonly events: Pick<CalloutEvents, 'allowRefused' | 'unexpected'>
}

/**
 * Notices that nats-server did not admit a client although we allowed it. Whether a seed is a key of the account that it
 * signs for, and whether that account may be placed into, is known to nats-server alone; this is how it shows.
 * Events may be lost, so silence proves nothing. Every replica hears all of them and knows its own allows.
 */
export class RefusedAllows implements Disposable {
  /** The part `user_jwts` of `/readyz`: why the last one was refused, until others have been accepted. */
  readonly probe: ReadinessProbe
  readonly #options: RefusedAllowsOptions
  readonly #allows = createBoundedCache<string>(ALLOWS_MAX)
  readonly #subscription: StandingSubscription
  #trouble: string | undefined
  /** When the first allow since the last refusal was answered. */
  #answeredSinceMs: number | undefined

  /** Subscribes. */
  constructor(options: RefusedAllowsOptions) {
    this.#options = options
    const { connection, clock, events } = options
    this.#subscription = new StandingSubscription({
      connection,
      subject: AUTH_ERROR_SUBJECT,
      onMessage: (message) => this.#receive(message),
      later: (callback) => clock.after(ASK_AGAIN_AFTER_MS, callback),
      where: 'nats.refused_allows',
      events,
    })
    this.#subscription.start()
    this.probe = () => {
      this.#forgetOldTrouble()
      const why = this.#trouble
      return [why === undefined ? { part: 'user_jwts', ready: true } : { part: 'user_jwts', ready: false, why }]
    }
  }

  /** To be called when the answer has been sent. */
  answered({ serverId, connectionId, decisionId }: AnsweredAllow): void {
    this.#forgetOldTrouble()
    this.#allows.set(`${serverId} ${connectionId}`, decisionId)
    if (this.#trouble !== undefined) this.#answeredSinceMs ??= this.#options.clock.monotonicMs()
  }

  [Symbol.dispose](): void {
    this.#subscription.stop()
  }

  #receive({ data }: Msg): void {
    if (data.length > EVENT_BYTES_MAX || isOurDenial(data)) return
    const event = authErrorOf(data)
    const decisionId = event && this.#allows.get(event.connection)
    if (event === undefined || decisionId === undefined) return
    this.#options.events.allowRefused(decisionId, event.reason)
    if (NOT_ABOUT_THE_JWT.test(event.reason)) return
    this.#trouble = `nats-server refused the last one: ${event.reason}`
    this.#answeredSinceMs = undefined
  }

  #forgetOldTrouble(): void {
    if (this.#answeredSinceMs === undefined) return
    if (this.#options.clock.monotonicMs() - this.#answeredSinceMs < ACCEPTED_AFTER_MS) return
    this.#trouble = undefined
    this.#answeredSinceMs = undefined
  }
}

/** Denials are far more frequent than anything else here, and come in storms. */
function isOurDenial(data: Uint8Array): boolean {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).subarray(-REASON_MAX).includes(OUR_DENIAL)
}

function authErrorOf(data: Uint8Array): { readonly connection: string; readonly reason: string } | undefined {
  const { server, client, reason } = (parsed(data) ?? {}) as {
    server?: { id?: unknown }
    client?: { id?: unknown }
    reason?: unknown
  }
  const [serverId, connectionId] = [server?.id, client?.id]
  if (typeof serverId !== 'string' || typeof connectionId !== 'number' || typeof reason !== 'string') return undefined
  return { connection: `${serverId} ${connectionId}`, reason: reason.slice(0, REASON_MAX) }
}

function parsed(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString('utf8'))
  } catch {
    // Not of a server; only members of the callout account can send such a thing.
    return undefined
  }
}
