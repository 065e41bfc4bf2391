import { errors } from 'oidc-provider'
import type { Configuration, JWK, KoaContextWithOIDC, ResourceServerInstance } from 'oidc-provider'
import { createProviderStore } from './openid-provider-store.ts'

/** Where the login page of an interaction is. */
export const LOGIN_PATH = '/login/'

/** The public client with which persons sign in; it has no secret (RFC 8628 §5.6). */
export const DEVICE_CLIENT_ID = 'cli'

const SCOPE = 'connect'
const HOUR_S = 3600
const TEN_MINUTES_S = 600

/** How long ago an "expired" token was issued: older than any clock tolerance of a verifier. */
const EXPIRED_SINCE_S = HOUR_S

export interface ProviderSettings {
  readonly signingKey: JWK
  readonly cookieKey: string
  /** Client ids that may use the client credentials grant, all with the same secret. */
  readonly clients: readonly string[]
  readonly clientSecret: string
  /** Name of a person → groups. */
  readonly people: Readonly<Record<string, readonly string[]>>
  readonly defaultAudience: string
  readonly tokenLifetimeSeconds: number
}

/** What kind of access token a resource gets. */
export type TokenKind = 'audience' | 'expired' | 'opaque'

/**
 * The resource (RFC 8707) for which a token with the audience is issued: a JWT, a JWT that has expired, or an opaque
 * token. A provider that issues expired tokens on demand is what makes this one a development tool: nobody has to wait
 * for one.
 */
export function resourceFor(audience: string, kind: TokenKind = 'audience'): string {
  return `urn:${kind}:${audience}`
}

/** Everything that the package would otherwise announce on the console as a default to be changed is set here. */
export function providerConfiguration(settings: ProviderSettings): Configuration {
  const defaultResource = resourceFor(settings.defaultAudience)
  return {
    adapter: createProviderStore(),
    jwks: { keys: [settings.signingKey] },
    cookies: { keys: [settings.cookieKey] },
    clients: [...settings.clients.map((id) => serviceClient(id, settings.clientSecret)), deviceClient()],
    scopes: ['openid', SCOPE],
    claims: { openid: ['sub'] },
    clientBasedCORS: () => false,
    findAccount: (_context, id) =>
      Object.hasOwn(settings.people, id) ? { accountId: id, claims: () => ({ sub: id }) } : undefined,
    extraTokenClaims: (_context, token) => {
      const accountId = 'accountId' in token ? token.accountId : undefined
      return accountId === undefined ? {} : { groups: settings.people[accountId] ?? [] }
    },
    loadExistingGrant: (context) => grantEverythingAskedFor(context, defaultResource),
    interactions: { url: (_context, interaction) => `${LOGIN_PATH}${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      deviceFlow: { enabled: true, ...devicePages },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_context, _client, oneOf) => (typeof oneOf === 'string' ? oneOf : defaultResource),
        useGrantedResource: () => true,
        getResourceServerInfo: (_context, resource) => resourceServer(resource, settings.tokenLifetimeSeconds),
      },
    },
    formats: {
      customizers: {
        jwt: (_context, token, parts) => {
          if (token.resourceServer !== undefined && isForExpired(token.resourceServer)) backdate(parts.payload)
        },
      },
    },
    renderError: (context, out) => {
      context.type = 'text/plain'
      context.body = `${out.error}: ${out.error_description ?? ''}\n`
    },
    ttl: {
      AccessToken: settings.tokenLifetimeSeconds,
      ClientCredentials: settings.tokenLifetimeSeconds,
      DeviceCode: TEN_MINUTES_S,
      IdToken: HOUR_S,
      Interaction: HOUR_S,
      Session: HOUR_S,
      Grant: HOUR_S,
    },
  }
}

function serviceClient(id: string, secret: string) {
  return {
    client_id: id,
    client_secret: secret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  }
}

function deviceClient() {
  return {
    client_id: DEVICE_CLIENT_ID,
    token_endpoint_auth_method: 'none' as const,
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
    redirect_uris: [],
    response_types: [],
  }
}

function resourceServer(resource: string, lifetimeSeconds: number) {
  const audience = /^urn:(?:audience|expired|opaque):([A-Za-z0-9_-]{1,64})$/.exec(resource)?.[1]
  if (audience === undefined) throw new errors.InvalidTarget(`the resource must be ${resourceFor('<audience>')}`)
  const common = { audience, scope: SCOPE, accessTokenTTL: lifetimeSeconds }
  return resource.startsWith('urn:opaque:')
    ? { ...common, accessTokenFormat: 'opaque' as const }
    : { ...common, accessTokenFormat: 'jwt' as const, jwt: { sign: { alg: 'RS256' as const } } }
}

function isForExpired(resource: ResourceServerInstance): boolean {
  return resource.identifier().startsWith('urn:expired:')
}

function backdate(claims: Record<string, unknown>): void {
  const [issuedAt, expiresAt] = [Number(claims['iat']), Number(claims['exp'])]
  claims['exp'] = issuedAt - EXPIRED_SINCE_S
  claims['iat'] = 2 * issuedAt - EXPIRED_SINCE_S - expiresAt
}

/** A local provider has nobody whose consent is worth a page. */
async function grantEverythingAskedFor(context: KoaContextWithOIDC, defaultResource: string) {
  const { provider, session, client, params } = context.oidc
  const grant = new provider.Grant({ clientId: client?.clientId, accountId: session?.accountId })
  const requested = params?.['resource']
  const resources = Array.isArray(requested) ? requested : [requested ?? defaultResource]
  grant.addOIDCScope(`openid ${SCOPE}`)
  for (const resource of resources) grant.addResourceScope(String(resource), SCOPE)
  await grant.save()
  return grant
}

/** Plain pages; the forms in them are the package's own. */
const devicePages = {
  userCodeInputSource(context: KoaContextWithOIDC, form: string, _out: unknown, error: unknown) {
    const message = error === undefined ? 'Enter the code that your terminal shows.' : 'This code is not valid.'
    context.body = page(message, `${form}<button type="submit" form="op.deviceInputForm">Continue</button>`)
  },
  userCodeConfirmSource(context: KoaContextWithOIDC, form: string, _client: unknown, _info: unknown, code: string) {
    const button = '<button autofocus type="submit" form="op.deviceConfirmForm">Continue</button>'
    context.body = page(`Does your terminal show the code ${code}?`, form + button)
  },
  successSource(context: KoaContextWithOIDC) {
    context.body = page('You are signed in. Go back to your terminal.', '')
  },
}

/** `message` is ours; `form` is markup. */
export function page(message: string, form: string): string {
  const head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Local OpenID provider</title>'
  return `${head}<body><p>${message}</p>${form}</body></html>`
}
