import { describeValue, refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { readMember } from './strict-json.ts'
import type { JsonObject } from './strict-json.ts'

/**
 * Members that tell what kind of token the issuer was asked about, and the values of an access token: `token_type` of RFC
 * 7662 §2.2 (with Ory's older value), `token_use` of Ory, `typ` of Keycloak.
 */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  token_type: ['bearer', 'access_token'],
  token_use: ['access_token', 'access'],
  typ: ['bearer', 'at+jwt', 'jwt'],
}

/**
 * Checks what only an introspection answer has: that it speaks of a token of this issuer, and of an access token. An
 * issuer tells about refresh tokens as well, which live for months and are meant for nobody but itself; and about tokens
 * bound to a key (`token_type: DPoP`), whose proof has no place in a NATS connection.
 * An answer that names no kind must at least have an audience, which the entry then holds against its own.
 */
export function checkIntrospected(claims: JsonObject, issuer: string): Refusal | undefined {
  const named = readMember(claims, 'iss')
  if (named !== undefined && named !== issuer) {
    return refuse('claim_invalid', `"iss" of the answer is ${describeValue(named)}, not the issuer that was asked`)
  }
  let isNamed = false
  for (const [name, accepted] of Object.entries(KINDS)) {
    const kind = readMember(claims, name)
    if (kind === undefined) continue
    if (typeof kind !== 'string' || !accepted.includes(kind.toLowerCase())) {
      return refuse(
        'token_type_not_allowed',
        `"${name}" of the answer is ${describeValue(kind)}, no bearer access token`,
      )
    }
    isNamed = true
  }
  if (isNamed || readMember(claims, 'aud') !== undefined) return undefined
  return refuse('token_type_not_allowed', 'the answer names neither the kind of the token nor an audience')
}
