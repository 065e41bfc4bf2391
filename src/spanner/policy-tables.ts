import type {
  PolicyKind,
  PolicyLabels,
  PolicyOrigin,
  PolicyRow,
  PolicyTables,
  UnsignedRow,
} from '../core/policy-row.ts'
import { policyKey } from '../core/policy-row.ts'
import { grantOf, lockOf, roleBindingOf, roleOf, storedAction } from './policy-rows.ts'
import {
  GRANT_COLUMNS,
  GRANTS,
  LABEL_COLUMNS,
  LOCK_COLUMNS,
  LOCKS,
  ORIGIN_COLUMNS,
  ROLE_BINDING_COLUMNS,
  ROLE_BINDINGS,
  ROLE_COLUMNS,
  ROLES,
} from './schema.ts'
import {
  booleanValue,
  COMMIT_TIMESTAMP,
  int64Value,
  NULL,
  RowReader,
  stringsValue,
  stringValue,
  timestampValue,
} from './values.ts'
import type { Row, Value } from './values.ts'

/** A table of policy as admins see it: every column, written and read in this order. */
export interface PolicyTable<Kind extends PolicyKind> {
  readonly table: string
  readonly columns: readonly string[]
  readonly keyColumns: number
  /** Throws `RowShapeError`. */
  readonly decode: (row: Row) => PolicyTables[Kind]
  readonly encode: (row: PolicyTables[Kind]) => Row
}

const NOTES = [...LABEL_COLUMNS, ...ORIGIN_COLUMNS]
const GRANT_ROW_COLUMNS = [...GRANT_COLUMNS, 'Forced', ...NOTES]
const ROLE_ROW_COLUMNS = [...ROLE_COLUMNS, 'Description', ...NOTES]
const BINDING_ROW_COLUMNS = [...ROLE_BINDING_COLUMNS, ...NOTES]
const LOCK_ROW_COLUMNS = [...LOCK_COLUMNS, ...NOTES]

export const POLICY_TABLES: { readonly [Kind in PolicyKind]: PolicyTable<Kind> } = {
  grant: {
    table: GRANTS,
    columns: GRANT_ROW_COLUMNS,
    keyColumns: 2,
    decode(row) {
      const reader = new RowReader(GRANTS, GRANT_ROW_COLUMNS, row)
      const grant = grantOf(reader)
      const forced = reader.optionalBoolean()
      return { ...grant, ...(forced === true && { forced }), ...notesOf(reader) }
    },
    encode(grant) {
      const { connectionTypes, sourceCidrs, tls } = grant.condition ?? {}
      return [
        stringValue(grant.principal),
        stringValue(grant.id),
        stringValue(grant.account),
        stringValue(grant.effect.toUpperCase()),
        stringValue(storedAction(grant.action)),
        stringValue(grant.subject),
        stringValue(grant.queue),
        timestampValue(grant.validFromMs),
        timestampValue(grant.validUntilMs),
        optionalStrings(connectionTypes),
        optionalStrings(sourceCidrs),
        stringValue(tls?.toUpperCase()),
        int64Value(grant.response?.max),
        int64Value(grant.response?.ttlMs),
        grant.forced === true ? booleanValue(true) : NULL,
        ...notes(grant),
      ]
    },
  },
  role: {
    table: ROLES,
    columns: ROLE_ROW_COLUMNS,
    keyColumns: 1,
    decode(row) {
      const reader = new RowReader(ROLES, ROLE_ROW_COLUMNS, row)
      const role = roleOf(reader)
      const description = reader.optionalString()
      return {
        ...role,
        ...(description !== undefined && { description }),
        ...notesOf(reader),
      }
    },
    encode: (role) => [
      stringValue(role.role),
      int64Value(role.sessionMaxMs === undefined ? undefined : Math.floor(role.sessionMaxMs / 1000)),
      stringValue(role.description),
      ...notes(role),
    ],
  },
  binding: {
    table: ROLE_BINDINGS,
    columns: BINDING_ROW_COLUMNS,
    keyColumns: 2,
    decode(row) {
      const reader = new RowReader(ROLE_BINDINGS, BINDING_ROW_COLUMNS, row)
      return { ...roleBindingOf(reader), ...notesOf(reader) }
    },
    encode: (binding) => [
      stringValue(binding.member),
      stringValue(binding.role),
      timestampValue(binding.validFromMs),
      timestampValue(binding.validUntilMs),
      ...notes(binding),
    ],
  },
  lock: {
    table: LOCKS,
    columns: LOCK_ROW_COLUMNS,
    keyColumns: 2,
    decode(row) {
      const reader = new RowReader(LOCKS, LOCK_ROW_COLUMNS, row)
      return { ...lockOf(reader), ...notesOf(reader) }
    },
    encode: (lock) => [
      stringValue(lock.target),
      stringValue(lock.id),
      timestampValue(lock.expiresAtMs),
      stringValue(lock.sourceCidr),
      stringValue(lock.message),
      ...notes(lock),
    ],
  },
}

/** The table of a row and the row as it is written there. */
export function encodePolicyRow({ kind, row }: PolicyRow): {
  readonly table: PolicyTable<PolicyKind>
  readonly row: Row
} {
  const table = POLICY_TABLES[kind] as unknown as PolicyTable<PolicyKind>
  return { table, row: table.encode(row) }
}

export function keyValues(row: UnsignedRow): Value[] {
  return policyKey(row).map((part) => stringValue(part))
}

function notes({ name, scope, owner, ticket, labels, reason, createdBy }: PolicyLabels & PolicyOrigin): Row {
  return [
    stringValue(name),
    stringValue(scope),
    stringValue(owner),
    stringValue(ticket),
    optionalStrings(labels),
    stringValue(reason),
    stringValue(createdBy),
    COMMIT_TIMESTAMP,
  ]
}

function notesOf(reader: RowReader): PolicyLabels & PolicyOrigin {
  const name = reader.optionalString()
  const scope = reader.optionalString()
  const owner = reader.optionalString()
  const ticket = reader.optionalString()
  const labels = reader.optionalStrings()
  return {
    ...(name !== undefined && { name }),
    ...(scope !== undefined && { scope }),
    ...(owner !== undefined && { owner }),
    ...(ticket !== undefined && { ticket }),
    ...(labels !== undefined && { labels }),
    reason: reader.string(),
    createdBy: reader.string(),
    createdAt: reader.string(),
  }
}

function optionalStrings(texts: readonly string[] | undefined): Value {
  return texts === undefined ? NULL : stringsValue(texts)
}
