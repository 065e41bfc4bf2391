import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ReadinessCheck, ReadinessProbe } from '../service/events.ts'
import { describeError } from './logged-error.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'

export interface HttpOptions {
  /** Port 0 asks the system for a free one. */
  readonly listen: { readonly host: string; readonly port: number }
  /** Asked at each `/readyz`; may grow after the start. Without any, the service is starting and not ready. */
  readonly probes: readonly ReadinessProbe[]
  readonly metrics: Pick<Metrics, 'exposition' | 'contentType'>
  readonly logger: Logger
}

/** Probes and scrapers send a line and a few headers, on a handful of connections. */
const HEADER_BYTES_MAX = 8 * 1024
const CONNECTIONS_MAX = 64
const REQUEST_TIMEOUT_MS = 5_000
const KEEP_ALIVE_MS = 5_000

interface Page {
  readonly status: number
  readonly type: string
  readonly body: string
}

/**
 * `/livez`, `/readyz` (`?format=json`) and `/metrics` over plain HTTP, for the host and its network only: there is no
 * authentication. Liveness means that the event loop turns; it depends on no other system, so that a blip of one
 * does not restart the fleet.
 */
export class HttpEndpoints implements AsyncDisposable {
  readonly #server: Server
  readonly #options: HttpOptions
  #url = ''

  private constructor(options: HttpOptions) {
    this.#options = options
    this.#server = createServer(
      {
        maxHeaderSize: HEADER_BYTES_MAX,
        headersTimeout: REQUEST_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        connectionsCheckingInterval: REQUEST_TIMEOUT_MS,
      },
      (request, response) => void this.#answer(request, response),
    )
    this.#server.maxConnections = CONNECTIONS_MAX
  }

  /** Listens; rejects with the error of the system when it cannot. */
  static async listen(options: HttpOptions): Promise<HttpEndpoints> {
    const endpoints = new HttpEndpoints(options)
    const { host, port } = options.listen
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    endpoints.#server.once('error', reject)
    endpoints.#server.listen(port, host, resolve)
    await promise
    endpoints.#server.off('error', reject)
    endpoints.#url = urlOf(endpoints.#server.address() as AddressInfo)
    endpoints.#server.on('error', (error) => options.logger.error({ error: describeError(error) }, 'http endpoint'))
    options.logger.info({ event: 'http_listening', url: endpoints.url }, 'health and metrics are served')
    return endpoints
  }

  /** `http://127.0.0.1:8222`, with the port that was really taken. */
  get url(): string {
    return this.#url
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    this.#server.closeAllConnections()
    await promise
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const page = await this.#page(request).catch((error: unknown): Page => {
      this.#options.logger.error(
        { event: 'unexpected', where: 'http', error: describeError(error) },
        'a bug was caught',
      )
      return text(500, 'internal error\n')
    })
    response.writeHead(page.status, {
      'content-type': page.type,
      'content-length': Buffer.byteLength(page.body),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...(page.status === 405 ? { allow: 'GET, HEAD' } : {}),
      // A body that nobody reads must not be taken for the next request.
      ...(request.method === 'GET' || request.method === 'HEAD' ? {} : { connection: 'close' }),
    })
    response.end(request.method === 'HEAD' ? undefined : page.body)
  }

  async #page(request: IncomingMessage): Promise<Page> {
    if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'only GET and HEAD\n')
    const [path, query = ''] = (request.url ?? '').split('?', 2)
    if (path === '/livez') return text(200, 'ok\n')
    if (path === '/readyz') return readiness(this.#checks(), new URLSearchParams(query).get('format') === 'json')
    if (path === '/metrics') {
      const { metrics } = this.#options
      return { status: 200, type: metrics.contentType, body: await metrics.exposition() }
    }
    return text(404, 'try /livez, /readyz or /metrics\n')
  }

  #checks(): readonly ReadinessCheck[] {
    const { probes, logger } = this.#options
    if (probes.length === 0) return [{ part: 'service', ready: false, why: 'starting' }]
    return probes.flatMap((probe) => {
      try {
        return probe()
      } catch (error) {
        logger.error({ event: 'unexpected', where: 'readiness', error: describeError(error) }, 'a bug was caught')
        return [{ part: 'probe', ready: false, why: 'the probe failed; see the log' }]
      }
    })
  }
}

function urlOf({ address, family, port }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

function readiness(checks: readonly ReadinessCheck[], asJson: boolean): Page {
  const ready = checks.every((check) => check.ready)
  const status = ready ? 200 : 503
  if (asJson) return { status, type: 'application/json', body: `${JSON.stringify({ ready, checks })}\n` }
  const lines = checks.map(({ part, ready: partReady, why }) =>
    oneLine(`${partReady ? '[+]' : '[-]'} ${part}${why === undefined ? '' : `: ${why}`}`),
  )
  return text(status, [...lines, ready ? 'ready' : 'not ready', ''].join('\n'))
}

/** A reason may quote another system. */
function oneLine(line: string): string {
  return line.replace(/\p{Cc}/gu, ' ')
}

function text(status: number, body: string): Page {
  return { status, type: 'text/plain; charset=utf-8', body }
}
