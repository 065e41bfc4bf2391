import { CalloutError } from '../core/errors.ts'
import type {
  IdentityConfig,
  IntrospectionConfig,
  IssuerConfig,
  IssuerKeys,
  KeyHttpConfig,
  KeyRefreshConfig,
  MatchConfig,
} from './config.ts'
import { GROUPS_MAX } from './identity-schema.ts'
import type { IdentityEntry } from './identity-schema.ts'
import type { IntrospectionEntry } from './introspection-schema.ts'
import type { MatchEntry } from './match-schema.ts'
import type { ConfigFile } from './schema.ts'

type IssuerEntry = ConfigFile['issuers'][number]

/** RFC 9068 §2.1 demands its type; ID tokens must not be taken for what carries it. */
const TOKEN_TYPES = { generic: ['JWT', 'at+jwt'], rfc9068: ['at+jwt'], id_token: ['JWT'] } as const

/** One checked entry of `issuers` in our own words; `path` makes a path of the file absolute. */
export function toIssuer(entry: IssuerEntry, path: (written: string) => string): IssuerConfig {
  return {
    id: entry.id,
    issuer: entry.issuer,
    ...(entry.tenants === undefined ? {} : { tenants: entry.tenants }),
    ...(entry.keys === undefined ? {} : { keys: toKeys(entry.keys, path) }),
    ...(entry.introspection === undefined ? {} : { introspection: toIntrospection(entry.introspection, path) }),
    algorithms: entry.algorithms ?? [],
    tokenTypes: entry.token_types ?? TOKEN_TYPES[entry.profile],
    profile: entry.profile,
    audiences: entry.audiences ?? [],
    ...(entry.audiences_none_because === undefined ? {} : { audiencesNoneBecause: entry.audiences_none_because }),
    authorizedParties: entry.authorized_parties,
    match: entry.match.map(toMatch),
    clockSkewMs: entry.clock_skew,
    maxLifetimeMs: entry.max_lifetime,
    ...(entry.max_age === undefined ? {} : { maxAgeMs: entry.max_age }),
    requireClaims: entry.require_claims ?? [],
    senderConstraint: entry.sender_constraint,
    http: toKeyHttp(entry.http, path),
    refresh: toKeyRefresh(entry.refresh),
    identity: toIdentity(entry.identity),
  }
}

function toKeys(keys: NonNullable<IssuerEntry['keys']>, path: (written: string) => string): IssuerKeys {
  if (keys.discovery !== undefined) {
    return { discovery: keys.discovery.url === undefined ? {} : { url: keys.discovery.url } }
  }
  if (keys.jwks_uri !== undefined) return { jwksUri: keys.jwks_uri }
  if (keys.jwks_file !== undefined) return { jwksFile: path(keys.jwks_file) }
  throw unchecked('keys')
}

function toIntrospection(entry: IntrospectionEntry, path: (written: string) => string): IntrospectionConfig {
  return {
    ...(entry.endpoint === undefined ? {} : { endpoint: entry.endpoint }),
    client: toClient(entry, path),
    cacheMs: entry.cache,
    negativeCacheMs: entry.negative_cache,
    ...(entry.token_prefix === undefined ? {} : { tokenPrefix: entry.token_prefix }),
    maxInFlight: entry.max_in_flight,
  }
}

function toClient(entry: IntrospectionEntry, path: (written: string) => string): IntrospectionConfig['client'] {
  const { auth: method, client_id: clientId, algorithm, key_id: keyId } = entry
  const { client_secret_file: secretFile, private_key_file: keyFile } = entry
  if (method !== 'private_key_jwt') {
    if (secretFile === undefined) throw unchecked('introspection.client_secret_file')
    return { clientId, method, secretFile: path(secretFile) }
  }
  if (keyFile === undefined || algorithm === undefined) throw unchecked('introspection.private_key_file')
  return { clientId, method, keyFile: path(keyFile), algorithm, ...(keyId === undefined ? {} : { keyId }) }
}

function toMatch(entry: MatchEntry): MatchConfig {
  const { path, equals, any_of: anyOf, all_of: allOf, none_of: noneOf, prefix, glob, present } = entry
  if (equals !== undefined) return { path, equals }
  if (anyOf !== undefined) return { path, anyOf }
  if (allOf !== undefined) return { path, allOf }
  if (noneOf !== undefined) return { path, noneOf }
  if (prefix !== undefined) return { path, prefix }
  if (glob !== undefined) return { path, glob }
  return present === undefined ? { path, absent: true } : { path, present }
}

function toKeyHttp(http: IssuerEntry['http'], path: (written: string) => string): KeyHttpConfig {
  return {
    timeoutMs: http.timeout,
    maxBytes: http.max_bytes,
    ...(http.ca_file === undefined ? {} : { caFile: path(http.ca_file) }),
    ...(http.bearer_token_file === undefined ? {} : { bearerTokenFile: path(http.bearer_token_file) }),
    ...(http.proxy === undefined ? {} : { proxy: http.proxy }),
    ...(http.allowed_hosts === undefined ? {} : { allowedHosts: http.allowed_hosts }),
  }
}

function toKeyRefresh(refresh: IssuerEntry['refresh']): KeyRefreshConfig {
  return {
    intervalMs: refresh.interval,
    minIntervalMs: refresh.min_interval,
    maxStaleMs: refresh.max_stale,
    backoffMinMs: refresh.backoff_min,
    backoffMaxMs: refresh.backoff_max,
  }
}

/** Where RFC 9068 §2.2 and OpenID Connect Core §2 put the client. */
const CLIENT_ID_PATHS = [['client_id'], ['azp']]

function toIdentity(identity: IssuerEntry['identity']): IdentityConfig {
  const { path, first_of: firstOf } = identity.client_id
  const { display } = identity
  return {
    subject: toSubject(identity.subject),
    clientId: path === undefined ? (firstOf ?? CLIENT_ID_PATHS) : [path],
    ...(identity.groups === undefined ? {} : { groups: toGroups(identity.groups) }),
    kind: toKind(identity.kind),
    attributes: Object.fromEntries(Object.entries(identity.attributes).map(([name, value]) => [name, value.path])),
    ...(display === undefined
      ? {}
      : {
          display: { path: display.path, ...(display.requires === undefined ? {} : { requires: display.requires }) },
        }),
  }
}

function toSubject({ path, first_of: firstOf, join }: IdentityEntry['subject']): IdentityConfig['subject'] {
  if (join !== undefined) return { join: join.parts, separator: join.separator ?? '/' }
  return firstOf === undefined ? { path: path ?? ['sub'] } : { firstOf }
}

function toGroups({ path, split, prefix, max }: NonNullable<IdentityEntry['groups']>): IdentityConfig['groups'] & {} {
  return {
    path,
    ...(split === undefined ? {} : { split }),
    ...(prefix === undefined ? {} : { prefix }),
    max: max ?? GROUPS_MAX,
  }
}

function toKind(kind: IdentityEntry['kind']): IdentityConfig['kind'] {
  if (typeof kind === 'string') return kind
  const { path, equals, prefix } = kind.client_if
  if (equals !== undefined) return { clientIf: { path, equals } }
  if (prefix !== undefined) return { clientIf: { path, prefix } }
  throw unchecked('identity.kind')
}

/** The schema has checked that one of the alternatives is there; getting here is a bug of the schema. */
export function unchecked(setting: string): CalloutError {
  return new CalloutError('ERR_CONFIG_INVALID', `${setting} was not checked before use`)
}
