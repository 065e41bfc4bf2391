import { CalloutError } from '../core/errors.ts'
import { ISSUER_ID } from '../core/principal.ts'
import { identityRuleProblems } from './identity-rules.ts'
import type { IdentityRules } from './identity-rules.ts'
import { introspectionProblems, opaqueTokenProblems } from './introspection-options.ts'
import type { IntrospectionOptions } from './introspection-options.ts'
import { trustDomainProblems } from './issuer-name.ts'
import { pinsValue } from './match-rule.ts'
import type { MatchRule } from './match-rule.ts'
import { ACCESS_TOKEN_TYPE } from './profile.ts'
import type { TokenProfile } from './profile.ts'
import type { SenderConstraint } from './sender-constraint.ts'
import { ruleSetProblems } from './rule-sets.ts'
import { isSignatureAlgorithm } from './signature-algorithm.ts'
import { writeClaimPath } from './claim-path.ts'
import { tenantProblems } from './tenant.ts'
import { normalizeTokenType, SECURITY_EVENT_TYPES } from './token-type.ts'
import { parseKeyUrl, wellKnownUrl } from './key-url.ts'

/** Literal member names from the claims object down; own properties only. Names may hold dots, slashes and colons. */
export type ClaimPath = readonly string[]

/** Where the public keys of an issuer come from; exactly one. */
export type KeyOrigin =
  | {
      /** `url` replaces the address that OIDC Discovery 1.0 §4 derives from the issuer. */
      readonly discovery: { readonly url?: string }
    }
  | { readonly jwksUri: string }
  | { readonly jwksFile: string }

/** One trusted issuer: whose tokens, checked how, meaning whom. */
export interface IssuerOptions {
  /** Short name; part of every principal of this issuer. */
  readonly id: string
  /**
   * The `iss` claim, byte for byte; with `tenants` it holds `{tenantid}` in their place. `spiffe://<trust domain>` is for the
   * JWT-SVIDs of that domain, which may have no `iss`.
   */
  readonly issuer: string
  /** Entra: the GUIDs of the tenants that may come in. */
  readonly tenants?: readonly string[]
  /** Without them every token, a JWT too, is introspected. */
  readonly keys?: KeyOrigin
  /** What opaque tokens are checked with. */
  readonly introspection?: IntrospectionOptions
  /** Allow-list of `alg` values; asymmetric only. Empty only without keys. */
  readonly algorithms: readonly string[]
  /** Allow-list of `typ` values; `''` accepts a token without one. */
  readonly tokenTypes: readonly string[]
  readonly profile: TokenProfile
  /** The token must be meant for at least one of these; empty only with `audiencesNoneBecause`. */
  readonly audiences: readonly string[]
  /** Why the tokens of this entry have no `aud`; one that has is refused. */
  readonly audiencesNoneBecause?: string
  /** Client ids that may have obtained the token; empty accepts any. */
  readonly authorizedParties: readonly string[]
  /** What claims have to be, all of them. */
  readonly match: readonly MatchRule[]
  /** Tolerance for `exp`, `nbf` and `iat`. */
  readonly clockSkewMs: number
  /** Upper bound of `exp - iat`. */
  readonly maxLifetimeMs: number
  /** Upper bound of the time since `iat`, whatever `exp` says. */
  readonly maxAgeMs?: number
  /** Claims that must be there and not null, besides those that are always asked for. */
  readonly requireClaims: readonly ClaimPath[]
  /** Whether tokens have to be bound to a client certificate, or only may be. */
  readonly senderConstraint: SenderConstraint
  readonly http: {
    /** For one document, from the first byte sent to the last byte received. */
    readonly timeoutMs: number
    /** Of one document. */
    readonly maxBytes: number
    /** PEM, in place of the certificates of the system. */
    readonly caFile?: string
    /** Sent as `Authorization: Bearer` to the configured host and to `allowedHosts`, nowhere else. */
    readonly bearerTokenFile?: string
    /** `http://host:port` of an HTTP proxy. */
    readonly proxy?: string
    /** `host` or `host:port` in lower case: the only ones that are asked, whatever the metadata says. */
    readonly allowedHosts?: readonly string[]
  }
  readonly refresh: {
    /** Between two fetches in the background. */
    readonly intervalMs: number
    /** Between two fetches, whatever the reason. */
    readonly minIntervalMs: number
    /** How long keys are used while no fetch succeeds. */
    readonly maxStaleMs: number
    /** Pause after the first failure in a row; doubles with each further one up to `backoffMaxMs`. */
    readonly backoffMinMs: number
    readonly backoffMaxMs: number
  }
  readonly identity: IdentityRules
}

/**
 * Refuses options under which a verifier would be unsafe, whoever composed them: symmetric or unknown algorithms, no
 * audience, entries of one issuer that no token can tell apart, key addresses in the clear.
 * Throws `CalloutError('ERR_CONFIG_INVALID')` that lists every problem. Does not look at the network or at files.
 */
export function assertIssuerOptions(issuers: readonly IssuerOptions[]): void {
  const problems = [
    ...duplicates(issuers.map((entry) => entry.id)).map((id) => `issuer id ${JSON.stringify(id)} is used twice`),
    ...ruleSetProblems(issuers),
    ...opaqueTokenProblems(issuers),
    ...issuers.flatMap((entry) => entryProblems(entry).map((problem) => `issuer ${entry.id}: ${problem}`)),
  ]
  if (problems.length > 0) throw new CalloutError('ERR_CONFIG_INVALID', problems.join('; '))
}

function entryProblems(entry: IssuerOptions): string[] {
  return [
    ...ruleProblems(entry),
    ...keyOriginProblems(entry),
    ...introspectionProblems(entry),
    ...numberProblems({
      clockSkewMs: entry.clockSkewMs,
      maxLifetimeMs: entry.maxLifetimeMs,
      maxAgeMs: entry.maxAgeMs ?? entry.maxLifetimeMs,
      'http.timeoutMs': entry.http.timeoutMs,
      'refresh.intervalMs': entry.refresh.intervalMs,
      'refresh.minIntervalMs': entry.refresh.minIntervalMs,
      'refresh.maxStaleMs': entry.refresh.maxStaleMs,
      'refresh.backoffMinMs': entry.refresh.backoffMinMs,
      'refresh.backoffMaxMs': entry.refresh.backoffMaxMs,
    }),
    ...(Number.isSafeInteger(entry.http.maxBytes) && entry.http.maxBytes > 0
      ? []
      : ['http.maxBytes must be a positive number of bytes']),
  ]
}

function ruleProblems(entry: IssuerOptions): string[] {
  const problems: string[] = []
  if (!ISSUER_ID.test(entry.id)) problems.push('id must be lower-case letters, digits and "-", at most 63')
  if (entry.issuer === '') problems.push('issuer must not be empty')
  if (entry.keys !== undefined && entry.algorithms.length === 0) problems.push('algorithms must not be empty')
  for (const algorithm of entry.algorithms) {
    if (!isSignatureAlgorithm(algorithm)) {
      problems.push(`algorithm ${JSON.stringify(algorithm)} is not an asymmetric signature algorithm`)
    }
  }
  if (entry.tokenTypes.length === 0) problems.push('tokenTypes must not be empty')
  for (const type of entry.tokenTypes) {
    if (type === '') continue
    const normalized = normalizeTokenType(type)
    if (normalized === undefined) problems.push(`token type ${JSON.stringify(type)} is not a media type`)
    else if (SECURITY_EVENT_TYPES.has(normalized)) problems.push(`token type ${type} is never a login token`)
  }
  if ([...entry.audiences, ...entry.authorizedParties].includes('')) {
    problems.push('audiences and authorizedParties must not hold an empty string')
  }
  return [
    ...problems,
    ...audienceProblems(entry),
    ...profileProblems(entry),
    ...matchProblems(entry.match),
    ...(entry.requireClaims.some((path) => path.length === 0)
      ? ['a required claim must name at least one member']
      : []),
    ...identityRuleProblems(entry.identity),
    ...tenantProblems(entry),
    ...trustDomainProblems(entry),
  ]
}

/** Without an audience, only a rule about this service or its clients keeps out tokens that were meant for others. */
function audienceProblems(entry: IssuerOptions): string[] {
  const { audiences, audiencesNoneBecause, authorizedParties, match } = entry
  if (audiencesNoneBecause === undefined) return audiences.length === 0 ? ['audiences must not be empty'] : []
  if (audiences.length > 0) return ['audiencesNoneBecause stands beside audiences']
  if (audiencesNoneBecause === '') return ['audiencesNoneBecause must say why']
  return authorizedParties.length > 0 || match.some(pinsValue)
    ? []
    : ['without audiences it needs authorizedParties or a match rule with a value']
}

function profileProblems({ profile, tokenTypes, audiences }: IssuerOptions): string[] {
  if (profile === 'generic') return []
  const types = tokenTypes.map(normalizeTokenType)
  const problems = audiences.length === 0 ? [`profile ${profile} needs audiences`] : []
  if (profile === 'rfc9068' && types.some((type) => type !== ACCESS_TOKEN_TYPE)) {
    problems.push('profile rfc9068 takes the token type at+jwt only')
  }
  if (profile === 'id_token' && types.includes(ACCESS_TOKEN_TYPE)) {
    problems.push('profile id_token does not take the token type at+jwt')
  }
  return problems
}

function matchProblems(rules: readonly MatchRule[]): string[] {
  return rules.flatMap((rule) => {
    if (rule.path.length === 0) return ['a claim path must name at least one member']
    const empty = Object.entries(rule).some(([key, value]) => LISTS.has(key) && Array.isArray(value) && !value.length)
    return empty ? [`match of ${writeClaimPath(rule.path)}: the list must not be empty`] : []
  })
}

/** An empty `allOf` or `noneOf` would hold for every token. */
const LISTS: ReadonlySet<string> = new Set(['anyOf', 'allOf', 'noneOf'])

function keyOriginProblems({ issuer, keys }: IssuerOptions): string[] {
  if (keys === undefined) return []
  if ('jwksFile' in keys) return keys.jwksFile === '' ? ['jwksFile must not be empty'] : []
  const address = 'jwksUri' in keys ? keys.jwksUri : (keys.discovery.url ?? wellKnownUrl(issuer))
  const url = parseKeyUrl(address)
  return typeof url === 'string' ? [`key address ${JSON.stringify(address)} ${url}`] : []
}

function numberProblems(values: Readonly<Record<string, number>>): string[] {
  return Object.entries(values)
    .filter(([name, value]) => !Number.isFinite(value) || value < 0 || (value === 0 && name !== 'clockSkewMs'))
    .map(([name]) => `${name} must be a positive number of milliseconds`)
}

function duplicates(values: readonly string[]): string[] {
  return [...new Set(values.filter((value, index) => values.indexOf(value) !== index))]
}
