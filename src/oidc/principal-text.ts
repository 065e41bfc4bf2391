import { lookUpClaim, writeClaimPath } from './claim-path.ts'
import type { SubjectRule } from './identity-rules.ts'
import type { ClaimPath } from './issuer-options.ts'
import { describeValue, refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { isSafeText } from './safe-text.ts'
import type { JsonObject } from './strict-json.ts'

/** OpenID Connect Core §2 bounds `sub` at 255 ASCII characters; everything that becomes a principal keeps to it. */
export const PRINCIPAL_BYTES_MAX = 255

const UNSAFE = `is empty, longer than ${PRINCIPAL_BYTES_MAX} bytes, not in NFC, or has hidden characters`

/** Takes a value as it is or refuses it; two texts that a repair makes equal would be one principal. */
export function checkPrincipalText(path: ClaimPath, value: unknown): string | Refusal {
  if (typeof value === 'string' && isSafeText(value, PRINCIPAL_BYTES_MAX)) return value
  const name = writeClaimPath(path)
  if (typeof value === 'string') return refuse('identity_invalid', `${name} ${UNSAFE}`)
  return refuse('claim_invalid', `${name} is ${describeValue(value)}, not a string`)
}

/** The subject as the rule has it, safe to become part of a principal. */
export function readSubject(claims: JsonObject, rule: SubjectRule): string | Refusal {
  if ('path' in rule) return readText(claims, rule.path) ?? absent([rule.path])
  if ('join' in rule) return joinSubject(claims, rule)
  for (const path of rule.firstOf) {
    const text = readText(claims, path)
    if (text !== undefined) return text
  }
  return absent(rule.firstOf)
}

/** A part that holds the separator is refused: `a/b` with `c` would be the same subject as `a` with `b/c`. */
function joinSubject(
  claims: JsonObject,
  { join, separator }: Extract<SubjectRule, { join: unknown }>,
): string | Refusal {
  const parts: string[] = []
  for (const path of join) {
    const text = readText(claims, path) ?? absent([path])
    if (typeof text !== 'string') return text
    if (text.includes(separator)) {
      return refuse('identity_invalid', `${writeClaimPath(path)} holds the separator ${JSON.stringify(separator)}`)
    }
    parts.push(text)
  }
  const subject = parts.join(separator)
  return isSafeText(subject, PRINCIPAL_BYTES_MAX) ? subject : refuse('identity_invalid', `the joined subject ${UNSAFE}`)
}

function readText(claims: JsonObject, path: ClaimPath): string | Refusal | undefined {
  const found = lookUpClaim(claims, path)
  if (found.state === 'absent') return undefined
  return checkPrincipalText(path, found.state === 'present' ? found.value : null)
}

function absent(paths: readonly ClaimPath[]): Refusal {
  return refuse('claim_missing', `${paths.map(writeClaimPath).join(' or ')} is absent`)
}
