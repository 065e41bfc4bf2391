import { isDeepStrictEqual } from 'node:util'
import { FIT_CHECKS } from './claims.ts'
import type { IssuerOptions } from './issuer-options.ts'
import type { Refusal } from './refusal.ts'
import { readMember } from './strict-json.ts'
import type { JsonObject } from './strict-json.ts'
import { checkTenant, issuerNames } from './tenant.ts'
import { checkTokenType, normalizeTokenType } from './token-type.ts'

export interface EntryChoice {
  /** The entry that fits or, with a refusal, the one that came nearest. */
  readonly entry: IssuerOptions
  readonly refusal?: Refusal
}

/**
 * Chooses among the entries of one issuer the first that the token fits: `typ`, audience, authorized party and match
 * rules. That entry alone then judges the token: one that it refuses is not tried on a later, laxer entry.
 * Without a header, which introspection has not, the type is not looked at.
 * When none fits, the refusal is that of the entry that passed most of these checks, the first among equals.
 */
export function chooseEntry(
  header: JsonObject | undefined,
  claims: JsonObject,
  entries: readonly IssuerOptions[],
): EntryChoice {
  let nearest: { readonly entry: IssuerOptions; readonly step: number; readonly refusal: Refusal } | undefined
  for (const entry of entries) {
    const misfit = findMisfit(header, claims, entry)
    if (misfit === undefined) return { entry }
    if (nearest === undefined || misfit.step > nearest.step) nearest = { entry, ...misfit }
  }
  if (nearest === undefined) throw new TypeError('an issuer has no entry')
  const { entry, refusal } = nearest
  if (entries.length === 1) return { entry, refusal }
  const detail = `${refusal.detail} (none of ${entries.length} entries fits, ${entry.id} comes nearest)`
  return { entry, refusal: { ...refusal, detail } }
}

function findMisfit(
  header: JsonObject | undefined,
  claims: JsonObject,
  entry: IssuerOptions,
): { readonly step: number; readonly refusal: Refusal } | undefined {
  const type = header && checkTokenType(readMember(header, 'typ'), entry.tokenTypes)
  if (type !== undefined) return { step: 0, refusal: type }
  const tenant = checkTenant(claims, entry)
  if (tenant !== undefined) return { step: 0, refusal: tenant }
  for (const [index, check] of FIT_CHECKS.entries()) {
    const refusal = check(claims, entry)
    if (refusal !== undefined) return { step: index + 1, refusal }
  }
  return undefined
}

/**
 * What is wrong with entries that share an issuer. They share its keys, so all that concerns keys must be equal; and
 * an entry that no token can reach, because an earlier one takes all of its tokens, is a mistake in their order.
 */
export function ruleSetProblems(issuers: readonly IssuerOptions[]): string[] {
  return issuers.flatMap((later, index) =>
    issuers
      .slice(0, index)
      .filter((earlier) => earlier.issuer === later.issuer || shareName(earlier, later))
      .flatMap((earlier) => {
        const pair = `issuers ${earlier.id} and ${later.id} have one issuer`
        if (earlier.issuer !== later.issuer) return [`${pair}, once as a tenant of many and once alone`]
        if (!sharesKeys(earlier, later))
          return [`${pair} but differ in keys, introspection, algorithms, http or refresh`]
        return takesAll(earlier, later) ? [`${pair}, and every token that fits ${later.id} goes to ${earlier.id}`] : []
      }),
  )
}

function shareName(a: IssuerOptions, b: IssuerOptions): boolean {
  return issuerNames(a).some((name) => issuerNames(b).includes(name))
}

function sharesKeys(a: IssuerOptions, b: IssuerOptions): boolean {
  const keySettings = ({ keys, introspection, algorithms, http, refresh }: IssuerOptions): unknown => [
    keys,
    introspection,
    algorithms,
    http,
    refresh,
  ]
  return isDeepStrictEqual(keySettings(a), keySettings(b))
}

/** Only what is certain: two different match rules may still hold for the same tokens. */
function takesAll(earlier: IssuerOptions, later: IssuerOptions): boolean {
  const includesAll = (all: readonly unknown[], some: readonly unknown[]): boolean =>
    some.every((value) => all.some((other) => isDeepStrictEqual(other, value)))
  return (
    includesAll(earlier.tokenTypes.map(normalizeTokenType), later.tokenTypes.map(normalizeTokenType)) &&
    (later.audiences.length === 0) === (earlier.audiences.length === 0) &&
    includesAll(earlier.audiences, later.audiences) &&
    (earlier.authorizedParties.length === 0 ||
      (later.authorizedParties.length > 0 &&
        isDeepStrictEqual(earlier.identity.clientId, later.identity.clientId) &&
        includesAll(earlier.authorizedParties, later.authorizedParties))) &&
    includesAll(issuerNames(earlier), issuerNames(later)) &&
    includesAll(later.match, earlier.match)
  )
}
