import { v1 } from '@google-cloud/spanner-api'
import type { grpc } from 'google-gax'
import { CalloutError } from '../core/errors.ts'
import type { Clock, DeadlineMs } from '../service/ports.ts'
import { clientOptions } from './endpoint.ts'
import type { SpannerEndpoint } from './endpoint.ts'
import { ConnectionLost, DeadlinePassed, grpcFailure, STATUS } from './status.ts'

/**
 * A connection that has not answered anything for so long, while calls ran into their deadlines, is taken to be dead and
 * replaced. TCP may need minutes to find out that the path behind an established connection is gone.
 */
const SILENCE_MAX_MS = 1000
/** For each further connection until something answers: a slow handshake must be able to end. */
const SILENCE_AGAIN_MAX_MS = 2000

type UnaryMethod = (
  request: object,
  metadata: grpc.Metadata,
  options: { readonly deadline: number },
  callback: (error: unknown, response: unknown) => void,
) => { cancel(): void }

type StreamingMethod = (
  request: object,
  metadata: grpc.Metadata,
) => AsyncIterable<unknown> & { cancel(): void; on(event: 'error', listener: () => void): void }

/** What bounds a call whose answers go on coming. */
export interface StreamBounds {
  /** The call fails when nothing comes for so long. Time in which nobody asked for the next answer does not count. */
  readonly silenceMaxMs: number
  /** Ends the call. */
  readonly signal: AbortSignal
}

interface Connection {
  readonly stub: Readonly<Record<string, unknown>>
  readonly openedMs: number
  close(): void
}

export interface SpannerChannelOptions extends SpannerEndpoint {
  readonly clock: Clock
}

/**
 * Calls on the stub of the generated client. A unary one is bounded by its deadline whatever the peer does: gRPC gets the
 * deadline, and a timer of our own covers what gRPC does not (finding credentials, a connection that is being opened). A
 * streaming one is bounded by the silence between two answers.
 *
 * Calls go to the stub and not through the methods of the client: these leave a rejected `initialize()` unhandled, which
 * ends the process when credentials are missing, and parse the whole API description for each failure with details.
 * Nothing is retried here.
 */
export class SpannerChannel implements AsyncDisposable {
  readonly #options: SpannerChannelOptions
  #connection: Connection | undefined
  #opening: Promise<Connection> | undefined
  /** Since when calls have been waiting without any answer on the connection. */
  #silentSinceMs: number | undefined
  #silenceMaxMs = SILENCE_MAX_MS
  #closed = false

  constructor(options: SpannerChannelOptions) {
    this.#options = options
  }

  /** One call. Rejects with what gRPC reports, or with `DeadlinePassed`; never later than the deadline. */
  async call(method: string, request: object, metadata: grpc.Metadata, deadlineMs: DeadlineMs): Promise<unknown> {
    const connection = this.#connection ?? (await this.#open(deadlineMs))
    return this.#send(connection, method, request, metadata, deadlineMs)
  }

  /**
   * One call that is answered many times; ends when the peer says so. Reads no further than it is asked to. Throws what gRPC
   * reports, `DeadlinePassed` after silence, and whatever gRPC makes of it when the signal ends the call. Leaving the loop
   * ends the call too.
   */
  async *stream(
    method: string,
    request: object,
    metadata: grpc.Metadata,
    { silenceMaxMs, signal }: StreamBounds,
  ): AsyncGenerator<unknown, void, void> {
    const { clock } = this.#options
    const connection = this.#connection ?? (await this.#open(clock.monotonicMs() + silenceMaxMs))
    signal.throwIfAborted()
    const send = connection.stub[method] as StreamingMethod
    const call = send.call(connection.stub, request, metadata)
    // The end of a call that nobody waits for any more is an event too.
    call.on('error', () => {})
    const cancel = (): void => call.cancel()
    signal.addEventListener('abort', cancel)
    const answers = call[Symbol.asyncIterator]()
    try {
      for (;;) {
        const next = await this.#withoutSilence(answers.next(), method, connection, silenceMaxMs)
        if (next.done === true) return
        this.#heard()
        yield next.value
      }
    } finally {
      signal.removeEventListener('abort', cancel)
      cancel()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    const connection = this.#connection ?? (await this.#opening?.catch(() => undefined))
    this.#connection = undefined
    connection?.close()
  }

  #send(
    connection: Connection,
    method: string,
    request: object,
    metadata: grpc.Metadata,
    deadlineMs: DeadlineMs,
  ): Promise<unknown> {
    if (this.#connection !== connection) return Promise.reject(new ConnectionLost())
    const { clock } = this.#options
    const startedMs = clock.monotonicMs()
    const leftMs = deadlineMs - startedMs
    if (leftMs <= 0) return Promise.reject(new DeadlinePassed(`${method}: the deadline passed before the call`))
    this.#silentSinceMs ??= startedMs
    return new Promise((resolve, reject) => {
      let settled = false
      const expire = (): void => {
        if (settled) return
        settled = true
        this.#replaceWhenSilent(connection)
        reject(new DeadlinePassed(`${method}: no answer`))
      }
      const send = connection.stub[method] as UnaryMethod
      const call = send.call(
        connection.stub,
        request,
        metadata,
        { deadline: clock.nowMs() + leftMs },
        (error, response) => {
          if (settled) return
          if (grpcFailure(error)?.code === STATUS.deadlineExceeded) return expire()
          settled = true
          cancelTimer()
          if (error === null || error === undefined) {
            this.#heard()
            resolve(response)
            return
          }
          // UNAVAILABLE is made on this side too, by a connection that could not be opened.
          if (grpcFailure(error)?.code !== STATUS.unavailable) this.#heard()
          reject(error)
        },
      )
      const cancelTimer = clock.after(leftMs, () => {
        expire()
        call.cancel()
      })
    })
  }

  async #withoutSilence<T>(
    answer: Promise<T>,
    method: string,
    connection: Connection,
    silenceMaxMs: number,
  ): Promise<T> {
    const { clock } = this.#options
    const startedMs = clock.monotonicMs()
    let cancelTimer = (): void => {}
    const silence = new Promise<never>((_, reject) => {
      cancelTimer = clock.after(silenceMaxMs, () => {
        this.#silentSinceMs ??= startedMs
        this.#replaceWhenSilent(connection)
        reject(new DeadlinePassed(`${method}: nothing came for ${silenceMaxMs} ms`))
      })
    })
    answer.catch(() => {})
    try {
      return await Promise.race([answer, silence])
    } finally {
      cancelTimer()
    }
  }

  #heard(): void {
    this.#silentSinceMs = undefined
    this.#silenceMaxMs = SILENCE_MAX_MS
  }

  #replaceWhenSilent(connection: Connection): void {
    const nowMs = this.#options.clock.monotonicMs()
    if (this.#connection !== connection || this.#silentSinceMs === undefined) return
    if (nowMs - Math.max(this.#silentSinceMs, connection.openedMs) < this.#silenceMaxMs) return
    this.#silenceMaxMs = SILENCE_AGAIN_MAX_MS
    this.#connection = undefined
    connection.close()
  }

  async #open(deadlineMs: DeadlineMs): Promise<Connection> {
    if (this.#closed) throw new CalloutError('ERR_STORE_UNAVAILABLE', 'the connection to Spanner is closed')
    this.#opening ??= this.#connect().finally(() => (this.#opening = undefined))
    const { clock } = this.#options
    let cancelTimer = (): void => {}
    const expired = new Promise<never>((_, reject) => {
      cancelTimer = clock.after(Math.max(0, deadlineMs - clock.monotonicMs()), () =>
        reject(new DeadlinePassed('no credentials for Spanner yet')),
      )
    })
    try {
      return await Promise.race([this.#opening, expired])
    } finally {
      cancelTimer()
    }
  }

  async #connect(): Promise<Connection> {
    const client = new v1.SpannerClient(clientOptions(this.#options))
    const stub = (await client.initialize().catch(noCredentials)) as unknown as Record<string, unknown> & {
      close(): void
    }
    const connection = { stub, openedMs: this.#options.clock.monotonicMs(), close: () => stub.close() }
    this.#connection = connection
    return connection
  }
}

/** Making the stub calls nothing but what is needed to find credentials. */
export function noCredentials(error: unknown): never {
  const why = error instanceof Error ? error.message : String(error)
  throw new CalloutError('ERR_STORE_UNAVAILABLE', `no credentials for Spanner: ${why}`, { cause: error })
}
