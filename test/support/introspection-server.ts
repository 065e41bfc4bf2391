import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { NOW_SECONDS } from './builders.ts'

/**
 * What the server does with a question: answer, status 500, 401, 400, accept and say nothing, send a byte at a time, send
 * as much as is taken, nothing at all, a web page, a redirect to a good answer, JSON under another type, half an answer.
 */
export type IntrospectionMode =
  | 'answer'
  | 'error'
  | 'unauthorized'
  | 'bad-request'
  | 'hang'
  | 'drip'
  | 'huge'
  | 'empty'
  | 'page'
  | 'redirect'
  | 'mislabelled'
  | 'truncated'

export interface Question {
  readonly path: string
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly form: Readonly<Record<string, string>>
  /** The port of the connection that it came on. */
  readonly port: number
}

/** A real HTTP server with metadata and an introspection endpoint. */
export interface IntrospectionServer extends AsyncDisposable {
  readonly issuer: string
  readonly endpoint: string
  /** Those to the endpoint. */
  readonly questions: readonly Question[]
  /** Requests for the metadata. */
  readonly metadataRequests: () => number
  mode: IntrospectionMode
  /** For questions about this token only. */
  readonly modeOf: Map<string, IntrospectionMode>
  /** What is said about a token; all others are not active. */
  readonly answers: Map<string, unknown>
  /** Members that replace those of the metadata. */
  metadata: Readonly<Record<string, unknown>>
}

/** What an issuer says about an access token of alice, good at `NOW_MS`. */
export function anActiveToken(change: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    active: true,
    sub: 'alice',
    client_id: 'cli',
    aud: 'nats',
    token_type: 'Bearer',
    iat: NOW_SECONDS - 60,
    exp: NOW_SECONDS + 3600,
    ...change,
  }
}

export async function startIntrospectionServer(tls?: { key: string; cert: string }): Promise<IntrospectionServer> {
  const questions: Question[] = []
  let metadataRequests = 0
  const listener: RequestListener = (request, response) => {
    if (request.url?.endsWith('/.well-known/openid-configuration') === true) {
      metadataRequests += 1
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ issuer: origin, introspection_endpoint: state.endpoint, ...state.metadata }))
      return
    }
    void answerQuestion(request, response)
  }
  const answerQuestion = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { url = '', method = '', headers } = request
    const form = Object.fromEntries(new URLSearchParams(await text(request)))
    const { token = '' } = form
    questions.push({ path: url, method, headers, form, port: request.socket.remotePort ?? 0 })
    answer(response, state.modeOf.get(token) ?? state.mode, state.answers.get(token) ?? { active: false })
  }
  const server = tls === undefined ? createServer(listener) : createHttpsServer(tls, listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`
  const state: IntrospectionServer = {
    issuer: origin,
    endpoint: `${origin}/introspect`,
    questions,
    metadataRequests: () => metadataRequests,
    mode: 'answer',
    modeOf: new Map(),
    answers: new Map(),
    metadata: {},
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  return state
}

const STATUS: Partial<Record<IntrospectionMode, number>> = { error: 500, unauthorized: 401, 'bad-request': 400 }

function answer(response: ServerResponse, mode: IntrospectionMode, content: unknown): void {
  const body = typeof content === 'string' ? content : JSON.stringify(content)
  response.setHeader('content-type', mode === 'page' || mode === 'mislabelled' ? 'text/html' : 'application/json')
  switch (mode) {
    case 'answer':
    case 'mislabelled':
      response.end(body)
      return
    case 'error':
    case 'unauthorized':
    case 'bad-request':
      response.writeHead(STATUS[mode] ?? 500).end('{"active":true}')
      return
    case 'hang':
      return
    case 'drip': {
      response.write(body.slice(0, 1))
      const timer = setInterval(() => response.write(' '), 5)
      response.on('close', () => clearInterval(timer))
      return
    }
    case 'huge':
      Readable.from(
        (function* () {
          for (;;) yield ' '.repeat(65_536)
        })(),
      ).pipe(response)
      return
    case 'empty':
      response.end()
      return
    case 'page':
      response.end('<!doctype html><p>Sign in to the network')
      return
    case 'redirect':
      response.writeHead(307, { location: '/moved' }).end()
      return
    case 'truncated':
      response.setHeader('content-length', body.length)
      response.write(body.slice(0, body.length / 2), () => response.destroy())
      return
    default:
      throw new TypeError(`unknown mode ${String(mode)}`)
  }
}
