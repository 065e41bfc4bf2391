/**
 * The closed lists of answers that are not an admission.
 *
 * A deny reason is at once the union type, the metric label, the `Reason` column, the CLI filter and the row of the
 * README table; `test/tidy.test.ts` keeps them equal. The text is what a person reads; it never holds client data.
 */
export const DENY_REASONS = {
  token_missing: 'the client presented no token in any configured source',
  token_ambiguous: 'the client presented two different tokens in one request',
  token_oversized: 'the token is larger than token.max_bytes',
  token_malformed: 'the token is not a strict compact JWS with JSON objects in it, nor an opaque token of an issuer',
  token_type_not_allowed: 'the "typ" header, or the kind that introspection names, is not one that is accepted',
  token_inactive: 'the issuer says that the token is not active: unknown, revoked or expired',
  issuer_unknown:
    'no configured issuer has exactly the "iss" of the token, or the trust domain of a JWT-SVID without one',
  issuer_unavailable: 'the issuer could not be asked, for keys or about the token; says nothing about the token',
  algorithm_not_allowed: 'the "alg" header is not in the allow-list of the issuer entry',
  key_not_found: 'the issuer publishes no key that fits the "kid" and "alg" of the token',
  key_invalid: 'the matching key of the issuer is unusable',
  signature_invalid: 'the signature does not verify with the key of the issuer',
  audience_mismatch: 'the token is meant for another audience',
  claim_missing: 'a required claim is absent',
  claim_invalid: 'a claim has a wrong type or value',
  claim_mismatch: 'a claim is not what a match rule of the issuer entry asks for',
  token_expired: 'the token has expired, or is older than max_age',
  token_not_yet_valid: 'the token is not valid yet ("nbf" or "iat" lies in the future)',
  certificate_mismatch: 'the token is bound to a client certificate that this client did not show',
  token_lifetime_too_long: 'the token lives longer than max_lifetime',
  identity_invalid: 'the subject, client id or a group holds characters or a length that no principal may have',
  too_many_failures: 'too many refusals of late, from this address or of this principal; judged again after a while',
  locked: 'a lock names this client: a principal, its token, its address, its account, or everyone',
  no_grants: 'no grant allows this principal anything',
  grants_expired: 'every grant that names this principal lies outside its validity window',
  grants_unusable: 'no grant of this principal can be applied (invalid subject or variable)',
  conditions_unmet: 'every grant of this principal asks for another connection type, source address or TLS',
  connection_not_allowed: 'the account takes no connections of this type, from this address or without such TLS',
  deny_unenforceable: 'a deny grant of this principal cannot be applied, so nothing is allowed',
  account_ambiguous: 'grants in several accounts, and the user name names none of them',
  account_not_allowed: 'the grants are for accounts that callout.accounts does not list',
  permissions_too_large:
    'the permissions are larger than 256 KiB, less than half of what nats-server accepts in one answer',
  session_too_short: 'the token or a grant ends before session.min_remaining has passed',
  grants_unavailable: 'the grants could not be read in time; says nothing about the client',
  audit_unavailable: 'the decision could not be recorded in time, so it was not an admission',
  overloaded: 'too many requests arrived to answer this one in time',
  internal: 'a bug; the log has the details',
} as const

export type DenyReason = keyof typeof DENY_REASONS

export function isDenyReason(text: string): text is DenyReason {
  return Object.hasOwn(DENY_REASONS, text)
}

/** Refusals that say something about us and nothing about the client: the same request may be allowed a moment later. */
const OUR_OWN: ReadonlySet<DenyReason> = new Set([
  'issuer_unavailable',
  'grants_unavailable',
  'audit_unavailable',
  'overloaded',
  'internal',
])

/** Whether a refusal is one on the merits: of this client, by what it presented or by what it may do. */
export function isOnMerits(reason: DenyReason): boolean {
  return !OUR_OWN.has(reason)
}

/**
 * Why a message on the callout subject was not answered at all: it is not a genuine authorization request, so nothing in
 * it can be trusted enough to record, or it was too late to look at it. Counted under these codes.
 */
export const ABORT_CODES = {
  request_empty: 'the message has no body',
  request_oversized: 'the message is larger than any authorization request',
  request_malformed: 'the body is not an authorization request JWT',
  request_not_sealed: 'the request is in the clear although callout.xkey_seed_files is set',
  request_sealed: 'the request is sealed although no xkey is configured',
  request_seal_invalid: 'none of our xkeys opens the seal',
  request_xkey_mismatch: 'the xkey header and server_id.xkey differ',
  request_signature_invalid: 'the signature does not verify with the key of the issuing server',
  request_issuer_invalid: 'the issuer is not the server that the request names',
  request_audience_invalid: 'the audience is not nats-authorization-request',
  request_subject_unknown: 'the request is meant for an issuer whose seed we do not hold',
  request_operator_mode: 'nats-server runs in operator mode, but callout.issuer_account is not set',
  request_expired: 'the request lies outside its validity window',
  request_replayed: 'the same request was seen before',
  request_late: 'the request was read, after a standstill of this process, when nats-server had given up',
} as const

export type AbortCode = keyof typeof ABORT_CODES
