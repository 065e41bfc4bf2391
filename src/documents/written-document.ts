import { formatDuration } from '../config/units.ts'
import { assertNever } from '../core/errors.ts'
import type { ResourceAction } from '../core/grant.ts'
import type { DocumentMetadata, GrantEntry, PolicyDocument } from '../core/policy-document.ts'
import { API_VERSION, durationMs, type WrittenDocument, type WrittenMetadata } from './schema.ts'

type WrittenGrant = Extract<WrittenDocument, { kind: 'Grant' }>['spec']

/** A checked document in our own words. Times are not finer than a millisecond; what is finer is cut. */
export function toDocument(written: WrittenDocument): PolicyDocument {
  const metadata = toMetadata(written.metadata)
  switch (written.kind) {
    case 'Grant':
      return { kind: 'Grant', metadata, ...toGrant(written.spec) }
    case 'Role': {
      const { role, description, sessionMax } = written.spec
      const sessionMaxMs = sessionMax === undefined ? undefined : durationMs(sessionMax)
      return { kind: 'Role', metadata, ...present({ role, description, sessionMaxMs }) }
    }
    case 'RoleBinding': {
      const { role, members, validFrom, validUntil } = written.spec
      const window = { validFromMs: toMs(validFrom), validUntilMs: toMs(validUntil) }
      return { kind: 'RoleBinding', metadata, ...present({ role, members, ...window }) }
    }
    case 'Lock': {
      const { targets, message, expires } = written.spec
      return { kind: 'Lock', metadata, ...present({ targets, message, expiresAtMs: toMs(expires) }) }
    }
    default:
      return assertNever(written)
  }
}

function toMetadata({ name, id, scope, owner, ticket, labels }: WrittenMetadata): DocumentMetadata {
  const entries = labels === undefined ? [] : Object.entries(labels).map(([key, value]) => `${key}=${value}`)
  return present({ name, id, scope, owner, ticket, labels: entries.length === 0 ? undefined : entries.sort() })
}

function toGrant({ principals, account, validFrom, validUntil, conditions, force, ...spec }: WrittenGrant) {
  return present({
    principals,
    account,
    validFromMs: toMs(validFrom),
    validUntilMs: toMs(validUntil),
    condition: conditions === undefined ? undefined : present(conditions),
    force,
    entries: [...rawEntries(spec), ...resourceEntries(spec.allow ?? [])],
  })
}

function rawEntries({ publish, subscribe }: Pick<WrittenGrant, 'publish' | 'subscribe'>): GrantEntry[] {
  const entries: GrantEntry[] = []
  for (const [action, side] of [
    ['publish', publish],
    ['subscribe', subscribe],
  ] as const) {
    for (const effect of ['allow', 'deny'] as const) {
      for (const [index, entry] of (side?.[effect] ?? []).entries()) {
        const path = `spec.${action}.${effect}[${index}]`
        const named = typeof entry === 'string' ? { subject: entry } : entry
        entries.push({ path, effect, action, ...receiptOf(named) })
      }
    }
  }
  return entries
}

interface WrittenReceipt {
  readonly subject: string
  readonly queue?: string | undefined
  readonly response?: { readonly max: number; readonly ttl: string } | undefined
}

function receiptOf({ subject, queue, response }: WrittenReceipt) {
  const permission = response === undefined ? undefined : { max: response.max, ttlMs: durationMs(response.ttl) }
  return present({ subject, queue, response: permission })
}

function resourceEntries(allow: NonNullable<WrittenGrant['allow']>): GrantEntry[] {
  return allow.map((entry, index) => {
    const written = typeof entry === 'string' ? { action: entry } : entry
    const space = written.action.indexOf(' ')
    const action = written.action.slice(0, space) as ResourceAction
    const path = `spec.allow[${index}]`
    return { path, effect: 'allow', action, ...receiptOf({ ...written, subject: written.action.slice(space + 1) }) }
  })
}

function toMs(written: string | undefined): number | undefined {
  return written === undefined ? undefined : Date.parse(written)
}

type Present<T> = { [Key in keyof T]: Exclude<T[Key], undefined> }

/** Without what is undefined. */
function present<T extends object>(fields: T): Present<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>
}

/** A document as it is written to a file: plain values in the order in which people read them. */
export function fromDocument(document: PolicyDocument): object {
  const { kind, metadata } = document
  return { apiVersion: API_VERSION, kind, metadata: fromMetadata(metadata), spec: present(specOf(document)) }
}

function fromMetadata({ labels, ...rest }: DocumentMetadata): object {
  const pairs = labels?.map((label) => {
    const equals = label.indexOf('=')
    return [label.slice(0, equals), label.slice(equals + 1)] as const
  })
  return { ...rest, ...(pairs === undefined ? {} : { labels: Object.fromEntries(pairs) }) }
}

function specOf(document: PolicyDocument): object {
  if (document.kind === 'Role') {
    const { role, description, sessionMaxMs } = document
    return { role, description, sessionMax: sessionMaxMs === undefined ? undefined : formatDuration(sessionMaxMs) }
  }
  if (document.kind === 'RoleBinding') {
    const { role, members, validFromMs, validUntilMs } = document
    return { role, members, validFrom: fromMs(validFromMs), validUntil: fromMs(validUntilMs) }
  }
  if (document.kind === 'Lock') {
    const { targets, message, expiresAtMs } = document
    return { targets, message, expires: fromMs(expiresAtMs) }
  }
  const { principals, account, entries, validFromMs, validUntilMs, condition, force } = document
  const side = (action: 'publish' | 'subscribe'): object | undefined => {
    const of = (effect: 'allow' | 'deny'): unknown[] | undefined =>
      listed(entries.filter((entry) => entry.action === action && entry.effect === effect).map(fromReceipt))
    const lists = present({ allow: of('allow'), deny: of('deny') })
    return Object.keys(lists).length === 0 ? undefined : lists
  }
  const resources = entries.filter(({ action }) => action !== 'publish' && action !== 'subscribe')
  return {
    principals,
    account,
    publish: side('publish'),
    subscribe: side('subscribe'),
    allow: listed(resources.map(fromResource)),
    validFrom: fromMs(validFromMs),
    validUntil: fromMs(validUntilMs),
    conditions: condition,
    force,
  }
}

function fromReceipt({ subject, queue, response }: GrantEntry): unknown {
  if (queue === undefined && response === undefined) return subject
  return present({ subject, queue, response: fromResponse(response) })
}

function fromResource({ action, subject, response }: GrantEntry): unknown {
  const written = `${action} ${subject}`
  return response === undefined ? written : { action: written, response: fromResponse(response) }
}

function fromResponse(response: GrantEntry['response']): object | undefined {
  return response === undefined ? undefined : { max: response.max, ttl: formatDuration(response.ttlMs) }
}

function listed<T>(entries: T[]): T[] | undefined {
  return entries.length === 0 ? undefined : entries
}

function fromMs(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString().replace('.000Z', 'Z')
}
