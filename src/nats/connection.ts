import { connect, credsAuthenticator, errors, nkeyAuthenticator } from '@nats-io/transport-node'
import type { Authenticator, NatsConnection, NodeConnectionOptions, Status } from '@nats-io/transport-node'
import { CalloutError, assertNever } from '../core/errors.ts'
import type { CalloutEvents, ReadinessProbe } from '../service/events.ts'
import type { Clock } from '../service/ports.ts'
import { decodeSeed } from './nkey.ts'

/** How the service proves itself to nats-server. `label` names the file in errors. */
export type NatsCredentials =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | { readonly kind: 'nkey'; readonly seed: string; readonly label: string }
  | { readonly kind: 'creds'; readonly creds: string; readonly label: string }

export interface NatsLinkOptions {
  readonly servers: readonly string[]
  readonly credentials: NatsCredentials
  /**
   * PEM texts: certificates to trust in place of the system's, and our own. When set, or when a server is named with `tls://`, a
   * server that offers no TLS is refused; the library by itself would go on in the clear.
   */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string }
  /** Shown by the server's monitoring. */
  readonly name: string
  readonly clock: Clock
  readonly events: Pick<CalloutEvents, 'natsConnection' | 'unexpected'>
}

/**
 * Short: while we are away no client gets in, and a refused connection costs little. The library adds up to the jitter.
 */
const RECONNECT_WAIT_MS = 250
const RECONNECT_JITTER_MS = 250
/** A server that accepts the connection and then says nothing is given up after this long. */
const HANDSHAKE_TIMEOUT_MS = 5_000
/**
 * A dead peer, or a reader of ours that died, is noticed after at most three intervals; the library's own two minutes
 * are too long.
 */
const PING_INTERVAL_MS = 5_000
const PINGS_OUT_MAX = 2

const UNEXPLAINED = 'the connection ended'

/**
 * The connection of the service to nats-server: made once, kept for ever, re-made by the library after each loss. A
 * refused login is no reason to give up: the operator may be about to correct it, and the probe and the events say what
 * is wrong.
 */
export class NatsLink implements AsyncDisposable {
  /** Settles when the connection has ended for good, with the error if `close` was not the cause. Never rejects. */
  readonly closed: Promise<Error | undefined>
  /** The part `nats` of `/readyz`. */
  readonly probe: ReadinessProbe
  readonly #options: NatsLinkOptions
  readonly #connectOptions: NodeConnectionOptions
  readonly #closed = Promise.withResolvers<Error | undefined>()
  readonly #closing = new AbortController()
  #connection: NatsConnection | undefined
  #connected = false
  #why = 'not connected yet'
  #lastFault = UNEXPLAINED

  /** Throws `CalloutError('ERR_KEY_INVALID')` when the seed or the creds are not what they should be. */
  constructor(options: NatsLinkOptions) {
    this.#options = options
    this.#connectOptions = {
      ...loginOptions(options),
      name: options.name,
      timeout: HANDSHAKE_TIMEOUT_MS,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_WAIT_MS,
      reconnectJitter: RECONNECT_JITTER_MS,
      reconnectJitterTLS: RECONNECT_JITTER_MS,
      ignoreAuthErrorAbort: true,
      pingInterval: PING_INTERVAL_MS,
      maxPingOut: PINGS_OUT_MAX,
    }
    this.closed = this.#closed.promise
    this.probe = () => [
      this.#connected ? { part: 'nats', ready: true } : { part: 'nats', ready: false, why: this.#why },
    ]
  }

  /**
   * Connects, trying until it succeeds. Rejects only with an `AbortError`, when `close` was called meanwhile. The
   * library's own `waitOnFirstConnect` would do the same without a word about what is wrong and without an end.
   */
  async open(): Promise<NatsConnection> {
    for (;;) {
      try {
        this.#closing.signal.throwIfAborted()
        const connection = await connect(this.#connectOptions)
        if (this.#closing.signal.aborted) await connection.close()
        this.#closing.signal.throwIfAborted()
        this.#connection = connection
        this.#setConnected(connection.getServer())
        void this.#follow(connection)
        return connection
      } catch (error) {
        this.#closing.signal.throwIfAborted()
        this.#setDisconnected(messageOf(error))
        await this.#pause()
      }
    }
  }

  /** Whether what is published now goes out; while disconnected the library keeps it and then throws it away. */
  get connected(): boolean {
    return this.#connected
  }

  /** The connection, while what is published now goes out. */
  get connection(): NatsConnection | undefined {
    return this.#connected ? this.#connection : undefined
  }

  /** Gives up the connection for a new one, whatever its state; what was not sent yet is lost. */
  async reconnect(why: string): Promise<void> {
    if (!this.#connected) return
    this.#lastFault = why
    await this.#connection?.reconnect()
  }

  /** Sends what is buffered and closes; whatever was not drained before is lost. Safe to call again. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    if (this.#connection === undefined) this.#settleClosed(undefined)
    else await this.#connection.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #follow(connection: NatsConnection): Promise<void> {
    void connection.closed().then((error) => this.#settleClosed(error ?? undefined))
    for await (const status of connection.status()) this.#onStatus(status)
  }

  /**
   * For each attempt that a server refused the library says `disconnect` once more, and later as many times `reconnect`;
   * only changes count.
   */
  #onStatus(status: Status): void {
    if (status.type === 'disconnect' && this.#connected)
      this.#setDisconnected(`lost ${status.server}: ${this.#lastFault}`)
    if (status.type === 'reconnect' && !this.#connected) this.#setConnected(status.server)
    if (status.type === 'staleConnection') this.#lastFault = 'nats-server did not answer our pings'
    if (status.type === 'error') this.#onServerError(status.error)
  }

  /**
   * A permission that is missing loses answers in silence while everything else looks well: it is reported as loudly as
   * a bug.
   */
  #onServerError(error: Error): void {
    if (error instanceof errors.PermissionViolationError) this.#options.events.unexpected('nats.permissions', error)
    else if (this.#connected) this.#lastFault = error.message
    else this.#setDisconnected(error.message)
  }

  #setConnected(server: string): void {
    this.#connected = true
    this.#lastFault = UNEXPLAINED
    this.#why = ''
    this.#options.events.natsConnection('connected', server)
  }

  /** Attempts follow one another every half second; only news is reported. */
  #setDisconnected(why: string): void {
    this.#connected = false
    if (this.#why === why) return
    this.#why = why
    this.#options.events.natsConnection('disconnected', why)
  }

  #settleClosed(error: Error | undefined): void {
    this.#connected = false
    this.#why = 'closed'
    this.#options.events.natsConnection('closed', error === undefined ? 'closed by the service' : error.message)
    this.#closed.resolve(error)
  }

  async #pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#options.clock.after(RECONNECT_WAIT_MS, resolve)
    this.#closing.signal.addEventListener('abort', () => resolve(), { once: true })
    await promise
    cancel()
  }
}

/**
 * Servers, credentials and TLS as the library takes them, for a connection that is not kept. Without credentials: a client
 * that presents nothing. Throws `CalloutError('ERR_KEY_INVALID')` when the seed or the creds are not what they should be.
 */
export function loginOptions(
  options: Pick<NatsLinkOptions, 'servers' | 'tls'> & { readonly credentials?: NatsCredentials },
): NodeConnectionOptions {
  const { credentials, servers, tls } = options
  return {
    ...(credentials === undefined ? {} : authentication(credentials)),
    ...(wantsTls(options) ? { tls: { ...tls } } : {}),
    servers: [...servers],
  }
}

function wantsTls({ tls, servers }: Pick<NatsLinkOptions, 'servers' | 'tls'>): boolean {
  return tls !== undefined || servers.some((server) => server.startsWith('tls://'))
}

function authentication(credentials: NatsCredentials): NodeConnectionOptions {
  switch (credentials.kind) {
    case 'password':
      return { user: credentials.user, pass: credentials.password }
    case 'nkey': {
      const seed = credentials.seed.trim()
      if (decodeSeed('user', seed) === undefined) {
        throw new CalloutError('ERR_KEY_INVALID', `${credentials.label}: not a seed that begins with SU`)
      }
      return { authenticator: nkeyAuthenticator(Buffer.from(seed, 'latin1')) }
    }
    case 'creds':
      return { authenticator: checkedCreds(credentials) }
    default:
      return assertNever(credentials)
  }
}

/** The library reads the creds at each login, too late to tell the operator; so it reads them once here. */
function checkedCreds({ creds, label }: Extract<NatsCredentials, { kind: 'creds' }>): Authenticator {
  // The library wants a line break after the last line.
  const authenticator = credsAuthenticator(Buffer.from(`${creds}\n`, 'utf8'))
  try {
    authenticator('')
  } catch (cause) {
    throw new CalloutError('ERR_KEY_INVALID', `${label}: not a creds file with a user JWT and a user seed`, { cause })
  }
  return authenticator
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'an error without a message'
}
