import { hasSpiffeScheme, isTrustDomainId, trustDomainOf } from '../core/spiffe-id.ts'
import type { IssuerOptions } from './issuer-options.ts'
import { describeValue, refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { readMember } from './strict-json.ts'
import type { JsonObject } from './strict-json.ts'

/**
 * The name under which the issuer of a token is configured: its `iss`. A JWT-SVID may have none (JWT-SVID §3); then, and
 * only then, it is the trust domain of the SPIFFE ID in `sub`. A token whose `iss` is a trust domain must have a subject of it,
 * so whatever the keys of a trust domain have signed, they vouch for its own workloads only.
 * Nothing is verified here.
 */
export function readIssuerName(claims: JsonObject): string | Refusal {
  const name = readMember(claims, 'iss')
  if (name !== undefined && typeof name !== 'string') {
    return refuse('claim_invalid', `"iss" is ${describeValue(name)}, not a string`)
  }
  if (name !== undefined && !hasSpiffeScheme(name)) return name
  const subject = readMember(claims, 'sub')
  const isSpiffe = typeof subject === 'string' && hasSpiffeScheme(subject)
  if (name === undefined && !isSpiffe) return refuse('claim_missing', '"iss" is absent')
  const trustDomain = isSpiffe ? trustDomainOf(subject) : undefined
  if (trustDomain === undefined) {
    return refuse('claim_invalid', `"sub" is ${describeValue(subject)}, not the SPIFFE ID of a workload`)
  }
  if (name === undefined || name === trustDomain) return trustDomain
  return refuse('claim_invalid', `"iss" is ${describeValue(name)}, not the trust domain of "sub"`)
}

/** The claim that names the issuer, and what it says. */
export function describeIssuerName(claims: JsonObject): string {
  const claim = readMember(claims, 'iss') === undefined ? 'sub' : 'iss'
  return `"${claim}" is ${describeValue(readMember(claims, claim))}`
}

/** What is wrong with an entry for a trust domain, which publishes keys and no metadata, and issues no other tokens. */
export function trustDomainProblems({ issuer, keys, introspection, profile }: IssuerOptions): string[] {
  if (!hasSpiffeScheme(issuer)) return []
  const problems = isTrustDomainId(issuer) ? [] : ['a SPIFFE issuer is written spiffe://<trust domain>, without a path']
  if (introspection !== undefined) problems.push('a trust domain has no introspection')
  if (keys !== undefined && 'discovery' in keys)
    problems.push('a trust domain has no discovery; it needs jwksUri or jwksFile')
  if (profile !== 'generic') problems.push('the tokens of a trust domain have the profile generic')
  return problems
}
