import type { Identity, TokenFacts } from '../core/identity.ts'
import { readActors } from './actor-chain.ts'
import { isClaimElsewhere, lookUpClaim, writeClaimPath } from './claim-path.ts'
import { findClientId } from './claims.ts'
import type { GroupRules, IdentityRules } from './identity-rules.ts'
import type { ClaimPath } from './issuer-options.ts'
import { matches } from './match-rule.ts'
import { checkPrincipalText, PRINCIPAL_BYTES_MAX, readSubject } from './principal-text.ts'
import { refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { isSafeText } from './safe-text.ts'
import type { JsonObject } from './strict-json.ts'

export type MappedIdentity = { readonly identity: Identity } | { readonly refusal: Refusal }

/**
 * Maps the claims of an accepted token to an identity. Strings that become part of a principal are taken as they are or
 * refused with `identity_invalid`, never repaired: two subjects that a repair makes equal are one principal.
 * An attribute is a value for a variable and no principal: one that is no safe string is left out, so that a grant that
 * needs it does not apply. So is a display name.
 */
export function mapIdentity(
  claims: JsonObject,
  issuerId: string,
  rules: IdentityRules,
  facts: TokenFacts,
): MappedIdentity {
  const subject = readSubject(claims, rules.subject)
  if (typeof subject !== 'string') return { refusal: subject }
  const isClient = claimsClient(claims, rules.kind)
  const clientId = readClientId(claims, rules.clientId, isClient === true)
  if (typeof clientId === 'object') return { refusal: clientId }
  const groups = rules.groups === undefined ? [] : readGroups(claims, rules.groups)
  if ('reason' in groups) return { refusal: groups }
  const actors = readActors(claims)
  if ('reason' in actors) return { refusal: actors }
  const display = readDisplay(claims, rules.display)
  const kind = (isClient ?? subject === clientId) ? 'client' : 'user'
  return {
    identity: {
      issuerId,
      kind,
      subject: kind === 'client' && clientId !== undefined ? clientId : subject,
      ...(clientId === undefined ? {} : { clientId }),
      groups,
      attributes: readAttributes(claims, rules.attributes),
      ...(display === undefined ? {} : { display }),
      ...(actors.length === 0 ? {} : { actors }),
      token: facts,
    },
  }
}

/** Undefined where the subject and the client id decide. */
function claimsClient(claims: JsonObject, kind: IdentityRules['kind']): boolean | undefined {
  if (typeof kind === 'object') return matches(claims, kind.clientIf)
  return kind === 'auto' ? undefined : kind === 'client'
}

function readClientId(
  claims: JsonObject,
  paths: readonly ClaimPath[],
  isRequired: boolean,
): string | undefined | Refusal {
  const found = findClientId(claims, paths)
  if (found !== undefined) return checkPrincipalText(found.path, found.value)
  return isRequired ? refuse('claim_missing', 'no claim names the client') : undefined
}

function readGroups(claims: JsonObject, rules: GroupRules): string[] | Refusal {
  const { path, prefix = '', max } = rules
  if (isClaimElsewhere(claims, path)) {
    return refuse('claim_invalid', 'the issuer left the groups out of the token (overage)')
  }
  const found = lookUpClaim(claims, path)
  if (found.state === 'absent') return []
  const groups = listGroups(found.state === 'present' ? found.value : null, rules.split)
  if (groups === undefined) {
    return refuse('claim_invalid', `${writeClaimPath(path)} is not a string or an array of strings`)
  }
  if (groups.length > max) {
    return refuse('identity_invalid', `${writeClaimPath(path)} holds ${groups.length} groups, the limit is ${max}`)
  }
  const isSafe = (group: string): boolean =>
    isSafeText(group, PRINCIPAL_BYTES_MAX) && (prefix === '' || isSafeText(`${prefix}${group}`, PRINCIPAL_BYTES_MAX))
  if (!groups.every(isSafe)) {
    const what = 'holds a group that is empty, too long or has hidden characters'
    return refuse('identity_invalid', `${writeClaimPath(path)} ${what}`)
  }
  return [...new Set(groups.map((group) => `${prefix}${group}`))]
}

/** The elements of a list are never split: a separator in one of them is part of its name. */
function listGroups(value: unknown, split: string | undefined): string[] | undefined {
  if (typeof value === 'string') {
    if (split === undefined) return [value]
    return value === '' ? [] : value.split(split)
  }
  const isList = Array.isArray(value) && value.every((group): group is string => typeof group === 'string')
  return isList ? value : undefined
}

/** A name that its owner may choose freely, such as an unverified address, must not be shown for somebody. */
function readDisplay(claims: JsonObject, rule: IdentityRules['display']): string | undefined {
  if (rule === undefined) return undefined
  if (rule.requires !== undefined && !matches(claims, rule.requires)) return undefined
  const found = lookUpClaim(claims, rule.path)
  const isShown = found.state === 'present' && typeof found.value === 'string'
  return isShown && isSafeText(found.value, PRINCIPAL_BYTES_MAX) ? found.value : undefined
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
