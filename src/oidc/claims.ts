import { lookUpClaim, writeClaimPath } from './claim-path.ts'
import type { SubjectRule } from './identity-rules.ts'
import type { ClaimPath, IssuerOptions } from './issuer-options.ts'
import { checkMatch } from './match-rule.ts'
import { checkProfile } from './profile.ts'
import type { ProfileRules } from './profile.ts'
import type { ConnectionFacts } from '../service/ports.ts'
import { describeValue, refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { checkSenderConstraint } from './sender-constraint.ts'
import { readMember } from './strict-json.ts'
import type { JsonObject } from './strict-json.ts'
import { isNumericDate } from './token-facts.ts'

/** The part of an issuer entry that says which tokens it is for. */
export type FitRules = Pick<IssuerOptions, 'audiences' | 'authorizedParties' | 'match'> & {
  readonly identity: Pick<IssuerOptions['identity'], 'clientId'>
}

/** The part of an issuer entry that the claims of its tokens are held against. */
export type ClaimRules = ProfileRules &
  Pick<IssuerOptions, 'clockSkewMs' | 'maxLifetimeMs' | 'maxAgeMs' | 'requireClaims' | 'senderConstraint'> & {
    readonly identity: Pick<IssuerOptions['identity'], 'subject'>
  }

/** Whether a token is one that the entry is for: audience, authorized party and match rules, each a check of its own. */
export const FIT_CHECKS: readonly ((claims: JsonObject, rules: FitRules) => Refusal | undefined)[] = [
  (claims, rules) => checkAudience(claims, rules.audiences),
  checkAuthorizedParty,
  (claims, rules) => checkMatch(claims, rules.match),
]

/**
 * Holds the claims of a token with a good signature, which fits its issuer entry, against the rules of the entry;
 * undefined when all hold. Required are `exp`, `iat` and, unless another claim is the subject, `sub`. Dates are whole seconds: RFC 7519 allows fractions, but a
 * float or 1e400 (which reads as Infinity) ends up as "never expires" further down.
 * Does not check `iss` (which chose the entry), `nonce`, `at_hash` and `auth_time` (we are not the client).
 */
export function checkClaims(
  claims: JsonObject,
  rules: ClaimRules,
  nowMs: number,
  connection: ConnectionFacts = {},
): Refusal | undefined {
  return (
    checkPurpose(claims) ??
    checkSenderConstraint(claims, rules.senderConstraint, connection) ??
    checkRequired(claims, rules.requireClaims) ??
    checkProfile(claims, rules) ??
    checkTimes(claims, rules, nowMs) ??
    checkSubject(readMember(claims, 'sub'), rules.identity.subject)
  )
}

/**
 * `events` marks a security event or logout token (RFC 8417 §2.2), which shares issuer, audience and keys with login
 * tokens.
 */
function checkPurpose(claims: JsonObject): Refusal | undefined {
  if (Object.hasOwn(claims, 'events')) return refuse('claim_invalid', 'a token with "events" is no login token')
  return undefined
}

function checkRequired(claims: JsonObject, paths: readonly ClaimPath[]): Refusal | undefined {
  const missing = paths.find((path) => {
    const found = lookUpClaim(claims, path)
    return found.state !== 'present' || found.value === null
  })
  return missing === undefined ? undefined : refuse('claim_missing', `${writeClaimPath(missing)} is absent`)
}

/** No accepted audience means that the entry is for tokens without one: a token with one is meant for somebody else. */
function checkAudience(claims: JsonObject, accepted: readonly string[]): Refusal | undefined {
  const audience = readMember(claims, 'aud')
  if (accepted.length === 0 && audience === undefined) return undefined
  if (audience === undefined) return refuse('claim_missing', '"aud" is absent')
  const values: unknown[] = Array.isArray(audience) ? audience : [audience]
  if (!values.every((value): value is string => typeof value === 'string')) {
    return refuse('claim_invalid', '"aud" is not a string or an array of strings')
  }
  if (values.some((value) => accepted.includes(value))) return undefined
  return refuse('audience_mismatch', `"aud" is ${describeValue(values.length === 1 ? values[0] : values)}`)
}

function checkAuthorizedParty(claims: JsonObject, rules: FitRules): Refusal | undefined {
  if (rules.authorizedParties.length === 0) return undefined
  const client = findClientId(claims, rules.identity.clientId)
  if (client === undefined) return refuse('claim_missing', 'no claim names the client, and authorized parties are set')
  if (typeof client.value === 'string' && rules.authorizedParties.includes(client.value)) return undefined
  const name = writeClaimPath(client.path)
  return refuse('claim_invalid', `${name} is ${describeValue(client.value)}, which is not an authorized party`)
}

function checkTimes(claims: JsonObject, rules: ClaimRules, nowMs: number): Refusal | undefined {
  for (const name of ['exp', 'iat', 'nbf']) {
    const value = readMember(claims, name)
    if (value === undefined && name !== 'nbf') return refuse('claim_missing', `"${name}" is absent`)
    if (value !== undefined && !isNumericDate(value)) {
      return refuse('claim_invalid', `"${name}" is ${describeValue(value)}, not whole seconds since 1970`)
    }
  }
  const { exp, iat, nbf } = claims as { exp: number; iat: number; nbf?: number }
  const earliestMs = nowMs - rules.clockSkewMs
  const latestMs = nowMs + rules.clockSkewMs
  if (exp * 1000 <= earliestMs) return refuse('token_expired', `"exp" is ${exp}`)
  if (iat * 1000 > latestMs) return refuse('token_not_yet_valid', `"iat" is ${iat}`)
  if (nbf !== undefined && nbf * 1000 > latestMs) return refuse('token_not_yet_valid', `"nbf" is ${nbf}`)
  if (rules.maxAgeMs !== undefined && nowMs - iat * 1000 > rules.maxAgeMs + rules.clockSkewMs) {
    return refuse('token_expired', `"iat" is ${iat}, longer ago than max_age`)
  }
  if (exp <= iat) return refuse('claim_invalid', `"exp" is ${exp}, not after "iat" ${iat}`)
  if ((exp - iat) * 1000 > rules.maxLifetimeMs) {
    return refuse('token_lifetime_too_long', `"exp" is ${exp - iat} s after "iat"`)
  }
  return undefined
}

/** Some issuers leave `sub` out or empty where another claim says who it is (Cloudflare Access, lightweight tokens). */
function checkSubject(subject: unknown, rule: SubjectRule): Refusal | undefined {
  if (!('path' in rule && rule.path.length === 1 && rule.path[0] === 'sub')) {
    if (subject === undefined || typeof subject === 'string') return undefined
    return refuse('claim_invalid', '"sub" is not a string')
  }
  if (subject === undefined) return refuse('claim_missing', '"sub" is absent')
  if (typeof subject === 'string' && subject !== '') return undefined
  return refuse('claim_invalid', '"sub" is not a non-empty string')
}

/** The claim that names the client: the first of the paths that is there, whatever its type. */
export function findClientId(
  claims: JsonObject,
  paths: readonly ClaimPath[],
): { readonly path: ClaimPath; readonly value: unknown } | undefined {
  for (const path of paths) {
    const found = lookUpClaim(claims, path)
    if (found.state === 'present') return { path, value: found.value }
    if (found.state === 'blocked') return { path, value: null }
  }
  return undefined
}
