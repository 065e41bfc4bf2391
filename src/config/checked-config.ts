import { resolve } from 'node:path'
import { CalloutError } from '../core/errors.ts'
import type {
  Config,
  IdentityConfig,
  IssuerConfig,
  IssuerKeys,
  KeyHttpConfig,
  KeyRefreshConfig,
  NatsConfig,
  NatsLogin,
} from './config.ts'
import type { ConfigFile } from './schema.ts'
import { parseListenAddress } from './url.ts'

type IssuerEntry = ConfigFile['issuers'][number]

/** Turns the checked content of the file into our own words; `baseDir` is where relative paths start. */
export function toConfig(file: ConfigFile, baseDir: string): Config {
  const path = (written: string): string => resolve(baseDir, written)
  const listen = parseListenAddress(file.http.listen)
  if (listen === undefined) throw unchecked('http.listen')
  return {
    nats: toNats(file.nats, path),
    callout: {
      issuerSeedFiles: file.callout.issuer_seed_files.map(path),
      xkeySeedFiles: file.callout.xkey_seed_files.map(path),
      accounts: new Set(Object.keys(file.callout.accounts)),
      deadlineMs: file.callout.deadline,
      maxInFlight: file.callout.max_in_flight,
    },
    token: { sources: file.token.sources, maxBytes: file.token.max_bytes },
    issuers: file.issuers.map((entry) => toIssuer(entry, path)),
    session: { maxMs: file.session.max, jitter: file.session.jitter, minRemainingMs: file.session.min_remaining },
    grants: { maxStaleMs: file.grants.max_stale },
    store: { database: file.store.url.slice('spanner://'.length) },
    audit: { onUnavailable: file.audit.on_unavailable },
    http: { listen },
    log: { level: file.log.level },
  }
}

function toNats(nats: ConfigFile['nats'], path: (written: string) => string): NatsConfig {
  return {
    servers: nats.servers,
    login: toLogin(nats, path),
    queue: nats.queue,
    ...(nats.tls === undefined
      ? {}
      : {
          tls: {
            ...(nats.tls.ca_file === undefined ? {} : { caFile: path(nats.tls.ca_file) }),
            ...(nats.tls.cert_file === undefined ? {} : { certFile: path(nats.tls.cert_file) }),
            ...(nats.tls.key_file === undefined ? {} : { keyFile: path(nats.tls.key_file) }),
          },
        }),
    ...(nats.system === undefined
      ? {}
      : { system: { user: nats.system.user, passwordFile: path(nats.system.password_file) } }),
  }
}

function toLogin(nats: ConfigFile['nats'], path: (written: string) => string): NatsLogin {
  if (nats.user !== undefined && nats.password_file !== undefined) {
    return { user: nats.user, passwordFile: path(nats.password_file) }
  }
  if (nats.nkey_seed_file !== undefined) return { nkeySeedFile: path(nats.nkey_seed_file) }
  if (nats.creds_file !== undefined) return { credsFile: path(nats.creds_file) }
  throw unchecked('nats')
}

function toIssuer(entry: IssuerEntry, path: (written: string) => string): IssuerConfig {
  return {
    id: entry.id,
    issuer: entry.issuer,
    keys: toKeys(entry.keys, path),
    algorithms: entry.algorithms,
    tokenTypes: entry.token_types,
    audiences: entry.audiences,
    authorizedParties: entry.authorized_parties,
    clockSkewMs: entry.clock_skew,
    maxLifetimeMs: entry.max_lifetime,
    http: toKeyHttp(entry.http, path),
    refresh: toKeyRefresh(entry.refresh),
    identity: toIdentity(entry.identity),
  }
}

function toKeys(keys: IssuerEntry['keys'], path: (written: string) => string): IssuerKeys {
  if (keys.discovery !== undefined) {
    return { discovery: keys.discovery.url === undefined ? {} : { url: keys.discovery.url } }
  }
  if (keys.jwks_uri !== undefined) return { jwksUri: keys.jwks_uri }
  if (keys.jwks_file !== undefined) return { jwksFile: path(keys.jwks_file) }
  throw unchecked('keys')
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
  return {
    subject: identity.subject.path,
    clientId: path === undefined ? (firstOf ?? CLIENT_ID_PATHS) : [path],
    ...(identity.groups === undefined ? {} : { groups: identity.groups.path }),
    kind: identity.kind,
    attributes: Object.fromEntries(Object.entries(identity.attributes).map(([name, value]) => [name, value.path])),
  }
}

/** The schema has checked that one of the alternatives is there; getting here is a bug of the schema. */
function unchecked(setting: string): CalloutError {
  return new CalloutError('ERR_CONFIG_INVALID', `${setting} was not checked before use`)
}
