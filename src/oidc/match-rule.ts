import { isClaimElsewhere, lookUpClaim, writeClaimPath } from './claim-path.ts'
import type { ClaimPath } from './issuer-options.ts'
import { describeValue, refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import type { JsonObject } from './strict-json.ts'

/** Compared with `===`: the text "true" is not true, and 1 is not "1". */
export type MatchValue = string | number | boolean

/** What one claim has to be. Every rule of an entry must hold. */
export type MatchRule =
  | { readonly path: ClaimPath; readonly equals: MatchValue }
  /** The claim, or one of its elements if it is an array, is in the list. */
  | { readonly path: ClaimPath; readonly anyOf: readonly MatchValue[] }
  /** Every entry of the list is the claim or one of its elements. */
  | { readonly path: ClaimPath; readonly allOf: readonly MatchValue[] }
  /** Neither the claim nor any of its elements is in the list; an absent claim passes. */
  | { readonly path: ClaimPath; readonly noneOf: readonly MatchValue[] }
  | { readonly path: ClaimPath; readonly prefix: string }
  /** `*` stands for any run of characters, also none; everything else for itself. The whole text must fit. */
  | { readonly path: ClaimPath; readonly glob: string }
  /** There, and not null. */
  | { readonly path: ClaimPath; readonly present: true }
  /** Not there; null is there. */
  | { readonly path: ClaimPath; readonly absent: true }

/** No claim that names a repository, a role or an e-mail address is longer; keeps a glob cheap whatever the text. */
const GLOB_TEXT_MAX = 4096

/** Of a list in a message. */
const SHOWN_VALUES_MAX = 3

/** Holds the claims against every rule; undefined when all hold, else the first that does not. */
export function checkMatch(claims: JsonObject, rules: readonly MatchRule[]): Refusal | undefined {
  const broken = rules.find((rule) => !matches(claims, rule))
  return broken === undefined ? undefined : refuse('claim_mismatch', describeMismatch(claims, broken))
}

/**
 * Whether the rule holds. What cannot be told never holds: a member on the way that is no object, a list with something
 * in it that is no text, number or boolean, and a claim that the issuer says is elsewhere.
 */
export function matches(claims: JsonObject, rule: MatchRule): boolean {
  if (isClaimElsewhere(claims, rule.path)) return false
  const found = lookUpClaim(claims, rule.path)
  if (found.state === 'blocked') return false
  if (found.state === 'absent') return 'absent' in rule || 'noneOf' in rule
  const { value } = found
  if ('absent' in rule) return false
  if ('present' in rule) return value !== null
  if ('equals' in rule) return value === rule.equals
  if ('prefix' in rule) return typeof value === 'string' && value.startsWith(rule.prefix)
  if ('glob' in rule) return typeof value === 'string' && fitsGlob(value, rule.glob)
  const values: unknown[] = Array.isArray(value) ? value : [value]
  if (!values.every(isMatchValue)) return false
  if ('anyOf' in rule) return values.some((entry) => rule.anyOf.includes(entry))
  if ('allOf' in rule) return rule.allOf.every((entry) => values.includes(entry))
  return !values.some((entry) => rule.noneOf.includes(entry))
}

/** A rule that can hold for no token but one with a value that the operator wrote down. */
export function pinsValue(rule: MatchRule): boolean {
  return !('present' in rule || 'absent' in rule || 'noneOf' in rule)
}

/** Takes the leftmost fit of each piece, which is right because `*` takes any text: no backtracking. */
function fitsGlob(text: string, glob: string): boolean {
  const pieces = glob.split('*')
  const first = pieces.shift() ?? ''
  const last = pieces.pop()
  if (last === undefined) return text === first
  if (text.length > GLOB_TEXT_MAX || text.length < first.length + last.length) return false
  if (!text.startsWith(first) || !text.endsWith(last)) return false
  const end = text.length - last.length
  let at = first.length
  for (const piece of pieces) {
    const found = text.indexOf(piece, at)
    if (found === -1) return false
    at = found + piece.length
  }
  return at <= end
}

function isMatchValue(value: unknown): value is MatchValue {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

function describeMismatch(claims: JsonObject, rule: MatchRule): string {
  const name = writeClaimPath(rule.path)
  const found = lookUpClaim(claims, rule.path)
  const isElsewhere = isClaimElsewhere(claims, rule.path)
  const is = isElsewhere
    ? 'left out by the issuer'
    : found.state === 'present'
      ? describeValue(found.value)
      : found.state
  return `${name} is ${is}, and the match rule asks for ${describeCondition(rule)}`
}

/** In the words of the configuration. */
function describeCondition(rule: MatchRule): string {
  if ('equals' in rule) return `equals ${describeValue(rule.equals)}`
  if ('prefix' in rule) return `prefix ${describeValue(rule.prefix)}`
  if ('glob' in rule) return `glob ${describeValue(rule.glob)}`
  if ('anyOf' in rule) return `any_of ${describeList(rule.anyOf)}`
  if ('allOf' in rule) return `all_of ${describeList(rule.allOf)}`
  if ('noneOf' in rule) return `none_of ${describeList(rule.noneOf)}`
  return 'present' in rule ? 'present' : 'absent'
}

function describeList(values: readonly MatchValue[]): string {
  const shown = values.slice(0, SHOWN_VALUES_MAX).map(describeValue)
  return `[${[...shown, ...(values.length > shown.length ? ['…'] : [])].join(', ')}]`
}
