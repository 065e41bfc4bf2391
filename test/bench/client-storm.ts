import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import { connect } from '@nats-io/transport-node'
import type { NatsConnection } from '@nats-io/transport-node'
import { ADVISED_SETTINGS, BareClient, DEFAULT_SETTINGS } from '../support/bare-client.ts'

/**
 * Many clients with the rules of nats.js, in a process of their own: connects them a few at a time, then watches
 * what becomes of them.
 */
export interface ClientTask {
  readonly url: string
  /** PEM of what the clients trust; they ask for TLS then. */
  readonly ca: string | undefined
  readonly tokens: readonly string[]
  readonly clients: number
  /** `nats.js` itself, or its rules on a bare socket. */
  readonly library: 'nats.js' | 'bare'
  /** With the settings that the README advises, in place of the default ones. */
  readonly advised: boolean
}

/** How the clients are, told four times a second. */
export interface ClientCounts {
  readonly connected: number
  /** Have come back since they were all connected. */
  readonly back: number
  readonly closedForGood: number
  /** Failed attempts since the clients were connected first, by what each saw. */
  readonly failures: Readonly<Record<string, number>>
}

const CONNECTING_AT_ONCE = 32
/** A third of the time that the curves take which Node.js offers by itself: a real herd has processors of its own. */
const QUICK_CURVE = 'P-256'
const TOLD_EVERY_MS = 250

const counts = { connected: 0, back: 0, closedForGood: 0, failures: {} as Record<string, number> }

/** Counts one client; to be told what happens to it. */
class Watch {
  #connected = false
  #wasConnected = false
  #wasBack = false

  connected(): void {
    if (this.#connected) return
    if (this.#wasConnected && !this.#wasBack) {
      counts.back += 1
      this.#wasBack = true
    }
    this.#connected = true
    this.#wasConnected = true
    counts.connected += 1
  }

  disconnected(): void {
    if (this.#connected) counts.connected -= 1
    this.#connected = false
  }

  failed(why: string): void {
    if (this.#wasConnected) counts.failures[why] = (counts.failures[why] ?? 0) + 1
  }

  closedForGood(): void {
    counts.closedForGood += 1
  }
}

async function one(
  { url, ca, tokens, library, advised }: ClientTask,
  secureContext: SecureContext | undefined,
  index: number,
): Promise<void> {
  const token = tokens[index % tokens.length] ?? ''
  const watch = new Watch()
  if (library === 'bare') {
    const settings = advised ? ADVISED_SETTINGS : DEFAULT_SETTINGS
    return await new BareClient({ port: Number(new URL(url).port), token, secureContext, settings }, watch).run()
  }
  const options = {
    ...(ca === undefined ? {} : { tls: { ca } }),
    ...(advised
      ? {
          ignoreAuthErrorAbort: true,
          maxReconnectAttempts: -1,
          reconnectJitter: ADVISED_SETTINGS.reconnectJitterMs,
          reconnectJitterTLS: ADVISED_SETTINGS.reconnectJitterTlsMs,
          timeout: ADVISED_SETTINGS.timeoutMs,
        }
      : {}),
  }
  for (;;) {
    try {
      follow(await connect({ servers: url, token, ...options }), watch)
      return
    } catch {
      // The machine is busy; how many get in at the first attempt is not what is measured.
      await delay(200)
    }
  }
}

function follow(client: NatsConnection, watch: Watch): void {
  watch.connected()
  const statuses = async (): Promise<void> => {
    for await (const status of client.status()) {
      if (status.type === 'disconnect') watch.disconnected()
      if (status.type === 'reconnect') watch.connected()
      if (status.type === 'error') watch.failed(status.error.message)
    }
  }
  void statuses()
  void client.closed().then(() => watch.closedForGood())
}

async function main(task: ClientTask): Promise<void> {
  const secureContext = task.ca === undefined ? undefined : createSecureContext({ ca: task.ca, ecdhCurve: QUICK_CURVE })
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < task.clients) await one(task, secureContext, next++)
  }
  setInterval(() => void process.send?.(counts), TOLD_EVERY_MS)
  await Promise.all(Array.from({ length: CONNECTING_AT_ONCE }, worker))
}

process.once('disconnect', () => process.exit())
process.once('message', (task) => void main(task as ClientTask))
