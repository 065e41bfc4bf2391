import { parseIpAddress } from './cidr.ts'
import { messageOfDecision } from './exported-decision.ts'
import {
  OCSF_PRODUCT,
  OCSF_SEVERITIES,
  OCSF_VERSION,
  ocsfClass,
  principalUser,
  type OcsfEvent,
  type OcsfSeverity,
  type OcsfTools,
} from './ocsf.ts'
import { integrityOf, placeOf } from './ocsf-integrity.ts'
import { DENY_REASONS, isDenyReason, type DenyReason } from './reasons.ts'
import { filled, numberOf, objectOf, otherColumns, textOf, textsOf, type StoredColumns } from './stored-columns.ts'

/** Of what looks like an attack, or is a failure of ours, more than of a stranger: it has to be looked after. */
const DENY_SEVERITIES: Readonly<Record<DenyReason, OcsfSeverity>> = {
  token_missing: 2,
  token_ambiguous: 2,
  token_oversized: 2,
  token_malformed: 2,
  token_type_not_allowed: 2,
  token_inactive: 3,
  issuer_unknown: 2,
  issuer_unavailable: 3,
  algorithm_not_allowed: 3,
  key_not_found: 2,
  key_invalid: 3,
  signature_invalid: 3,
  audience_mismatch: 2,
  claim_missing: 2,
  claim_invalid: 2,
  claim_mismatch: 2,
  token_expired: 2,
  token_not_yet_valid: 2,
  certificate_mismatch: 3,
  token_lifetime_too_long: 2,
  identity_invalid: 2,
  too_many_failures: 3,
  locked: 3,
  no_grants: 2,
  grants_expired: 2,
  grants_unusable: 2,
  conditions_unmet: 2,
  connection_not_allowed: 2,
  deny_unenforceable: 3,
  account_ambiguous: 2,
  account_not_allowed: 2,
  permissions_too_large: 2,
  session_too_short: 2,
  grants_unavailable: 3,
  audit_unavailable: 3,
  overloaded: 3,
  internal: 4,
}

const LOGON = ocsfClass(3002, 'Authentication', 1, 'Logon')
const ASSIGNMENT = ocsfClass(3003, 'Authorize Session', 1, 'Assign Privileges')

/** Columns that have attributes of their own; all others come as `unmapped`. */
const MAPPED: ReadonlySet<string> = new Set([
  'Shard',
  'DenyShard',
  'DecidedAt',
  'DecisionId',
  'Outcome',
  'Reason',
  'Principal',
  'DisplayName',
  'IssuerId',
  'Issuer',
  'Subject',
  'ClientId',
  'GroupNames',
  'TokenId',
  'TokenIssuedAt',
  'TokenExpiresAt',
  'Account',
  'Permissions',
  'SessionExpiresAt',
  'ServerId',
  'ServerName',
  'ServerVersion',
  'ClientHost',
  'ClientName',
  'ServiceVersion',
  'RepeatCount',
  'RepeatedSince',
  'ChainId',
  'ChainSeq',
  'PreviousHash',
  'RowHash',
])

/**
 * The events of a stored decision: that somebody came and was let in or refused, and, of an admission, with which privileges. They hold
 * what the row holds and nothing else.
 */
export function ocsfOfDecision(row: StoredColumns, tools: OcsfTools): readonly OcsfEvent[] {
  const isAllow = textOf(row, 'Outcome') === 'ALLOW'
  const shared = sharedOf(row, tools)
  const logon = {
    ...LOGON,
    ...shared,
    metadata: metadataOf(row),
    ...aggregationOf(row, tools),
    auth_protocol_id: 4,
    auth_protocol: 'OpenID',
    logon_type_id: 3,
    logon_type: 'Network',
    is_remote: true,
    ...filled({
      actor: actorOf(row),
      authentication_token: tokenOf(row, tools),
      session: isAllow ? sessionOf(row, tools) : undefined,
      src_endpoint: sourceOf(row),
      unmapped: filled(otherColumns(row, MAPPED)),
    }),
    service: serviceOf(row),
  }
  const privileges = isAllow ? privilegesOf(row['Permissions']) : []
  if (privileges.length === 0) return [logon]
  const assignment = {
    ...ASSIGNMENT,
    ...shared,
    metadata: { ...metadataOf(row), uid: `${uidOf(row)}:session` },
    time: timeOf(row, tools),
    privileges,
    ...filled({ session: sessionOf(row, tools), src_endpoint: sourceOf(row) }),
  }
  return [logon, assignment]
}

function sharedOf(row: StoredColumns, tools: OcsfTools): OcsfEvent {
  const isAllow = textOf(row, 'Outcome') === 'ALLOW'
  const reason = textOf(row, 'Reason')
  const severity = isAllow ? 1 : severityOf(reason)
  return {
    severity_id: severity,
    severity: OCSF_SEVERITIES[severity],
    status_id: isAllow ? 1 : 2,
    status: isAllow ? 'Success' : 'Failure',
    message: messageOfDecision(row),
    user: userOf(row),
    ...filled({
      status_code: reason,
      status_detail: reason !== undefined && isDenyReason(reason) ? DENY_REASONS[reason] : undefined,
      dst_endpoint: serverOf(row),
    }),
    ...integrityOf(row, LOGON.type_uid, tools),
  }
}

function severityOf(reason = ''): OcsfSeverity {
  return isDenyReason(reason) ? DENY_SEVERITIES[reason] : 0
}

/** Of the attested event: a row in a chain is found by its place there, as the row after it does. */
function uidOf(row: StoredColumns): string {
  const place = placeOf(row)
  return place === undefined ? (textOf(row, 'DecisionId') ?? '') : `${place.chainId}:${place.seq}`
}

function metadataOf(row: StoredColumns): object {
  const decisionId = textOf(row, 'DecisionId')
  return {
    version: OCSF_VERSION,
    product: { ...OCSF_PRODUCT, ...filled({ version: textOf(row, 'ServiceVersion') }) },
    uid: uidOf(row),
    log_name: 'Decisions',
    ...filled({
      profiles: placeOf(row) === undefined ? undefined : ['record_integrity'],
      original_event_uid: decisionId,
      correlation_uid: decisionId,
      original_time: textOf(row, 'DecidedAt'),
      sequence: numberOf(row, 'ChainSeq'),
    }),
  }
}

function timeOf(row: StoredColumns, { epochMs }: OcsfTools): number {
  return epochMs(textOf(row, 'DecidedAt') ?? '')
}

/** A row that tells of further refusals like it is an aggregate, whose time is that of the first. */
function aggregationOf(row: StoredColumns, tools: OcsfTools): OcsfEvent {
  const decidedAt = timeOf(row, tools)
  const repeats = numberOf(row, 'RepeatCount')
  if (repeats === undefined) return { time: decidedAt }
  const since = epochMsOf(row, 'RepeatedSince', tools) ?? decidedAt
  const start = Math.min(since, decidedAt)
  const end = Math.max(since, decidedAt)
  return { time: start, start_time: start, end_time: end, duration: end - start, count: repeats + 1 }
}

function epochMsOf(row: StoredColumns, name: string, { epochMs }: OcsfTools): number | undefined {
  const time = textOf(row, name)
  const ms = time === undefined ? Number.NaN : epochMs(time)
  return Number.isNaN(ms) ? undefined : ms
}

/** Without a principal the token was refused, and its subject is nothing but a claim. */
function userOf(row: StoredColumns): OcsfEvent {
  const account = textOf(row, 'Account')
  const groups = textsOf(row, 'GroupNames')
  const subject = textOf(row, 'Subject')
  const principal = textOf(row, 'Principal')
  return {
    ...principalUser(principal),
    ...(principal === undefined && subject !== undefined && { name: subject }),
    ...filled({
      display_name: textOf(row, 'DisplayName'),
      account: account === undefined ? undefined : { name: account, type_id: 99, type: 'NATS account' },
      groups: groups.length === 0 ? undefined : groups.map((name) => ({ name })),
    }),
  }
}

function actorOf(row: StoredColumns): object | undefined {
  const issuerId = textOf(row, 'IssuerId')
  const issuer = textOf(row, 'Issuer')
  const identityProvider = filled({ uid: issuerId, name: issuerId ?? issuer, issuer })
  return filled({
    app_name: textOf(row, 'ClientName'),
    app_uid: textOf(row, 'ClientId'),
    idp: identityProvider,
  })
}

function tokenOf(row: StoredColumns, tools: OcsfTools): object | undefined {
  const facts = filled({
    uid: textOf(row, 'TokenId'),
    created_time: epochMsOf(row, 'TokenIssuedAt', tools),
    expiration_time: epochMsOf(row, 'TokenExpiresAt', tools),
  })
  return facts === undefined ? undefined : { type_id: 99, type: 'OIDC token', ...facts }
}

/** Named as the user JWT is: by the id of the decision. */
function sessionOf(row: StoredColumns, tools: OcsfTools): object | undefined {
  return filled({
    uid: textOf(row, 'DecisionId'),
    created_time: timeOf(row, tools),
    expiration_time: epochMsOf(row, 'SessionExpiresAt', tools),
    is_remote: true,
  })
}

function sourceOf(row: StoredColumns): object | undefined {
  const host = textOf(row, 'ClientHost')
  if (host === undefined || host === '') return undefined
  return parseIpAddress(host) === undefined ? { hostname: host } : { ip: host }
}

function serverOf(row: StoredColumns): object | undefined {
  const named = filled({ name: textOf(row, 'ServerName'), uid: textOf(row, 'ServerId') })
  return named === undefined ? undefined : { type_id: 1, type: 'Server', ...named }
}

function serviceOf(row: StoredColumns): object {
  return { name: 'nats-server', ...filled({ uid: textOf(row, 'ServerId'), version: textOf(row, 'ServerVersion') }) }
}

const SIDES = ['publish', 'subscribe'] as const
const EFFECTS = ['allow', 'deny'] as const

/** What was signed, such as `allow publish orders.>`, in the order of the row. */
function privilegesOf(permissions: unknown): readonly string[] {
  const responses = objectOf(permissions, 'responses')
  const subjects = SIDES.flatMap((side) =>
    EFFECTS.flatMap((effect) =>
      textsOf(objectOf(permissions, side), effect).map((subject) => `${effect} ${side} ${subject}`),
    ),
  )
  if (responses === undefined) return subjects
  const [max, ttlMs] = [numberOf(responses, 'max'), numberOf(responses, 'ttlMs')]
  return [...subjects, `allow ${max} responses within ${ttlMs} ms`]
}
