import type { DecisionInput, SessionBound } from '../core/decide.ts'
import type { Grant } from '../core/grant.ts'
import { writtenLockTarget } from '../core/locks.ts'
import { principalOf } from '../core/principal.ts'
import { grantsByEntry, type GrantPath, type GrantTrace, type LockTrace, type Trace } from '../core/trace.ts'
import { formatInstant, formatOptionalInstant } from './instant.ts'
import type { CliIo } from './io.ts'
import type { Column } from './output.ts'
import { writtenSource, type PolicySource } from './policy-reading.ts'
import { writeTable } from './table.ts'
import { visible } from './visible.ts'
import { programRow } from './written-row.ts'

export interface Explained {
  readonly input: DecisionInput
  readonly trace: Trace
  readonly source: PolicySource
}

/** One grant in the form of a table. */
export const GRANT_COLUMNS: readonly Column<GrantTrace>[] = [
  { heading: 'GRANT', cell: ({ grant }) => grant.id },
  { heading: 'ACCOUNT', cell: ({ grant }) => grant.account },
  { heading: 'EFFECT', cell: ({ grant }) => grant.effect },
  { heading: 'ON', cell: ({ grant }) => writtenGrant(grant) },
  { heading: 'COMES BY', cell: ({ paths }) => paths.map(writtenPath).join(', ') },
  { heading: 'GIVES', cell: ({ gave }) => gave.map(writtenSubject).join(', ') },
  { heading: 'SKIPPED', cell: ({ why = '' }) => why },
]

/** In the form for programs. */
export function explanation({ input, trace, source }: Explained): object {
  const { decision, grants, locks, endsBy } = trace
  const { identity, nowMs, policy } = input
  const decided =
    decision.outcome === 'deny'
      ? { reason: decision.reason, detail: decision.detail }
      : {
          account: decision.account,
          sessionExpiresAt: formatInstant(decision.expiresAt * 1000),
          sessionEndsBy: endsBy === undefined ? undefined : { by: endsBy.by, grantId: endsBy.grantId },
          permissions: decision.permissions,
        }
  return {
    outcome: decision.outcome,
    ...decided,
    principal: principalOf(identity),
    at: formatInstant(nowMs),
    grantsReadAt: policy.readTimestamp,
    grantsFrom: source,
    grants: grants.map(({ grant, paths, gave, why }) => ({
      grant: programRow({ kind: 'grant', row: grant }),
      paths: paths.map(({ validFromMs, validUntilMs, ...path }) => ({
        ...path,
        validFrom: formatOptionalInstant(validFromMs),
        validUntil: formatOptionalInstant(validUntilMs),
      })),
      gave,
      why,
    })),
    locks: locks.map(({ lock, why }) => ({
      lock: programRow({ kind: 'lock', row: lock }),
      holds: why === undefined,
      why,
    })),
  }
}

/** For people: what was decided, every row that had to do with it, and the permissions as they are signed. */
export function writeExplanation(io: CliIo, { input, trace, source }: Explained): void {
  const { decision, grants, locks, endsBy } = trace
  const { identity, nowMs, policy } = input
  const line = (text: string): void => void io.stdout.write(`${visible(text)}\n`)
  line(
    decision.outcome === 'deny'
      ? `refused with ${decision.reason}${decision.detail === undefined ? '' : ` (${decision.detail})`}`
      : `allowed, in account ${decision.account} until ${formatInstant(decision.expiresAt * 1000)}`,
  )
  if (endsBy !== undefined) line(`the session ends then at the latest, ${writtenBound(endsBy)}`)
  line(`${principalOf(identity)} at ${formatInstant(nowMs)}, ${writtenSource(policy.readTimestamp, source)}`)
  section(io, GRANT_COLUMNS, grants)
  section(io, LOCK_COLUMNS, locks.filter(isTold))
  section(io, ENTRY_COLUMNS, entriesOf(trace))
}

/** Rows under their headings; nothing when there are none. */
export function section<Row>(io: CliIo, columns: readonly Column<Row>[], rows: readonly Row[]): void {
  if (rows.length === 0) return
  io.stdout.write('\n')
  writeTable(
    io,
    columns.map(({ heading }) => heading),
    rows.map((row) => columns.map(({ cell }) => cell(row))),
  )
}

const LOCK_COLUMNS: readonly Column<LockTrace>[] = [
  { heading: 'LOCK', cell: ({ lock }) => lock.id },
  { heading: 'TARGET', cell: ({ lock }) => writtenLockTarget(lock) },
  { heading: 'EXPIRES', cell: ({ lock }) => formatOptionalInstant(lock.expiresAtMs) ?? '' },
  { heading: 'HOLDS', cell: ({ why }) => (why === undefined ? 'yes' : `no: ${why}`) },
  { heading: 'MESSAGE', cell: ({ lock }) => lock.message ?? '' },
]

/** There may be a thousand locks on the addresses of others. */
function isTold({ why }: LockTrace): boolean {
  return why === undefined || why === 'expired'
}

function writtenBound({ by, grantId = '' }: SessionBound): string {
  const why: Readonly<Record<SessionBound['by'], string>> = {
    token: 'as its token does',
    session_max: 'by session.max',
    account_max: 'by the longest session of the account',
    grant: `as the grant ${grantId}, or its binding, does`,
    role: `by the longest session of the role that the grant ${grantId} is of`,
    deny: `as the deny ${grantId} begins`,
  }
  return why[by]
}

interface PermissionEntry {
  readonly side: string
  readonly effect: string
  readonly entry: string
  readonly grants: readonly string[]
}

const ENTRY_COLUMNS: readonly Column<PermissionEntry>[] = [
  { heading: 'SIGNED', cell: ({ side }) => side },
  { heading: 'EFFECT', cell: ({ effect }) => effect },
  { heading: 'SUBJECT', cell: ({ entry }) => entry },
  {
    heading: 'BECAUSE OF',
    cell: ({ grants }) => (grants.length === 0 ? 'the account, or a guard' : grants.join(', ')),
  },
]

function entriesOf(trace: Trace): PermissionEntry[] {
  const { decision } = trace
  if (decision.outcome === 'deny') return []
  const { permissions } = decision
  const grantsOf = grantsByEntry(trace)
  const sides = (['publish', 'subscribe'] as const).flatMap((side) =>
    (['allow', 'deny'] as const).flatMap((effect) =>
      permissions[side][effect].map((entry): PermissionEntry => {
        const grants = grantsOf(side, entry).filter(({ grant }) => grant.effect === effect)
        return { side, effect, entry, grants: grants.map(({ grant }) => grant.id) }
      }),
    ),
  )
  if (permissions.responses === undefined) return sides
  const { max, ttlMs } = permissions.responses
  const answering = trace.grants.filter(({ grant, gave }) => gave.length > 0 && mayAnswer(grant))
  const entry = `${max} to each message received, within ${ttlMs}ms`
  return [...sides, { side: 'responses', effect: 'allow', entry, grants: answering.map(({ grant }) => grant.id) }]
}

function mayAnswer({ action, effect, response }: Grant): boolean {
  return effect === 'allow' && (response !== undefined || action === 'service:offer')
}

function writtenGrant({ action, subject, queue }: Grant): string {
  return writtenSubject({ action, subject, ...(queue === undefined ? {} : { queue }) })
}

function writtenSubject({ action, subject, queue }: Pick<Grant, 'action' | 'subject' | 'queue'>): string {
  return `${action} ${subject}${queue === undefined ? '' : ` queue ${queue}`}`
}

function writtenPath({ principal, role, validUntilMs }: GrantPath): string {
  const until = validUntilMs === undefined ? '' : ` until ${formatInstant(validUntilMs)}`
  return role === undefined ? principal : `${role} bound to ${principal}${until}`
}
