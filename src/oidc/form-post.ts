import { Agent as HttpAgent, request as requestHttp } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import type { FetchRules } from './document-fetch.ts'
import { answerTo, readBounded } from './http-answer.ts'
import { connectThroughProxy } from './http-tunnel.ts'

export interface FormPost {
  readonly parameters: Readonly<Record<string, string>>
  readonly authorization?: string
}

export interface FormAnswer {
  readonly status: number
  /** Media type without parameters, in lower case; empty when none is named. */
  readonly mediaType: string
  /** Empty unless the status is 200: what an error page says is of no use to us. */
  readonly body: Uint8Array
}

export interface FormClient extends Disposable {
  /** Sends a form and reads the answer whole; follows no redirect, never holds more than `maxBytes`. */
  post(url: URL, form: FormPost, rules: FetchRules): Promise<FormAnswer>
}

/** A connection in use is one question; so many more are kept for the next ones. */
const IDLE_CONNECTIONS_MAX = 8

/**
 * Over node's own client, with connections that are kept: a question waits for one round trip and not for a TLS
 * handshake. Through a proxy each question has a connection of its own.
 */
export function createFormClient(connectionsMax: number): FormClient {
  const agentOptions = { keepAlive: true, maxSockets: connectionsMax, maxFreeSockets: IDLE_CONNECTIONS_MAX }
  const agents = { http: new HttpAgent(agentOptions), https: new HttpsAgent(agentOptions) }

  async function open(
    url: URL,
    { authorization }: FormPost,
    length: number,
    rules: FetchRules,
  ): Promise<ClientRequest> {
    const { signal, ca, proxy } = rules
    const options = {
      method: 'POST',
      signal,
      headers: {
        accept: 'application/json',
        // Compression would let a small body become a large one behind the size limit.
        'accept-encoding': 'identity',
        'content-type': 'application/x-www-form-urlencoded',
        'content-length': length,
        ...(authorization === undefined ? {} : { authorization }),
      },
    }
    if (url.protocol !== 'https:') return requestHttp(url, { ...options, agent: agents.http })
    if (proxy === undefined) {
      return requestHttps(url, { ...options, agent: agents.https, ...(ca === undefined ? {} : { ca }) })
    }
    const socket = await connectThroughProxy(url, proxy, signal, ca)
    return requestHttps(url, { ...options, createConnection: () => socket })
  }

  return {
    async post(url, form, rules) {
      const content = new URLSearchParams(form.parameters).toString()
      const response = await answerOnKept(() => open(url, form, Buffer.byteLength(content), rules), content)
      const status = response.statusCode ?? 0
      if (status !== 200) response.destroy()
      return {
        status,
        mediaType: (response.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '',
        body: status === 200 ? await readBounded(response, rules.maxBytes) : new Uint8Array(),
      }
    },
    [Symbol.dispose]() {
      agents.http.destroy()
      agents.https.destroy()
    },
  }
}

/** A kept connection may have been closed by the other side in the meantime; then, and only then, a new one is tried. */
async function answerOnKept(open: () => Promise<ClientRequest>, content: string): Promise<IncomingMessage> {
  for (;;) {
    const request = await open()
    try {
      return await answerTo(request, content)
    } catch (error) {
      const wasClosed = error instanceof Error && 'code' in error && error.code === 'ECONNRESET'
      if (!request.reusedSocket || !wasClosed) throw error
    }
  }
}
