import type { ConnectionFacts } from '../service/ports.ts'
import { refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { isJsonObject, readMember } from './strict-json.ts'
import type { JsonObject } from './strict-json.ts'

/** `if_bound`: a token that is bound must be shown by its owner. `mtls_required`: every token must be bound. */
export type SenderConstraint = 'if_bound' | 'mtls_required'

/** base64url of 32 bytes */
const THUMBPRINT = /^[A-Za-z0-9_-]{43}$/

/**
 * Checks that whoever shows the token is the one it was made for. A certificate-bound token (RFC 8705 §3.1, `cnf` with
 * `x5t#S256`) needs a connection with exactly that client certificate. Every other confirmation (RFC 7800, DPoP of RFC 9449)
 * is refused: there is no way to prove it over a NATS connection, and accepting it unproved would make it a bearer token.
 */
export function checkSenderConstraint(
  claims: JsonObject,
  constraint: SenderConstraint,
  { certificateSha256 }: ConnectionFacts,
): Refusal | undefined {
  const confirmation = readMember(claims, 'cnf')
  if (confirmation === undefined) {
    if (constraint === 'if_bound') return undefined
    return refuse('claim_missing', '"cnf" is absent, and this issuer entry accepts only tokens bound to a certificate')
  }
  const members = isJsonObject(confirmation) ? Object.keys(confirmation) : []
  if (!isJsonObject(confirmation) || members.length !== 1 || members[0] !== 'x5t#S256') {
    return refuse('claim_invalid', 'the token is bound to a key ("cnf") in a way that cannot be proved here')
  }
  const thumbprint = readMember(confirmation, 'x5t#S256')
  if (typeof thumbprint !== 'string' || !THUMBPRINT.test(thumbprint)) {
    return refuse('claim_invalid', '"x5t#S256" is no SHA-256 in base64url')
  }
  if (certificateSha256 === undefined) {
    return refuse(
      'certificate_mismatch',
      'the token is bound to a certificate, and the client showed none to nats-server',
    )
  }
  if (thumbprint === certificateSha256) return undefined
  return refuse(
    'certificate_mismatch',
    'the token is bound to another certificate than the client showed to nats-server',
  )
}
