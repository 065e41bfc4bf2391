import type { IncomingHttpHeaders, IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { NOW_SECONDS } from './builders.ts'
import { listenOnLoopback, misbehave, type Misbehaviour } from './hostile-http.ts'

/** What the server does with a question: answer, also with JSON under another type, status 500, 401, 400, or worse. */
export type IntrospectionMode = 'answer' | 'mislabelled' | 'error' | 'unauthorized' | 'bad-request' | Misbehaviour

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
  const server = await listenOnLoopback(listener, tls)
  const { origin } = server
  const state: IntrospectionServer = {
    issuer: origin,
    endpoint: `${origin}/introspect`,
    questions,
    metadataRequests: () => metadataRequests,
    mode: 'answer',
    modeOf: new Map(),
    answers: new Map(),
    metadata: {},
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
  return state
}

const STATUS: Partial<Record<IntrospectionMode, number>> = { error: 500, unauthorized: 401, 'bad-request': 400 }

function answer(response: ServerResponse, mode: IntrospectionMode, content: unknown): void {
  const body = typeof content === 'string' ? content : JSON.stringify(content)
  response.setHeader('content-type', mode === 'mislabelled' ? 'text/html' : 'application/json')
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
    case 'drip':
    case 'huge':
    case 'empty':
    case 'page':
    case 'redirect':
    case 'truncated':
    case 'upgrade':
      misbehave(response, mode, body, '')
  }
}
