import type { AccountRules } from '../core/decide.ts'
import type { TokenSource } from '../core/request.ts'
import type { ListenAddress } from './url.ts'

/**
 * The checked configuration: defaults filled in, durations in milliseconds, sizes in bytes, paths absolute. Holds no
 * secret; those are read apart by `secrets.ts`.
 */
export interface Config {
  readonly nats: NatsConfig
  readonly callout: {
    readonly issuerSeedFiles: readonly string[]
    readonly xkeySeedFiles: readonly string[]
    /** Names of the accounts into which a client may be placed, and what is set for its clients. */
    readonly accounts: ReadonlyMap<string, AccountRules>
    /** Present when nats-server runs in operator mode. */
    readonly operator?: OperatorConfig
    readonly deadlineMs: number
    readonly maxInFlight: number
  }
  readonly token: {
    /** In the order in which they are looked at. */
    readonly sources: readonly TokenSource[]
    readonly maxBytes: number
  }
  readonly issuers: readonly IssuerConfig[]
  readonly deny: {
    readonly mode: 'reply' | 'drop'
    readonly whenUnavailable: 'disconnect' | 'reply'
  }
  /** 0 is no limit. */
  readonly limits: { readonly perAddress: number; readonly perPrincipal: number; readonly windowMs: number }
  readonly session: {
    readonly maxMs: number
    /** 0 to 1. */
    readonly jitter: number
    readonly minRemainingMs: number
  }
  readonly grants: { readonly maxStaleMs: number; readonly approval: 'none' | 'two_persons' }
  readonly store: {
    /** Resource name, `projects/P/instances/I/databases/D`. */
    readonly database: string
    /** Database role; absent: the privileges of the account itself. */
    readonly role?: string
  }
  readonly audit: {
    /** Present when rows are kept on the disk while Spanner does not take them; otherwise clients are refused. */
    readonly spool?: { readonly folder: string; readonly bytesMax: number; readonly ageMaxMs: number }
    readonly checkpoints?: { readonly keyFile: string; readonly file?: string }
  }
  readonly http: { readonly listen: ListenAddress }
  readonly log: { readonly level: LogLevel }
}

/** Account keys, which take the place of account names in operator mode. */
export interface OperatorConfig {
  /** Public key of the callout account. */
  readonly issuerAccount: string
  /** For each of `accounts`. */
  readonly accountKeys: ReadonlyMap<string, { readonly publicKey: string; readonly signingKeySeedFile: string }>
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'

export interface NatsConfig {
  readonly servers: readonly string[]
  readonly login: NatsLogin
  readonly queue: string
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string }
  readonly system?: NatsLogin
}

export type NatsLogin =
  | { readonly user: string; readonly passwordFile: string }
  | { readonly nkeySeedFile: string }
  | { readonly credsFile: string }

export interface IssuerConfig {
  readonly id: string
  /** The exact `iss`; several entries may have it. */
  readonly issuer: string
  readonly tenants?: readonly string[]
  /** Absent only with `introspection`. */
  readonly keys?: IssuerKeys
  readonly introspection?: IntrospectionConfig
  /** Empty without keys. */
  readonly algorithms: readonly string[]
  readonly tokenTypes: readonly string[]
  readonly profile: 'generic' | 'rfc9068' | 'id_token'
  /** Empty only with `audiencesNoneBecause`. */
  readonly audiences: readonly string[]
  readonly audiencesNoneBecause?: string
  readonly authorizedParties: readonly string[]
  readonly match: readonly MatchConfig[]
  readonly clockSkewMs: number
  readonly maxLifetimeMs: number
  readonly maxAgeMs?: number
  readonly requireClaims: readonly (readonly string[])[]
  readonly senderConstraint: 'if_bound' | 'mtls_required'
  readonly http: KeyHttpConfig
  readonly refresh: KeyRefreshConfig
  readonly identity: IdentityConfig
}

export type IssuerKeys =
  { readonly discovery: { readonly url?: string } } | { readonly jwksUri: string } | { readonly jwksFile: string }

/** How the issuer is asked about opaque tokens. */
export interface IntrospectionConfig {
  readonly endpoint?: string
  readonly client: { readonly clientId: string } & (
    | { readonly method: 'client_secret_basic' | 'client_secret_post'; readonly secretFile: string }
    | {
        readonly method: 'private_key_jwt'
        readonly keyFile: string
        readonly algorithm: string
        readonly keyId?: string
      }
  )
  readonly cacheMs: number
  readonly negativeCacheMs: number
  readonly tokenPrefix?: string
  readonly maxInFlight: number
}

export type MatchValue = string | number | boolean

/** What one claim has to be; compared without any conversion. */
export type MatchConfig = { readonly path: readonly string[] } & (
  | { readonly equals: MatchValue }
  | { readonly anyOf: readonly MatchValue[] }
  | { readonly allOf: readonly MatchValue[] }
  | { readonly noneOf: readonly MatchValue[] }
  | { readonly prefix: string }
  | { readonly glob: string }
  | { readonly present: true }
  | { readonly absent: true }
)

export interface KeyHttpConfig {
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly caFile?: string
  readonly bearerTokenFile?: string
  readonly proxy?: string
  /** `host` or `host:port`, lower case. */
  readonly allowedHosts?: readonly string[]
}

export interface KeyRefreshConfig {
  readonly intervalMs: number
  readonly minIntervalMs: number
  readonly maxStaleMs: number
  readonly backoffMinMs: number
  readonly backoffMaxMs: number
}

/** Paths are literal member names of the claims, outermost first. */
export interface IdentityConfig {
  readonly subject:
    | { readonly path: readonly string[] }
    | { readonly firstOf: readonly (readonly string[])[] }
    | { readonly join: readonly (readonly string[])[]; readonly separator: string }
  /** The first path that is present counts. */
  readonly clientId: readonly (readonly string[])[]
  readonly groups?: {
    readonly path: readonly string[]
    readonly split?: string
    readonly prefix?: string
    readonly max: number
  }
  readonly kind: 'auto' | 'user' | 'client' | { readonly clientIf: MatchConfig }
  readonly attributes: Readonly<Record<string, readonly string[]>>
  readonly display?: {
    readonly path: readonly string[]
    readonly requires?: { readonly path: readonly string[]; readonly equals: MatchValue }
  }
}
