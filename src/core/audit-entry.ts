import type { Decision } from './decision.ts'
import type { TokenFacts } from './identity.ts'
import type { AuthorizationRequest } from './request.ts'

/** What one row of `Decisions` says. Holds no credential: `AuditedRequest` has no field for one. */
export interface AuditEntry {
  readonly decision: Decision
  readonly request: AuditedRequest
  /** Written principal; absent when the token was not accepted. */
  readonly principal?: string
  /** Entry of the configuration that judged the token; absent when none was chosen. */
  readonly issuerId?: string
  readonly clientId?: string
  readonly groups: readonly string[]
  /** Of the token, as far as it was readable; unverified when `principal` is absent. */
  readonly token: TokenFacts
  /** Timestamp of the strong read of the grants; absent when they were not read. */
  readonly grantsReadTimestamp?: string
  readonly instanceId: string
  readonly serviceVersion: string
  /** From receipt of the request to the making of this entry, microseconds. */
  readonly elapsedMicros: number
}

export type AuditedRequest = Omit<AuthorizationRequest, 'credentials' | 'issuerKey'>

/** The request without its secrets, field by field, so that a field added later does not slip into the audit. */
export function auditedRequest({ userNkey, server, client }: AuthorizationRequest): AuditedRequest {
  return { userNkey, server, client }
}
