import type { Decision } from './decision.ts'
import type { Actor, TokenFacts } from './identity.ts'
import type { AuthorizationRequest } from './request.ts'

/** What one row of `Decisions` says. Holds no credential: `AuditedRequest` has no field for one. */
export interface AuditEntry {
  readonly decision: Decision
  readonly request: AuditedRequest
  /** Written principal; absent when the token was not accepted. */
  readonly principal?: string
  /** A name for people; never looked at by a rule. */
  readonly displayName?: string
  /** Who acts for the principal, the current actor first; absent when the token was not accepted. */
  readonly actors?: readonly Actor[]
  /** Entry of the configuration that judged the token; absent when none was chosen. */
  readonly issuerId?: string
  readonly clientId?: string
  readonly groups: readonly string[]
  /** Values that variables in subjects stood for; absent when the token was not accepted. */
  readonly attributes?: Readonly<Record<string, string>>
  /** The account that the client asked for by its user name, where there is such an account. */
  readonly wantedAccount?: string
  /** Of the token, as far as it was readable; unverified when `principal` is absent. */
  readonly token: TokenFacts
  /** Timestamp of the strong read of the grants; absent when they were not read. */
  readonly grantsReadTimestamp?: string
  readonly instanceId: string
  readonly serviceVersion: string
  /** From receipt of the request to the making of this entry, microseconds. */
  readonly elapsedMicros: number
  /** Microseconds that each stage took, of those that were over when the entry was made. */
  readonly stageMicros: Readonly<Record<string, number>>
  /** Further refusals like this one that have no row of their own. */
  readonly repeats?: { readonly count: number; readonly sinceMs: number }
}

export type AuditedRequest = Omit<AuthorizationRequest, 'credentials' | 'issuerKey'>

/** Shorter ones could be an ordinary word by chance, and are no secret. */
const SECRET_CHARACTERS_MIN = 8

/**
 * The request without its secrets, field by field, so that a field added later does not slip into the audit. What a client
 * says of itself is left out when it repeats its credentials there.
 */
export function auditedRequest({ userNkey, server, client, credentials }: AuthorizationRequest): AuditedRequest {
  const secrets = [credentials.authToken, credentials.password].filter(
    (secret): secret is string => secret !== undefined && secret.length >= SECRET_CHARACTERS_MIN,
  )
  const told = { name: client.name, lang: client.lang, version: client.version }
  const repeated = Object.entries(told).filter(([, text]) => secrets.some((secret) => text?.includes(secret) === true))
  if (repeated.length === 0) return { userNkey, server, client }
  return {
    userNkey,
    server,
    client: { ...client, ...Object.fromEntries(repeated.map(([field]) => [field, '[redacted]'])) },
  }
}
