import type { AuthorizationRequest } from '../core/request.ts'
import type { JwtClaims } from './jwt.ts'
import { certificateThumbprint, type ClientTls } from './client-certificate.ts'
import { decodePublicNkey } from './nkey.ts'

/**
 * The claims of an authorization request as nats-server writes them (nats-io/jwt `v2/authorization_claims.go`, filled
 * in nats-server `server/auth_callout.go`), as far as they are used. Go leaves empty strings out.
 */
export interface AuthorizationClaims {
  readonly iss: string
  readonly aud: string
  /** The issuer that the server expects in the answer. */
  readonly sub: string
  /** Epoch seconds. */
  readonly iat: number
  /** Epoch seconds: the end of the server's patience, cut to whole seconds. */
  readonly exp: number
  readonly nats: {
    readonly user_nkey: string
    readonly server_id: {
      readonly id: string
      readonly name: string
      readonly version?: string
      readonly cluster?: string
      readonly xkey?: string
    }
    readonly client_info: {
      readonly id: number
      readonly kind: string
      readonly host?: string
      readonly type?: string
      readonly name?: string
    }
    readonly connect_opts: {
      readonly auth_token?: string
      readonly user?: string
      readonly pass?: string
      /** Operator mode: the sentinel. */
      readonly jwt?: string
      readonly lang?: string
      readonly version?: string
    }
    readonly client_tls?: ClientTls
  }
}

const CLAIMS_TYPE = 'authorization_request'
const CLAIMS_VERSION = 2

/** Whether the claims have the shape that nats-server gives them. Says nothing about their values. */
export function isAuthorizationClaims(claims: JwtClaims): claims is JwtClaims & AuthorizationClaims {
  const nats = claims['nats']
  if (!hasStrings(claims, ['iss', 'aud', 'sub'])) return false
  if (!isWholeNumber(claims['iat']) || !isWholeNumber(claims['exp'])) return false
  if (!isObject(nats) || nats['type'] !== CLAIMS_TYPE || nats['version'] !== CLAIMS_VERSION) return false
  const { server_id: server, client_info: client, connect_opts: connect, client_tls: tls, user_nkey: userNkey } = nats
  return (
    typeof userNkey === 'string' &&
    decodePublicNkey('user', userNkey) !== undefined &&
    isObject(server) &&
    hasStrings(server, ['id', 'name'], ['version', 'cluster', 'xkey']) &&
    isObject(client) &&
    isWholeNumber(client['id']) &&
    hasStrings(client, ['kind'], ['host', 'type', 'name']) &&
    isObject(connect) &&
    hasStrings(connect, [], ['auth_token', 'user', 'pass', 'jwt', 'lang', 'version']) &&
    (tls === undefined || isClientTls(tls))
  )
}

/**
 * Maps verified claims to the request that the service knows. Strings are kept as they are. `client_info.user` is left
 * behind: for some clients and servers it is the raw token.
 */
export function toAuthorizationRequest(claims: AuthorizationClaims): AuthorizationRequest {
  const { server_id: server, client_info: client, connect_opts: connect, client_tls: tls } = claims.nats
  return {
    userNkey: claims.nats.user_nkey,
    issuerKey: claims.sub,
    server: {
      id: server.id,
      name: server.name,
      ...present({ version: server.version, cluster: server.cluster }),
    },
    client: {
      connectionId: client.id,
      host: client.host ?? '',
      kind: client.kind,
      ...present({
        connectionType: client.type,
        name: client.name,
        lang: connect.lang,
        version: connect.version,
        tlsVersion: tls?.version,
        certificateSha256: certificateThumbprint(tls),
      }),
      ...(tls?.verified_chains?.[0]?.[0] === undefined ? {} : { hasVerifiedCertificate: true }),
    },
    credentials: present({ authToken: connect.auth_token, password: connect.pass, user: connect.user }),
  }
}

function isClientTls(tls: unknown): boolean {
  if (!isObject(tls) || !hasStrings(tls, [], ['version'])) return false
  const { certs, verified_chains: chains } = tls
  return (
    (certs === undefined || isTextList(certs)) &&
    (chains === undefined || (Array.isArray(chains) && chains.every(isTextList)))
  )
}

function isTextList(value: unknown): boolean {
  return Array.isArray(value) && value.every((element) => typeof element === 'string')
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isWholeNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Go replaces what is not Unicode, so an unpaired surrogate does not come from a server. */
function hasStrings(object: JwtClaims, required: readonly string[], optional: readonly string[] = []): boolean {
  const isText = (value: unknown): boolean => typeof value === 'string' && value.isWellFormed()
  return (
    required.every((name) => isText(object[name])) &&
    optional.every((name) => object[name] === undefined || isText(object[name]))
  )
}

function present<Name extends string>(fields: Readonly<Record<Name, string | undefined>>): { [N in Name]?: string } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [N in Name]?: string
  }
}
