import { assertNever } from '../core/errors.ts'
import { describeValue, refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { readMember } from './strict-json.ts'
import type { JsonObject } from './strict-json.ts'

/** `generic`: what every token is checked for. The others add what a standard asks of its kind of token. */
export type TokenProfile = 'generic' | 'rfc9068' | 'id_token'

/** The part of an issuer entry that a profile looks at. */
export interface ProfileRules {
  readonly profile: TokenProfile
  readonly audiences: readonly string[]
  readonly authorizedParties: readonly string[]
}

/** The one `typ` of RFC 9068 §2.1; ID tokens never have it. */
export const ACCESS_TOKEN_TYPE = 'at+jwt'

/** What the profile asks for beyond `typ`, audience, dates and subject, which are checked for every token. */
export function checkProfile(claims: JsonObject, rules: ProfileRules): Refusal | undefined {
  switch (rules.profile) {
    case 'rfc9068':
      return checkText(claims, 'sub') ?? checkText(claims, 'client_id') ?? checkText(claims, 'jti')
    case 'id_token':
      return checkText(claims, 'sub') ?? checkIdTokenAudience(claims, rules)
    case 'generic':
      return undefined
    default:
      return assertNever(rules.profile)
  }
}

/** RFC 9068 §2.2 requires these, as OIDC Core §2 requires `sub`. */
function checkText(claims: JsonObject, name: string): Refusal | undefined {
  const value = readMember(claims, name)
  if (value === undefined) return refuse('claim_missing', `"${name}" is absent`)
  if (typeof value === 'string' && value !== '') return undefined
  return refuse('claim_invalid', `"${name}" is not a non-empty string`)
}

/**
 * OIDC Core §3.1.3.7, 3 to 5: no audience that is not trusted, with several the party that asked for the token, and a
 * party that is named must be one of ours.
 */
function checkIdTokenAudience(claims: JsonObject, rules: ProfileRules): Refusal | undefined {
  const trusted = [...rules.audiences, ...rules.authorizedParties]
  const audience = readMember(claims, 'aud')
  const values: unknown[] = Array.isArray(audience) ? audience : [audience]
  const stranger = values.find((value) => typeof value !== 'string' || !trusted.includes(value))
  if (stranger !== undefined) return refuse('audience_mismatch', `"aud" also holds ${describeValue(stranger)}`)
  const party = readMember(claims, 'azp')
  if (party === undefined) {
    return values.length > 1 ? refuse('claim_missing', '"azp" is absent, and "aud" holds several') : undefined
  }
  const accepted = rules.authorizedParties.length > 0 ? rules.authorizedParties : rules.audiences
  if (typeof party === 'string' && accepted.includes(party)) return undefined
  return refuse('claim_invalid', `"azp" is ${describeValue(party)}, which is not an authorized party`)
}
