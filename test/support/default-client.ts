import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** What a client tells of itself. */
export interface ClientEvents {
  connected(): void
  disconnected(): void
  /** An `-ERR` that counts as an authentication error, or the end of a connection that was being made. */
  failed(why: string): void
  closedForGood(): void
}

const RECONNECT_WAIT_MS = 2000
const JITTER_MS = 100
const ATTEMPTS_MAX = 10
const TIMEOUT_MS = 20_000

/**
 * A client with the timers and rules of nats.js 3.4 with default settings (`nats-core/lib/protocol.js`), on a bare socket:
 * thousands of the library's own in one program need more of the machine than the servers under test.
 *
 * After a loss it connects at once, then not more often than every two seconds. It gives up after ten failed attempts in a row,
 * and at the second authentication error, also when it was connected in between. An end of the connection before INFO is a
 * failed attempt; one between INFO and PONG goes unnoticed until 20 s after the start of the attempt.
 */
export class DefaultClient {
  readonly #port: number
  readonly #greeting: string
  readonly #events: ClientEvents
  #lastConnectMs = -Infinity
  #failures = 0
  #authErrors = 0
  #socket: Socket | undefined
  #ended = false

  constructor(port: number, token: string, events: ClientEvents) {
    this.#port = port
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
    while (!this.#ended && this.#authErrors < 2 && this.#failures < ATTEMPTS_MAX) {
      const waitMs = this.#lastConnectMs + RECONNECT_WAIT_MS + Math.random() * JITTER_MS - performance.now()
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
    const timer = setTimeout(() => fail('no answer'), TIMEOUT_MS)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      const text = chunk.toString('latin1')
      if (state === 'dialling' && text.includes('\r\n')) {
        state = 'greeted'
        socket.write(this.#greeting)
      }
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
      } else if (state === 'connected' && text.includes('PING\r\n')) socket.write('PONG\r\n')
    })
    socket.on('close', () => {
      if (state === 'dialling' || (this.#ended && state === 'greeted')) fail('closed before INFO')
      if (state !== 'connected') return
      state = 'over'
      this.#events.disconnected()
      void this.#comeBack()
    })
    return promise
  }
}
