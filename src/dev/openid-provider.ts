import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'
import { deviceLogin } from './device-login.ts'
import { freePort } from './free-port.ts'
import { LOGIN_PATH, page, providerConfiguration, resourceFor } from './openid-provider-configuration.ts'
import type { TokenKind } from './openid-provider-configuration.ts'

const HOUR_S = 3600

/** A login form holds one name. */
const MAX_FORM_BYTES = 4096

export interface OpenIdProviderOptions {
  readonly port?: number
  /** Address to listen on; the issuer is always `http://127.0.0.1:<port>`. */
  readonly host?: string
  /** Client ids for the client credentials grant. */
  readonly clients?: readonly string[]
  readonly clientSecret?: string
  /** Name of a person → groups. */
  readonly people?: Readonly<Record<string, readonly string[]>>
  /** Audience of tokens that are asked for without one. */
  readonly audience?: string
  readonly tokenLifetimeSeconds?: number
}

export interface TokenRequest {
  readonly audience?: string
  /** A token that expired an hour ago, signed by the provider all the same. */
  readonly expired?: boolean
  /** A token that only the provider can read; it tells every service client about it (RFC 7662). */
  readonly opaque?: boolean
}

/** A real OpenID provider that runs in this process. */
export interface OpenIdProvider extends AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly issuer: string
  readonly tokenEndpoint: string
  /** The one secret of every service client. */
  readonly clientSecret: string
  /** An access token of a service for itself. */
  clientCredentials(clientId: string, request?: TokenRequest): Promise<string>
  /** An access token of a person, by the device flow with a headless browser. */
  deviceLogin(person: string, request?: TokenRequest): Promise<string>
  /** Makes an opaque token of a service inactive (RFC 7009). */
  revoke(clientId: string, token: string): Promise<void>
  stop(): Promise<void>
}

export const DEFAULT_AUDIENCE = 'nats'
export const DEFAULT_CLIENTS = ['orders-service', 'reporting', 'intruder'] as const
export const DEFAULT_PEOPLE = { alice: ['engineering'], bob: ['support'], mallory: [] } as const

/**
 * Starts a certified OpenID provider (`oidc-provider`) with a fresh signing key. Access tokens are JWTs of RFC 9068
 * (`typ` at+jwt, RS256) with the `groups` of the person. Services use client credentials; persons the device flow
 * (RFC 8628), where a name is all the login page asks for. For development only: it believes every name and issues
 * tokens for every audience.
 */
export async function startOpenIdProvider(options: OpenIdProviderOptions = {}): Promise<OpenIdProvider> {
  const port = options.port ?? (await freePort())
  const issuer = `http://127.0.0.1:${port}`
  const clientSecret = options.clientSecret ?? randomBytes(24).toString('base64url')
  const people = options.people ?? DEFAULT_PEOPLE
  const audience = options.audience ?? DEFAULT_AUDIENCE
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const kid = randomBytes(8).toString('hex')
  const provider = new Provider(
    issuer,
    providerConfiguration({
      signingKey: { ...(await exportJWK(privateKey)), kty: 'RSA', kid, alg: 'RS256', use: 'sig' },
      cookieKey: randomBytes(32).toString('base64url'),
      clients: options.clients ?? DEFAULT_CLIENTS,
      clientSecret,
      people,
      defaultAudience: audience,
      tokenLifetimeSeconds: options.tokenLifetimeSeconds ?? HOUR_S,
    }),
  )
  const server = createServer(withLoginPage(provider, people))
  server.listen(port, options.host ?? '127.0.0.1')
  await once(server, 'listening')

  const tokenEndpoint = `${issuer}/token`
  const resourceOf = (request: TokenRequest = {}): string => resourceFor(request.audience ?? audience, kindOf(request))
  const stop = async (): Promise<void> => {
    if (!server.listening) return
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  return {
    issuer,
    tokenEndpoint,
    clientSecret,
    clientCredentials: (clientId, request) =>
      clientCredentials(tokenEndpoint, clientId, clientSecret, resourceOf(request)),
    async revoke(clientId, token) {
      const { status } = await postAs(`${tokenEndpoint}/revocation`, clientId, clientSecret, { token })
      if (status !== 200) throw new Error(`the token of ${clientId} was not revoked: status ${status}`)
    },
    deviceLogin: (person, request) => deviceLogin(issuer, person, resourceOf(request)),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

async function clientCredentials(
  tokenEndpoint: string,
  clientId: string,
  clientSecret: string,
  resource: string,
): Promise<string> {
  const grant = { grant_type: 'client_credentials', scope: 'connect', resource }
  const response = await postAs(tokenEndpoint, clientId, clientSecret, grant)
  const answer = (await response.json()) as { access_token?: string; error?: string; error_description?: string }
  if (answer.access_token === undefined) {
    throw new Error(`no token for ${clientId}: ${answer.error ?? response.status} ${answer.error_description ?? ''}`)
  }
  return answer.access_token
}

function postAs(url: string, clientId: string, clientSecret: string, form: Record<string, string>): Promise<Response> {
  const basic = Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`).toString('base64')
  return fetch(url, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams(form),
  })
}

function kindOf({ expired = false, opaque = false }: TokenRequest): TokenKind {
  if (opaque) return 'opaque'
  return expired ? 'expired' : 'audience'
}

function withLoginPage(provider: Provider, people: Readonly<Record<string, unknown>>): RequestListener {
  const handle = provider.callback()
  return (request, response) => {
    if (request.url?.startsWith(LOGIN_PATH) !== true) {
      void handle(request, response)
      return
    }
    answerLogin(provider, people, request, response).catch(() => {
      response.writeHead(400, { 'content-type': 'text/plain' }).end('this login is over; start again\n')
    })
  }
}

async function answerLogin(
  provider: Provider,
  people: Readonly<Record<string, unknown>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  await provider.interactionDetails(request, response)
  if (request.method === 'POST' && Number(request.headers['content-length'] ?? MAX_FORM_BYTES) < MAX_FORM_BYTES) {
    const name = new URLSearchParams(await text(request)).get('name') ?? ''
    if (Object.hasOwn(people, name)) {
      await provider.interactionFinished(request, response, { login: { accountId: name } })
      return
    }
  }
  const field = '<form method="post"><input name="name" autofocus><button>Sign in</button></form>'
  response.setHeader('content-type', 'text/html; charset=utf-8')
  response.end(page(`Who are you? One of: ${Object.keys(people).join(', ')}`, field))
}

/** `node src/dev/openid-provider.ts --port 9000`: the provider as a process of its own, until it gets a signal. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '9000' },
      host: { type: 'string', default: '127.0.0.1' },
      'client-secret-file': { type: 'string' },
    },
  })
  const secretFile = values['client-secret-file']
  const provider = await startOpenIdProvider({
    port: Number(values.port),
    host: values.host,
    ...(secretFile !== undefined && { clientSecret: readFileSync(secretFile, 'utf8').trim() }),
  })
  process.stdout.write(`OpenID provider ready: ${provider.issuer}/.well-known/openid-configuration\n`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void provider.stop())
}

if (import.meta.main) await main()
