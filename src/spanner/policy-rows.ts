import type { ConnectionCondition } from '../core/connection-condition.ts'
import type { Grant, Lock, RoleBinding, ValidityWindow } from '../core/grant.ts'
import type { NewGrant, StoredGrant } from '../service/ports.ts'
import {
  GRANT_COLUMNS,
  GRANT_ORIGIN_COLUMNS,
  GRANTS,
  LOCK_COLUMNS,
  LOCKS,
  ROLE_BINDING_COLUMNS,
  ROLE_BINDINGS,
} from './schema.ts'
import {
  COMMIT_TIMESTAMP,
  NULL,
  RowReader,
  RowShapeError,
  stringsValue,
  stringValue,
  timestampValue,
} from './values.ts'
import type { Row } from './values.ts'

const EFFECTS = { ALLOW: 'allow', DENY: 'deny' } as const
const ACTIONS = { PUBLISH: 'publish', SUBSCRIBE: 'subscribe' } as const
const TLS = { REQUIRED: 'required', MUTUAL: 'mutual' } as const

export const STORED_GRANT_COLUMNS = [...GRANT_COLUMNS, ...GRANT_ORIGIN_COLUMNS] as const

/** Decodes a row of `GRANT_COLUMNS`. Throws `RowShapeError`. */
export function decodeGrant(row: Row): Grant {
  return grantOf(new RowReader(GRANTS, GRANT_COLUMNS, row))
}

/** Decodes a row of `STORED_GRANT_COLUMNS`. Throws `RowShapeError`. */
export function decodeStoredGrant(row: Row): StoredGrant {
  const reader = new RowReader(GRANTS, STORED_GRANT_COLUMNS, row)
  const grant = grantOf(reader)
  return { ...grant, reason: reader.string(), createdBy: reader.string(), createdAt: reader.string() }
}

function grantOf(reader: RowReader): Grant {
  const grant = {
    principal: reader.string(),
    id: reader.string(),
    account: reader.string(),
    effect: reader.oneOf(EFFECTS),
    action: reader.oneOf(ACTIONS),
    subject: reader.string(),
  }
  const queue = reader.optionalString()
  const window = windowOf(reader)
  const condition = conditionOf(reader)
  return { ...grant, ...(queue !== undefined && { queue }), ...window, ...(condition !== undefined && { condition }) }
}

/** Undefined when all three columns are NULL. What the lists hold is for the reader of the condition to judge. */
function conditionOf(reader: RowReader): ConnectionCondition | undefined {
  const connectionTypes = reader.optionalStrings()
  const sourceCidrs = reader.optionalStrings()
  const tls = reader.optionalOneOf(TLS)
  if (connectionTypes === undefined && sourceCidrs === undefined && tls === undefined) return undefined
  return {
    ...(connectionTypes !== undefined && { connectionTypes }),
    ...(sourceCidrs !== undefined && { sourceCidrs }),
    ...(tls !== undefined && { tls }),
  }
}

/** A part of a millisecond is rounded so that the window never grows. */
function windowOf(reader: RowReader): ValidityWindow {
  const validFromMs = reader.optionalTimestampMs('up')
  const validUntilMs = reader.optionalTimestampMs('down')
  return {
    ...(validFromMs !== undefined && { validFromMs }),
    ...(validUntilMs !== undefined && { validUntilMs }),
  }
}

export function encodeGrant(grant: NewGrant): Row {
  const { connectionTypes, sourceCidrs, tls } = grant.condition ?? {}
  return [
    stringValue(grant.principal),
    stringValue(grant.id),
    stringValue(grant.account),
    stringValue(grant.effect.toUpperCase()),
    stringValue(grant.action.toUpperCase()),
    stringValue(grant.subject),
    stringValue(grant.queue),
    timestampValue(grant.validFromMs),
    timestampValue(grant.validUntilMs),
    connectionTypes === undefined ? NULL : stringsValue(connectionTypes),
    sourceCidrs === undefined ? NULL : stringsValue(sourceCidrs),
    stringValue(tls?.toUpperCase()),
    stringValue(grant.reason),
    stringValue(grant.createdBy),
    COMMIT_TIMESTAMP,
  ]
}

/** Decodes a row of `ROLE_BINDING_COLUMNS`. Throws `RowShapeError`. */
export function decodeRoleBinding(row: Row): RoleBinding {
  const reader = new RowReader(ROLE_BINDINGS, ROLE_BINDING_COLUMNS, row)
  const member = reader.string()
  const role = reader.string()
  // Anything else would lend the member the grants of another principal.
  if (!role.startsWith('role:')) throw new RowShapeError(`${ROLE_BINDINGS}.Role is not a role`)
  return { member, role, ...windowOf(reader) }
}

/** Decodes a row of `LOCK_COLUMNS`; a lock holds to the end of its last millisecond. Throws `RowShapeError`. */
export function decodeLock(row: Row): Lock {
  const reader = new RowReader(LOCKS, LOCK_COLUMNS, row)
  const target = reader.string()
  const id = reader.string()
  const expiresAtMs = reader.optionalTimestampMs('up')
  return { id, target, ...(expiresAtMs !== undefined && { expiresAtMs }) }
}
