import type { ClaimPath } from './issuer-options.ts'
import { isJsonObject, readMember } from './strict-json.ts'
import type { JsonObject } from './strict-json.ts'

/** `blocked`: a member on the way is there but is no object, so nobody can say whether the claim is absent. */
export type ClaimLookup =
  { readonly state: 'present'; readonly value: unknown } | { readonly state: 'absent' } | { readonly state: 'blocked' }

/** Follows literal member names through own properties; arrays are not entered. */
export function lookUpClaim(claims: JsonObject, path: ClaimPath): ClaimLookup {
  let value: unknown = claims
  for (const name of path) {
    if (!isJsonObject(value)) return { state: 'blocked' }
    if (!Object.hasOwn(value, name)) return { state: 'absent' }
    value = value[name]
  }
  return { state: 'present', value }
}

/**
 * Whether the issuer left a claim out of the token and said so: in `_claim_names` (aggregated and distributed claims,
 * OIDC Core §5.6.2) or, Entra for groups, in `hasgroups`. Reading that as "absent" would pass by every rule against it.
 */
export function isClaimElsewhere(claims: JsonObject, [name = '']: ClaimPath): boolean {
  const elsewhere = readMember(claims, '_claim_names')
  return (
    (elsewhere !== undefined && (!isJsonObject(elsewhere) || Object.hasOwn(elsewhere, name))) ||
    (name === 'groups' && Object.hasOwn(claims, 'hasgroups'))
  )
}

/** For messages: the names joined by a slash, as the operator configured them. */
export function writeClaimPath(path: ClaimPath): string {
  return JSON.stringify(path.join('/'))
}
