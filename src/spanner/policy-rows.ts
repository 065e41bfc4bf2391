import type { ConnectionCondition } from '../core/connection-condition.ts'
import { RESOURCE_ACTIONS } from '../core/grant.ts'
import type {
  Grant,
  GrantAction,
  Lock,
  ResponsePermission,
  RoleBinding,
  RoleSettings,
  ValidityWindow,
} from '../core/grant.ts'
import {
  GRANT_COLUMNS,
  GRANTS,
  LOCK_COLUMNS,
  LOCKS,
  ROLE_BINDING_COLUMNS,
  ROLE_BINDINGS,
  ROLE_COLUMNS,
  ROLES,
} from './schema.ts'
import { RowReader, RowShapeError } from './values.ts'
import type { Row } from './values.ts'

const EFFECTS = { ALLOW: 'allow', DENY: 'deny' } as const
const ACTIONS: Readonly<Record<string, GrantAction>> = Object.fromEntries(
  (['publish', 'subscribe', ...RESOURCE_ACTIONS] as const).map((action) => [storedAction(action), action]),
)
const TLS = { REQUIRED: 'required', MUTUAL: 'mutual' } as const

/** The word of the column `Action`: `stream:read` is `STREAM_READ`. */
export function storedAction(action: GrantAction): string {
  return action.replace(':', '_').toUpperCase()
}

/** Decodes a row of `GRANT_COLUMNS`. Throws `RowShapeError`. */
export function decodeGrant(row: Row): Grant {
  return grantOf(new RowReader(GRANTS, GRANT_COLUMNS, row))
}

/** Takes `GRANT_COLUMNS` from a reader. */
export function grantOf(reader: RowReader): Grant {
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
  const response = responseOf(reader)
  return {
    ...grant,
    ...(queue !== undefined && { queue }),
    ...window,
    ...(condition !== undefined && { condition }),
    ...(response !== undefined && { response }),
  }
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

function responseOf(reader: RowReader): ResponsePermission | undefined {
  const max = reader.optionalInt64()
  const ttlMs = reader.optionalInt64()
  return max === undefined || ttlMs === undefined ? undefined : { max, ttlMs }
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

/** Decodes a row of `ROLE_BINDING_COLUMNS`. Throws `RowShapeError`. */
export function decodeRoleBinding(row: Row): RoleBinding {
  return roleBindingOf(new RowReader(ROLE_BINDINGS, ROLE_BINDING_COLUMNS, row))
}

/** Takes `ROLE_BINDING_COLUMNS` from a reader. */
export function roleBindingOf(reader: RowReader): RoleBinding {
  const member = reader.string()
  const role = reader.string()
  // Anything else would lend the member the grants of another principal.
  if (!role.startsWith('role:')) throw new RowShapeError(`${ROLE_BINDINGS}.Role is not a role`)
  return { member, role, ...windowOf(reader) }
}

/** Decodes a row of `ROLE_COLUMNS`. Throws `RowShapeError`. */
export function decodeRole(row: Row): RoleSettings {
  return roleOf(new RowReader(ROLES, ROLE_COLUMNS, row))
}

/** Takes `ROLE_COLUMNS` from a reader. */
export function roleOf(reader: RowReader): RoleSettings {
  const role = reader.string()
  const seconds = reader.optionalInt64()
  return { role, ...(seconds !== undefined && { sessionMaxMs: seconds * 1000 }) }
}

/** Decodes a row of `LOCK_COLUMNS`. Throws `RowShapeError`. */
export function decodeLock(row: Row): Lock {
  return lockOf(new RowReader(LOCKS, LOCK_COLUMNS, row))
}

/** Takes `LOCK_COLUMNS` from a reader; a lock holds to the end of its last millisecond. */
export function lockOf(reader: RowReader): Lock {
  const target = reader.string()
  const id = reader.string()
  const expiresAtMs = reader.optionalTimestampMs('up')
  const sourceCidr = reader.optionalString()
  const message = reader.optionalString()
  return {
    id,
    target,
    ...(expiresAtMs !== undefined && { expiresAtMs }),
    ...(sourceCidr !== undefined && { sourceCidr }),
    ...(message !== undefined && { message }),
  }
}
