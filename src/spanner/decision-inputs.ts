import type { Actor, Identity } from '../core/identity.ts'
import { parsePrincipal } from '../core/principal.ts'
import type { RecordedDecision } from '../core/recorded-decision.ts'
import { misshapen, parseRecorded, textsOf } from './recorded-json.ts'
import { DECISIONS } from './schema.ts'
import type { DecisionColumn } from './schema.ts'
import { RowReader, RowShapeError } from './values.ts'
import type { Row } from './values.ts'

/** What `decodeRecordedDecision` reads, in its order. */
export const RECORDED_DECISION_COLUMNS = [
  'DecisionId',
  'DecidedAt',
  'Outcome',
  'Reason',
  'Account',
  'SessionExpiresAt',
  'GrantsReadAt',
  'Principal',
  'Actors',
  'IssuerId',
  'Issuer',
  'ClientId',
  'GroupNames',
  'TokenId',
  'TokenExpiresAt',
  'Attributes',
  'WantedAccount',
  'ServerName',
  'ConnectionId',
  'ClientName',
  'ClientHost',
  'ClientKind',
  'ConnectionType',
  'TlsVersion',
  'HasVerifiedCertificate',
] as const satisfies readonly DecisionColumn[]

const OUTCOMES = { ALLOW: 'allow', DENY: 'deny' } as const

/**
 * Decodes a row of `RECORDED_DECISION_COLUMNS`. Throws `RowShapeError`; nothing is repaired. What the row does not keep is not there: a display name, the
 * parts of the token that no decision looks at, and a user name that is no account. Long texts are as they were cut for the row.
 */
export function decodeRecordedDecision(row: Row): RecordedDecision {
  const reader = new RowReader(DECISIONS, RECORDED_DECISION_COLUMNS, row)
  const id = reader.string()
  const decidedAtMs = reader.optionalTimestampMs('down') ?? 0
  const outcome = reader.oneOf(OUTCOMES)
  const head = present({
    reason: reader.optionalString(),
    account: reader.optionalString(),
    sessionExpiresAtMs: reader.optionalTimestampMs('down'),
    grantsReadAt: reader.optionalString(),
  })
  const identity = identityOf(reader)
  const attributes = reader.optionalString()
  const wantedAccount = reader.optionalString()
  const where = present({
    serverName: reader.string(),
    connectionId: reader.optionalInt64(),
    clientName: reader.optionalString(),
  })
  const connection = present({
    host: reader.string(),
    kind: reader.string(),
    connectionType: reader.optionalString(),
    tlsVersion: reader.optionalString(),
    hasVerifiedCertificate: reader.optionalBoolean() === true ? (true as const) : undefined,
  })
  const made = identity && {
    identity: { ...identity, attributes: attributesOf(attributes) },
    wantedAccount,
    connection,
  }
  return {
    id,
    decidedAtMs,
    outcome,
    ...head,
    ...(made !== undefined && { made }),
    missing: made !== undefined && attributes === undefined ? ['attributes'] : [],
    connection: where,
  }
}

/** Undefined when the token was not accepted. */
function identityOf(reader: RowReader): Omit<Identity, 'attributes'> | undefined {
  const principal = reader.optionalString()
  const actors = reader.optionalString()
  const issuerId = reader.optionalString()
  const issuer = reader.optionalString()
  const clientId = reader.optionalString()
  const groups = reader.optionalStrings() ?? []
  const tokenId = reader.optionalString()
  const expiresAtMs = reader.optionalTimestampMs('down')
  if (principal === undefined) return undefined
  const parsed = parsePrincipal(principal)
  if (!('principal' in parsed)) throw new RowShapeError(`${DECISIONS}.Principal is no principal`)
  const { kind, name } = parsed.principal
  const isOfIssuer = issuerId !== undefined && parsed.principal.issuerId === issuerId
  if ((kind !== 'user' && kind !== 'client') || name === undefined || !isOfIssuer)
    throw new RowShapeError(`${DECISIONS}.Principal is not that of a client of its issuer`)
  const chain = actorsOf(actors)
  return {
    issuerId,
    kind,
    subject: name,
    ...present({ clientId }),
    groups,
    ...(chain.length > 0 && { actors: chain }),
    token: present({
      issuer,
      id: tokenId,
      expiresAt: expiresAtMs === undefined ? undefined : Math.floor(expiresAtMs / 1000),
    }),
  }
}

/** None for NULL. */
function attributesOf(json: string | undefined): Record<string, string> {
  return json === undefined ? {} : textsOf(parseRecorded(json, 'Attributes'), 'Attributes')
}

const ACTOR_MEMBERS = ['sub', 'iss', 'client_id']

/** None for NULL. */
function actorsOf(json: string | undefined): Actor[] {
  const value = json === undefined ? [] : parseRecorded(json, 'Actors')
  if (!Array.isArray(value)) throw misshapen('Actors')
  return value.map((entry) => {
    const texts = textsOf(entry, 'Actors')
    if (!Object.keys(texts).every((name) => ACTOR_MEMBERS.includes(name))) throw misshapen('Actors')
    const { sub, iss, client_id: clientId } = texts
    if (sub === undefined && clientId === undefined) throw misshapen('Actors')
    return present({ subject: sub, issuer: iss, clientId })
  })
}

type Present<T> = { [Key in keyof T as undefined extends T[Key] ? never : Key]: T[Key] } & {
  [Key in keyof T as undefined extends T[Key] ? Key : never]?: Exclude<T[Key], undefined>
}

/** Without what is undefined. */
function present<T extends object>(fields: T): Present<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>
}
