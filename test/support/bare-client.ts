import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as connectTls, type SecureContext } from 'node:tls'

export interface BareClientOptions {
  readonly port: number
  readonly token: string
  /** With it the client asks for TLS, as a nats.js client does that has the option `tls`. */
  readonly secureContext?: SecureContext | undefined
  readonly settings: ClientSettings
}

/** Options of nats.js that say when a client comes back, and when it gives up. */
export interface ClientSettings {
  readonly reconnectJitterMs: number
  readonly reconnectJitterTlsMs: number
  /** Failed attempts in a row after which it gives up (`maxReconnectAttempts`). */
  readonly attemptsMax: number
  /** Authentication errors at which it gives up (`ignoreAuthErrorAbort`), also when it was connected in between. */
  readonly authErrorsMax: number
  readonly timeoutMs: number
}

/** Of nats.js 3.4 (`nats-core/lib/options.js`, `protocol.js`). */
export const DEFAULT_SETTINGS: ClientSettings = {
  reconnectJitterMs: 100,
  reconnectJitterTlsMs: 1000,
  attemptsMax: 10,
  authErrorsMax: 2,
  timeoutMs: 20_000,
}

/** What the README tells clients to set. */
export const ADVISED_SETTINGS: ClientSettings = {
  reconnectJitterMs: 2000,
  reconnectJitterTlsMs: 2000,
  attemptsMax: Infinity,
  authErrorsMax: Infinity,
  timeoutMs: 20_000,
}

/** What a client tells of itself. */
export interface ClientEvents {
  connected(): void
  disconnected(): void
  /** An `-ERR` that counts as an authentication error, or the end of a connection that was being made. */
  failed(why: string): void
  closedForGood(): void
}

const RECONNECT_WAIT_MS = 2000

/**
 * Before a TLS handshake, as if the server were that far away: one that turns the client away does it meanwhile, and neither has
 * made keys for nothing.
 */
const NETWORK_DELAY_MS = 5

/**
 * A client with the timers and rules of nats.js 3.4 on a bare socket: thousands of
 * the library's own in one program need more of the machine than the servers under test.
 *
 * After a loss it connects at once, then not more often than every two seconds. An end of the connection before INFO or in the
 * TLS handshake is a failed attempt; one between these and PONG goes unnoticed until `timeoutMs` after the start of the attempt.
 */
export class BareClient {
  readonly #port: number
  readonly #secureContext: SecureContext | undefined
  readonly #settings: ClientSettings
  readonly #greeting: string
  readonly #events: ClientEvents
  #lastConnectMs = -Infinity
  #failures = 0
  #authErrors = 0
  #socket: Socket | undefined
  #ended = false

  constructor({ port, token, secureContext, settings }: BareClientOptions, events: ClientEvents) {
    this.#port = port
    this.#secureContext = secureContext
    this.#settings = settings
    this.#events = events
    const options = { protocol: 1, version: '3.4.0', lang: 'nats.js', verbose: false, pedantic: false }
    this.#greeting = `CONNECT ${JSON.stringify({ ...options, headers: true, no_responders: true, auth_token: token })}\r\nPING\r\n`
  }

  /** The first connection, however many attempts it takes, and then the life of the client. */
  async run(): Promise<void> {
    while (!(await this.#attempt())) await delay(200)
    this.#failures = 0
    this.#authErrors = 0
  }

  /** Ends the connection, and the client with it. */
  close(): void {
    this.#ended = true
    this.#socket?.destroy()
  }

  async #comeBack(): Promise<void> {
    const { reconnectJitterMs, reconnectJitterTlsMs, attemptsMax, authErrorsMax } = this.#settings
    const jitterMs = this.#secureContext === undefined ? reconnectJitterMs : reconnectJitterTlsMs
    while (!this.#ended && this.#authErrors < authErrorsMax && this.#failures < attemptsMax) {
      const waitMs = this.#lastConnectMs + RECONNECT_WAIT_MS + Math.random() * jitterMs - performance.now()
      if (waitMs > 0) await delay(waitMs)
      if (this.#ended || (await this.#attempt())) return
      this.#failures += 1
    }
    if (!this.#ended) this.#events.closedForGood()
  }

  #attempt(): Promise<boolean> {
    this.#lastConnectMs = performance.now()
    const socket = connect({ host: '127.0.0.1', port: this.#port, noDelay: true })
    this.#socket = socket
    const { promise, resolve } = Promise.withResolvers<boolean>()
    let state: 'dialling' | 'greeted' | 'connected' | 'over' = 'dialling'
    const fail = (why: string): void => {
      state = 'over'
      clearTimeout(timer)
      socket.destroy()
      this.#events.failed(why)
      resolve(false)
    }
    const timer = setTimeout(() => fail('no answer'), this.#settings.timeoutMs)
    const talk = (stream: Socket): void => {
      state = 'greeted'
      stream.write(this.#greeting)
      stream.on('data', (chunk) => {
        const text = chunk.toString('latin1')
        const error = /-ERR '([^']*)'/.exec(text)?.[1]
        if (error !== undefined && /auth/i.test(error)) {
          this.#authErrors += 1
          if (state === 'greeted') fail(error)
        } else if (state === 'greeted' && text.includes('PONG\r\n')) {
          state = 'connected'
          clearTimeout(timer)
          this.#failures = 0
          this.#events.connected()
          resolve(true)
        } else if (state === 'connected' && text.includes('PING\r\n')) stream.write('PONG\r\n')
      })
    }
    socket.on('error', () => {})
    const info = (chunk: Buffer): void => {
      if (!chunk.includes('\r\n')) return
      socket.off('data', info)
      if (chunk.includes('-ERR')) socket.destroy()
      else if (this.#secureContext === undefined) talk(socket)
      else setTimeout(secure, NETWORK_DELAY_MS, this.#secureContext)
    }
    const secure = (secureContext: SecureContext): void => {
      if (state !== 'dialling' || socket.destroyed) return
      const secured = connectTls({ socket, secureContext, servername: 'localhost' }, () => talk(secured))
      secured.on('error', () => {})
      secured.on('close', () => socket.destroy())
    }
    socket.on('data', info)
    socket.on('close', () => {
      if (state === 'dialling' || (this.#ended && state === 'greeted')) fail('closed before CONNECT')
      if (state !== 'connected') return
      state = 'over'
      this.#events.disconnected()
      void this.#comeBack()
    })
    return promise
  }
}
