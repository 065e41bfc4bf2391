import type { Identity, TokenFacts } from '../core/identity.ts'
import { isClaimElsewhere, lookUpClaim, writeClaimPath } from './claim-path.ts'
import { findClientId } from './claims.ts'
import type { ClaimPath, IdentityRules } from './issuer-options.ts'
import { describeValue, refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { isSafeText } from './safe-text.ts'
import type { JsonObject } from './strict-json.ts'

/** OpenID Connect Core §2 bounds `sub` at 255 ASCII characters; everything that becomes a principal keeps to it. */
const PRINCIPAL_BYTES_MAX = 255

/** Each group is one more key in the read of the grants; people in more groups than this need another claim. */
const GROUPS_MAX = 500

export type MappedIdentity = { readonly identity: Identity } | { readonly refusal: Refusal }

/**
 * Maps the claims of an accepted token to an identity. Strings that become part of a principal are taken as they are or
 * refused with `identity_invalid`, never repaired: two subjects that a repair makes equal are one principal.
 * An attribute is a value for a variable and no principal: one that is no safe string is left out, so that a grant that
 * needs it does not apply.
 */
export function mapIdentity(
  claims: JsonObject,
  issuerId: string,
  rules: IdentityRules,
  facts: TokenFacts,
): MappedIdentity {
  const subject = readSubject(claims, rules.subject)
  if (typeof subject !== 'string') return { refusal: subject }
  const clientId = readClientId(claims, rules)
  if (typeof clientId === 'object') return { refusal: clientId }
  const groups = rules.groups === undefined ? [] : readGroups(claims, rules.groups)
  if ('reason' in groups) return { refusal: groups }
  const isClient = rules.kind === 'client' || (rules.kind === 'auto' && subject === clientId)
  return {
    identity: {
      issuerId,
      kind: isClient ? 'client' : 'user',
      subject: isClient && clientId !== undefined ? clientId : subject,
      ...(clientId === undefined ? {} : { clientId }),
      groups,
      attributes: readAttributes(claims, rules.attributes),
      token: facts,
    },
  }
}

function readSubject(claims: JsonObject, path: ClaimPath): string | Refusal {
  const found = lookUpClaim(claims, path)
  if (found.state === 'absent') return refuse('claim_missing', `${writeClaimPath(path)} is absent`)
  return checkPrincipalText(path, found.state === 'present' ? found.value : null)
}

function readClientId(claims: JsonObject, rules: IdentityRules): string | undefined | Refusal {
  const found = findClientId(claims, rules.clientId)
  if (found !== undefined) return checkPrincipalText(found.path, found.value)
  return rules.kind === 'client' ? refuse('claim_missing', 'no claim names the client') : undefined
}

function readGroups(claims: JsonObject, path: ClaimPath): string[] | Refusal {
  if (isClaimElsewhere(claims, path)) {
    return refuse('claim_invalid', 'the issuer left the groups out of the token (overage)')
  }
  const found = lookUpClaim(claims, path)
  if (found.state === 'absent') return []
  const value = found.state === 'present' ? found.value : null
  const groups: unknown[] | undefined = Array.isArray(value) ? value : typeof value === 'string' ? [value] : undefined
  const name = writeClaimPath(path)
  if (!groups?.every((group): group is string => typeof group === 'string')) {
    return refuse('claim_invalid', `${name} is not a string or an array of strings`)
  }
  if (groups.length > GROUPS_MAX) {
    return refuse('identity_invalid', `${name} holds ${groups.length} groups, the limit is ${GROUPS_MAX}`)
  }
  if (!groups.every((group) => isSafeText(group, PRINCIPAL_BYTES_MAX))) {
    return refuse('identity_invalid', `${name} holds a group that is empty, too long or has hidden characters`)
  }
  return [...new Set(groups)]
}

function readAttributes(claims: JsonObject, paths: IdentityRules['attributes']): Record<string, string> {
  const entries: [string, string][] = []
  for (const [name, path] of Object.entries(paths)) {
    const found = lookUpClaim(claims, path)
    if (found.state !== 'present' || typeof found.value !== 'string') continue
    if (isSafeText(found.value, PRINCIPAL_BYTES_MAX)) entries.push([name, found.value])
  }
  return Object.fromEntries(entries)
}

function checkPrincipalText(path: ClaimPath, value: unknown): string | Refusal {
  const name = writeClaimPath(path)
  if (typeof value !== 'string') return refuse('claim_invalid', `${name} is ${describeValue(value)}, not a string`)
  if (isSafeText(value, PRINCIPAL_BYTES_MAX)) return value
  return refuse(
    'identity_invalid',
    `${name} is empty, longer than ${PRINCIPAL_BYTES_MAX} bytes, not in NFC, or has hidden characters`,
  )
}
