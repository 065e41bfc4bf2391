import { messageOfChange, nameOfChange, type ExportedChange } from './exported-change.ts'
import { OCSF_PRODUCT, OCSF_SEVERITIES, OCSF_VERSION, ocsfClass, principalUser, type OcsfEvent } from './ocsf.ts'
import { filled, textOf, type StoredColumns } from './stored-columns.ts'

interface Activity {
  readonly id: number
  readonly name: string
}

const UNKNOWN: Activity = { id: 0, name: 'Unknown' }
const ASSIGN: Activity = { id: 1, name: 'Assign Privileges' }
const REVOKE: Activity = { id: 2, name: 'Revoke Privileges' }
const ASSIGN_ROLE: Activity = { id: 3, name: 'Assign Role' }
const REMOVE_ROLE: Activity = { id: 4, name: 'Remove Role' }
const OTHER_ID = 99

/**
 * A change of policy as an event of User Access Management (3005), which 1.9.0 deprecates for a class that no release has yet; see
 * `ocsf.ts` for the version. What the history is made of carries no hash, so there is no attestation.
 */
export function ocsfOfChange(entry: ExportedChange, epochMs: (time: string) => number, version: string): OcsfEvent {
  const { committedAt, transactionId, editId, change, kind, key, principal, source, actor, approvedBy, reason } = entry
  const { before, after } = entry
  const { id, name } = activityOf(entry)
  const severity = kind === undefined ? 3 : 1
  return {
    ...ocsfClass(3005, 'User Access Management', id, name),
    severity_id: severity,
    severity: OCSF_SEVERITIES[severity],
    status_id: kind === undefined ? 0 : 1,
    status: kind === undefined ? 'Unknown' : 'Success',
    status_code: nameOfChange(entry),
    time: epochMs(committedAt),
    message: messageOfChange(entry),
    metadata: {
      version: OCSF_VERSION,
      product: { ...OCSF_PRODUCT, version },
      uid: entry.id,
      log_name: 'PolicyHistory',
      original_time: committedAt,
      correlation_uid: editId ?? transactionId,
    },
    user: principalUser(principal === '' ? undefined : principal),
    ...filled({
      actor: actor === undefined ? undefined : { user: { name: actor } },
      status_detail: reason,
      privileges: kind === 'grant' ? privilegesOf(before, after) : undefined,
      iam_role: kind === 'binding' ? { name: key.at(-1) ?? '' } : undefined,
      resources: resourcesOf(after ?? before),
    }),
    unmapped: filled({
      kind,
      change,
      key,
      source,
      edit_id: editId,
      transaction_id: transactionId,
      approved_by: approvedBy,
      before,
      after,
    }),
  }
}

/** Who takes a deny away gives. What changes a row, a role or a lock is none of the activities of the schema. */
function activityOf(entry: ExportedChange): Activity {
  const { change, kind, before, after } = entry
  if (change === 'gap') return UNKNOWN
  if (change !== 'changed' && kind === 'binding') return change === 'added' ? ASSIGN_ROLE : REMOVE_ROLE
  if (change !== 'changed' && kind === 'grant') {
    const isDeny = textOf(after ?? before, 'Effect') === 'DENY'
    return (change === 'added') === isDeny ? REVOKE : ASSIGN
  }
  return { id: OTHER_ID, name: nameOfChange(entry) }
}

function privilegesOf(...rows: readonly (StoredColumns | undefined)[]): readonly string[] {
  return [...new Set(rows.flatMap((row) => (row === undefined ? [] : [privilegeOf(row)])))]
}

/** Such as `allow publish orders.>`. */
function privilegeOf(row: StoredColumns): string {
  const [effect = '', action = '', subject = ''] = ['Effect', 'Action', 'Subject'].map((name) => textOf(row, name))
  return `${effect.toLowerCase()} ${action.toLowerCase()} ${subject}`
}

function resourcesOf(row: StoredColumns | undefined): readonly object[] | undefined {
  const account = textOf(row, 'Account')
  return account === undefined ? undefined : [{ name: account, type: 'NATS account' }]
}
