import { wellKnownUrl, parseKeyUrl } from './key-url.ts'
import type { IssuerOptions } from './issuer-options.ts'
import { isSignatureAlgorithm } from './signature-algorithm.ts'

/** How an issuer is asked about tokens that only it can read (RFC 7662). */
export interface IntrospectionOptions {
  /** In place of the `introspection_endpoint` of the issuer's metadata. */
  readonly endpoint?: string
  readonly client: IntrospectionClient
  /** How long an answer that a token is active is used, from the asking, and never past its `exp`; 0 asks each time. */
  readonly cacheMs: number
  /** How long an answer that a token is not active is used. */
  readonly negativeCacheMs: number
  /** What the opaque tokens of this issuer start with; without one it gets those that fit no prefix. */
  readonly tokenPrefix?: string
  /** Questions at once; further tokens are refused without one. */
  readonly maxInFlight: number
}

/** As whom we ask. The files are read anew for each question, so that a rotated secret needs no restart. */
export type IntrospectionClient = { readonly clientId: string } & (
  | { readonly method: 'client_secret_basic' | 'client_secret_post'; readonly secretFile: string }
  | {
      readonly method: 'private_key_jwt'
      /** PEM, not encrypted. */
      readonly keyFile: string
      readonly algorithm: string
      readonly keyId?: string
    }
)

/** An answer that is used longer makes a revoked token good for longer. */
export const CACHE_MS_MAX = 30_000
export const NEGATIVE_CACHE_MS_MAX = 5_000

/** What is wrong with the introspection of one entry, and with an entry that has neither keys nor introspection. */
export function introspectionProblems(entry: IssuerOptions): string[] {
  const { introspection, keys, algorithms, profile, tenants, issuer } = entry
  if (introspection === undefined) return keys === undefined ? ['it needs keys or introspection'] : []
  const { client, cacheMs, negativeCacheMs, tokenPrefix, maxInFlight } = introspection
  const address = introspection.endpoint ?? metadataAddress(issuer, keys)
  const url = parseKeyUrl(address)
  const problems: string[] = []
  if (typeof url === 'string') problems.push(`introspection address ${JSON.stringify(address)} ${url}`)
  if (keys === undefined && algorithms.length > 0) problems.push('algorithms stand without keys')
  if (profile === 'id_token') problems.push('introspection tells about access tokens, never about an id_token')
  if (tenants !== undefined) problems.push('introspection does not go with tenants')
  if (client.clientId === '') problems.push('the client id for introspection must not be empty')
  if (client.method === 'private_key_jwt' && !isSignatureAlgorithm(client.algorithm)) {
    problems.push(`introspection: ${JSON.stringify(client.algorithm)} is not an asymmetric signature algorithm`)
  }
  if (!(cacheMs >= 0 && cacheMs <= CACHE_MS_MAX)) problems.push(`introspection.cacheMs must be 0 to ${CACHE_MS_MAX}`)
  if (!(negativeCacheMs >= 0 && negativeCacheMs <= NEGATIVE_CACHE_MS_MAX)) {
    problems.push(`introspection.negativeCacheMs must be 0 to ${NEGATIVE_CACHE_MS_MAX}`)
  }
  if (tokenPrefix === '') problems.push('introspection.tokenPrefix must not be empty')
  if (!Number.isSafeInteger(maxInFlight) || maxInFlight < 1)
    problems.push('introspection.maxInFlight must be at least 1')
  return problems
}

/**
 * An opaque token goes to exactly one issuer: asking several in turn would hand it to strangers. So prefixes must tell the
 * issuers apart, and at most one may do without.
 */
export function opaqueTokenProblems(issuers: readonly IssuerOptions[]): string[] {
  const asked = [...Map.groupBy(issuers, (entry) => entry.issuer).values()]
    .map(([first]) => first)
    .filter((entry): entry is IssuerOptions => entry?.introspection !== undefined)
  return asked.flatMap((later, index) =>
    asked.slice(0, index).flatMap((earlier) => {
      const prefixes = [earlier, later].map((entry) => entry.introspection?.tokenPrefix)
      const [a, b] = prefixes
      if ((a === undefined) !== (b === undefined)) return []
      if (a !== undefined && b !== undefined && !a.startsWith(b) && !b.startsWith(a)) return []
      return [
        `issuers ${earlier.id} and ${later.id} could both be asked about the same opaque token: set token prefixes`,
      ]
    }),
  )
}

/** Where the metadata are that name the endpoint. */
export function metadataAddress(issuer: string, keys: IssuerOptions['keys']): string {
  return keys !== undefined && 'discovery' in keys ? (keys.discovery.url ?? wellKnownUrl(issuer)) : wellKnownUrl(issuer)
}
