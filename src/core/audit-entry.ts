import type { Decision } from './decision.ts'
import type { Actor, TokenFacts } from './identity.ts'
import type { AuthorizationRequest } from './request.ts'
import { storedText } from './stored-text.ts'

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

/** Characters of what a client says of itself: as wide as the columns for it. */
const CLIENT_TEXTS = { name: 512, lang: 128, version: 128 } as const

/**
 * The request without its secrets, field by field, so that a field added later does not slip into the audit. What a client
 * says of itself is left out when it repeats its credentials there, and cut as in its row, since entries wait in memory.
 */
export function auditedRequest({ userNkey, server, client, credentials }: AuthorizationRequest): AuditedRequest {
  const secrets = [credentials.authToken, credentials.password].filter(
    (secret): secret is string => secret !== undefined && secret.length >= SECRET_CHARACTERS_MIN,
  )
  const told: { -readonly [Field in keyof typeof CLIENT_TEXTS]?: string } = {}
  for (const field of ['name', 'lang', 'version'] as const) {
    const text = client[field]
    if (text === undefined) continue
    told[field] = secrets.some((secret) => text.includes(secret)) ? '[redacted]' : storedText(text, CLIENT_TEXTS[field])
  }
  return { userNkey, server, client: { ...client, ...told } }
}
