import type { AuditEntry } from '../core/audit-entry.ts'
import type { Allow, Decision } from '../core/decision.ts'
import { canonicalJson } from '../core/canonical-json.ts'
import { CalloutError } from '../core/errors.ts'
import type { Actor } from '../core/identity.ts'
import { grantSetId } from './grant-sets.ts'
import type { DecisionColumn } from './schema.ts'
import { DECISION_COLUMNS } from './schema.ts'
import { sha256 } from './sha256.ts'
import { storedText, storedTexts } from '../core/stored-text.ts'
import {
  booleanValue,
  COMMIT_TIMESTAMP,
  int64Value,
  NULL,
  stringsValue,
  stringValue,
  timestampValue,
} from './values.ts'
import type { Row, Value } from './values.ts'

/** Widths of the columns that hold text of a client, a token or a server: `migrations/`. */
const NAME = 512
const SHORT_NAME = 256
const ISSUER = 1024
const DETAIL = 1024
const WORD = 128
const KEY = 64
const KIND = 32

/** A person is in some hundred groups at the most; the rest of a flood of them is of no use to a reader. */
const GROUPS_MAX = 1000
const AUDIENCES_MAX = 100
/** The configuration names a handful. */
const ATTRIBUTES_MAX = 100
/** A principal may have thousands of expired grants, and a hundred rows share a commit of at most 100 MiB. */
const SKIPPED_GRANTS_MAX = 1000

/** What Spanner can hold: years 1 to 9999. */
const TIMESTAMP_MIN_MS = Date.parse('0001-01-01T00:00:00Z')
const TIMESTAMP_MAX_MS = Date.parse('9999-12-31T23:59:59Z')

/**
 * The row of an entry, in the order of `DECISION_COLUMNS`. The same entry makes the same row at any time. Text from outside is made
 * storable, never refused; a number or time that no column can hold is NULL. Throws `ERR_STORE_REFUSED` for an admission of nobody.
 */
export function encodeDecision(entry: AuditEntry): Row {
  if (
    entry.decision.outcome === 'allow' &&
    (entry.principal === undefined || entry.grantsReadTimestamp === undefined)
  ) {
    throw new CalloutError('ERR_STORE_REFUSED', 'an admission has to say whom it admits, and on which grants')
  }
  const cells = { ...decisionCells(entry), ...tokenCells(entry), ...connectionCells(entry) }
  return DECISION_COLUMNS.map((column) => cells[column])
}

type Cells<Column extends DecisionColumn> = Readonly<Record<Column, Value>>

function decisionCells(entry: AuditEntry) {
  const { decision } = entry
  const allow = decision.outcome === 'allow' ? decision : undefined
  const deny = decision.outcome === 'deny' ? decision : undefined
  const shard = int64Value(decisionShard(decision.id))
  return {
    Shard: shard,
    DenyShard: deny === undefined ? NULL : shard,
    DecidedAt: timestampValue(decision.decidedAtMs),
    DecisionId: stringValue(decision.id),
    CommittedAt: COMMIT_TIMESTAMP,
    Outcome: stringValue(decisionOutcome(decision)),
    Reason: stringValue(deny?.reason),
    ReasonDetail: text(deny?.detail, DETAIL),
    GrantIds: stringsValue(allow?.grantIds ?? []),
    SkippedGrants: canonical(recordedSkips(decision)),
    LockIds: stringsValue(deny?.lockIds ?? []),
    GrantsReadAt: stringValue(entry.grantsReadTimestamp),
    Attributes: entry.attributes === undefined ? NULL : canonical(recordedAttributes(entry.attributes)),
    WantedAccount: text(entry.wantedAccount, WORD),
    InstanceId: text(entry.instanceId, KEY),
    ServiceVersion: text(entry.serviceVersion, KEY),
    ElapsedMicros: integer(Math.round(entry.elapsedMicros)),
    StageMicros: canonical(entry.stageMicros),
    RepeatCount: int64Value(entry.repeats?.count),
    RepeatedSince: timestampValue(entry.repeats?.sinceMs),
    ...sessionCells(allow),
  } satisfies Partial<Cells<DecisionColumn>>
}

function sessionCells(allow: Allow | undefined) {
  if (allow === undefined) {
    return {
      Account: NULL,
      Permissions: NULL,
      PermissionsSha256: NULL,
      SessionExpiresAt: NULL,
      GrantSetId: NULL,
    } satisfies Partial<Cells<DecisionColumn>>
  }
  const permissions = canonicalJson(allow.permissions)
  return {
    Account: text(allow.account, WORD),
    Permissions: { stringValue: permissions },
    PermissionsSha256: stringValue(sha256(permissions)),
    SessionExpiresAt: timestampValue(allow.expiresAt * 1000),
    GrantSetId: stringValue(grantSetId(allow.grantIds)),
  } satisfies Partial<Cells<DecisionColumn>>
}

function tokenCells({ principal, displayName, actors, issuerId, clientId, groups, token }: AuditEntry) {
  return {
    Principal: text(principal, NAME),
    DisplayName: text(displayName, NAME),
    Actors: actors === undefined ? NULL : canonical(actors.map(recordedActor)),
    IssuerId: text(issuerId, KEY),
    Issuer: text(token.issuer, ISSUER),
    Subject: text(token.subject, NAME),
    ClientId: text(clientId, NAME),
    GroupNames: stringsValue(storedTexts(groups, GROUPS_MAX, NAME)),
    TokenId: text(token.id, NAME),
    TokenSha256: text(token.sha256, KEY),
    TokenKeyId: text(token.keyId, NAME),
    TokenAlgorithm: text(token.algorithm, KEY),
    TokenAudience: token.audience === undefined ? NULL : stringsValue(storedTexts(token.audience, AUDIENCES_MAX, NAME)),
    TokenIssuedAt: tokenTime(token.issuedAt),
    TokenExpiresAt: tokenTime(token.expiresAt),
  } satisfies Partial<Cells<DecisionColumn>>
}

function connectionCells({ request: { userNkey, server, client } }: AuditEntry) {
  return {
    UserNkey: text(userNkey, KEY),
    ServerId: text(server.id, KEY),
    ServerName: text(server.name, SHORT_NAME),
    ServerVersion: text(server.version, KEY),
    Cluster: text(server.cluster, SHORT_NAME),
    ConnectionId: integer(client.connectionId),
    ClientHost: text(client.host, SHORT_NAME),
    ClientName: text(client.name, NAME),
    ClientLang: text(client.lang, WORD),
    ClientVersion: text(client.version, WORD),
    ClientKind: text(client.kind, KIND),
    ConnectionType: text(client.connectionType, KIND),
    TlsVersion: text(client.tlsVersion, KIND),
    HasVerifiedCertificate: booleanValue(client.hasVerifiedCertificate === true),
    ClientCertificateSha256: text(client.certificateSha256, KEY),
  } satisfies Partial<Cells<DecisionColumn>>
}

function recordedAttributes(attributes: Readonly<Record<string, string>>): object {
  return Object.fromEntries(
    Object.entries(attributes)
      .slice(0, ATTRIBUTES_MAX)
      .map(([name, value]) => [storedText(name, WORD), storedText(value, NAME)]),
  )
}

/** In the words of the token (RFC 8693 §4.1); JSON leaves out what it does not say. */
function recordedActor({ subject, issuer, clientId }: Actor): object {
  return { sub: maybe(subject), iss: maybe(issuer), client_id: maybe(clientId) }
}

function maybe(name: string | undefined): string | undefined {
  return name === undefined ? undefined : storedText(name, NAME)
}

/** The last element of a cut list tells how many are left out. */
function recordedSkips({ skippedGrants }: Decision): readonly object[] {
  if (skippedGrants.length <= SKIPPED_GRANTS_MAX) return skippedGrants
  return [...skippedGrants.slice(0, SKIPPED_GRANTS_MAX), { more: skippedGrants.length - SKIPPED_GRANTS_MAX }]
}

export function decisionOutcome(decision: Decision): string {
  return decision.outcome.toUpperCase()
}

/** The last hex digit of the id: random in a UUIDv7, and as easily found in SQL. */
export function decisionShard(id: string): number {
  return Number.parseInt(id.slice(-1), 16)
}

function canonical(content: unknown): Value {
  return { stringValue: canonicalJson(content) }
}

function text(content: string | undefined, max: number): Value {
  return content === undefined ? NULL : { stringValue: storedText(content, max) }
}

function integer(number: number): Value {
  return Number.isSafeInteger(number) ? int64Value(number) : NULL
}

/** Epoch seconds of a token that may not have been verified. */
function tokenTime(seconds: number | undefined): Value {
  if (seconds === undefined) return NULL
  const epochMs = seconds * 1000
  return epochMs >= TIMESTAMP_MIN_MS && epochMs <= TIMESTAMP_MAX_MS ? timestampValue(epochMs) : NULL
}
