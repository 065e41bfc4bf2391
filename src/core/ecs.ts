import { parseIpAddress } from './cidr.ts'
import { messageOfChange, nameOfChange, type ExportedChange } from './exported-change.ts'
import { messageOfDecision } from './exported-decision.ts'
import { parsePrincipal } from './principal.ts'
import { DENY_REASONS, isDenyReason } from './reasons.ts'
import { filled, numberOf, otherColumns, textOf, textsOf, type StoredColumns } from './stored-columns.ts'

/** Field names of the Elastic Common Schema, https://github.com/elastic/ecs, of this release. */
export const ECS_VERSION = '9.4.0'

export type EcsDocument = Readonly<Record<string, unknown>>

const SERVICE = { name: 'nats-spanner-callout', type: 'nats_callout' } as const
const NANOS_PER_MICRO = 1000

/** Columns that have fields of their own; all others come below `nats_callout`. */
const MAPPED: ReadonlySet<string> = new Set([
  'Shard',
  'DenyShard',
  'DecidedAt',
  'DecisionId',
  'CommittedAt',
  'Outcome',
  'Reason',
  'Principal',
  'DisplayName',
  'Subject',
  'GroupNames',
  'Account',
  'Attributes',
  'GrantIds',
  'LockIds',
  'ClientHost',
  'ClientCertificateSha256',
  'TlsVersion',
  'ServerName',
  'InstanceId',
  'ServiceVersion',
  'ElapsedMicros',
  'RowHash',
])

/**
 * A stored decision as a document. `event.type` is `start` whether or not somebody got in, as the schema expects of the category
 * `authentication`; `event.outcome` says which.
 */
export function ecsOfDecision(row: StoredColumns): EcsDocument {
  const isAllow = textOf(row, 'Outcome') === 'ALLOW'
  const endpoint = endpointOf(textOf(row, 'ClientHost'))
  const elapsedMicros = numberOf(row, 'ElapsedMicros')
  const reason = textOf(row, 'Reason')
  return {
    '@timestamp': textOf(row, 'DecidedAt') ?? '',
    ecs: { version: ECS_VERSION },
    message: messageOfDecision(row),
    event: {
      kind: 'event',
      category: ['authentication'],
      type: ['start'],
      outcome: isAllow ? 'success' : 'failure',
      action: isAllow ? 'connection-allowed' : 'connection-refused',
      dataset: 'nats_callout.decisions',
      module: 'nats_callout',
      provider: SERVICE.name,
      ...filled({
        id: textOf(row, 'DecisionId'),
        code: reason,
        reason: reason !== undefined && isDenyReason(reason) ? DENY_REASONS[reason] : undefined,
        duration: elapsedMicros === undefined ? undefined : elapsedMicros * NANOS_PER_MICRO,
        created: textOf(row, 'CommittedAt'),
        hash: textOf(row, 'RowHash'),
      }),
    },
    service: {
      ...SERVICE,
      ...filled({ version: textOf(row, 'ServiceVersion'), node: filled({ name: textOf(row, 'InstanceId') }) }),
    },
    ...filled({
      user: userOf(row),
      source: endpoint,
      client: endpoint,
      server: filled({ address: textOf(row, 'ServerName') }),
      rule: ruleOf(row, isAllow),
      organization: filled({ id: textOf(row, 'Account') }),
      labels: row['Attributes'],
      tls: tlsOf(row),
      related: relatedOf(row),
      nats_callout: snakeCased(otherColumns(row, MAPPED)),
    }),
  }
}

function userOf(row: StoredColumns): object | undefined {
  return filled({
    ...userOfPrincipal(textOf(row, 'Principal')),
    name: textOf(row, 'Subject'),
    full_name: textOf(row, 'DisplayName'),
    group: filled({ name: listed(textsOf(row, 'GroupNames')) }),
  })
}

/** The domain is the issuer that vouches for the name. */
function userOfPrincipal(written: string | undefined): EcsDocument {
  const parsed = written === undefined ? undefined : parsePrincipal(written)
  if (parsed === undefined || 'problem' in parsed) return { ...filled({ id: written }) }
  const { issuerId, name } = parsed.principal
  return { ...filled({ id: written, name: name ?? issuerId, domain: issuerId }) }
}

function endpointOf(host: string | undefined): object | undefined {
  if (host === undefined || host === '') return undefined
  return { address: host, ...(parseIpAddress(host) === undefined ? {} : { ip: host }) }
}

/** What let the client in: grants; what kept it out: locks. */
function ruleOf(row: StoredColumns, isAllow: boolean): object | undefined {
  const ids = textsOf(row, isAllow ? 'GrantIds' : 'LockIds')
  return ids.length === 0 ? undefined : { id: ids, category: isAllow ? 'grant' : 'lock' }
}

function tlsOf(row: StoredColumns): object | undefined {
  const version = textOf(row, 'TlsVersion')
  if (version === undefined || version === '') return undefined
  const certificate = textOf(row, 'ClientCertificateSha256')
  return {
    version,
    established: true,
    ...(certificate !== undefined && { client: { hash: { sha256: certificate.toUpperCase() } } }),
  }
}

function relatedOf(row: StoredColumns): object | undefined {
  const host = textOf(row, 'ClientHost')
  const users = [textOf(row, 'Principal'), textOf(row, 'Subject')].filter((user) => user !== undefined)
  return filled({
    ip: host !== undefined && parseIpAddress(host) !== undefined ? [host] : undefined,
    user: listed([...new Set(users)]),
  })
}

/** A change of policy as a document: `user` changed something of `user.target`. */
export function ecsOfChange(entry: ExportedChange, version: string): EcsDocument {
  const { id, committedAt, transactionId, editId, change, kind, key, principal, source, actor, approvedBy, reason } =
    entry
  const { before, after } = entry
  const row = after ?? before
  return {
    '@timestamp': committedAt,
    ecs: { version: ECS_VERSION },
    message: messageOfChange(entry),
    event: {
      kind: 'event',
      category: ['iam'],
      type: ['admin', CHANGE_TYPES[change]],
      outcome: kind === undefined ? 'unknown' : 'success',
      action: nameOfChange(entry).replaceAll(' ', '-'),
      dataset: 'nats_callout.policy_history',
      module: 'nats_callout',
      provider: SERVICE.name,
      id,
      ...filled({ reason }),
    },
    service: { ...SERVICE, version },
    ...filled({
      user: filled({ name: actor, target: principal === '' ? undefined : userOfPrincipal(principal) }),
      rule: kind === undefined ? undefined : { id: key.at(-1) ?? '', category: kind },
      organization: filled({ id: textOf(row, 'Account') }),
      labels: labelsOf(row),
    }),
    nats_callout: filled({
      kind,
      change,
      key,
      source,
      edit_id: editId,
      transaction_id: transactionId,
      approved_by: approvedBy,
      before: before === undefined ? undefined : snakeCased(before),
      after: after === undefined ? undefined : snakeCased(after),
    }),
  }
}

const CHANGE_TYPES = { added: 'creation', changed: 'change', removed: 'deletion', gap: 'info' } as const

/** Labels of a row are `key=value`. */
function labelsOf(row: StoredColumns | undefined): object | undefined {
  const labels = textsOf(row, 'Labels').map((label) => label.split(/=(.*)/s, 2))
  return labels.length === 0 ? undefined : Object.fromEntries(labels.map(([name = '', value = '']) => [name, value]))
}

function listed(texts: readonly string[]): readonly string[] | undefined {
  return texts.length === 0 ? undefined : texts
}

/** `ClientHost` becomes `client_host`. */
function snakeCased(columns: StoredColumns): object | undefined {
  return filled(
    Object.fromEntries(
      Object.entries(columns).map(([name, value]) => [
        name.replace(/(?<=[a-z0-9])[A-Z]/g, (letter) => `_${letter}`).toLowerCase(),
        value,
      ]),
    ),
  )
}
