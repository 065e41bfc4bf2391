import { randomUUID } from 'node:crypto'
import type { ConnectionCondition } from '../core/connection-condition.ts'
import { systemClock } from '../service/clock.ts'
import type { GrantRow } from '../core/policy-row.ts'
import { adding, removing } from '../service/policy-edit.ts'
import type { PolicyAdmin } from '../service/ports.ts'
import { createPolicyAdmin } from '../spanner/policy-admin.ts'
import { actorOf, reasonOf } from './actor.ts'
import { grantsFrom, subjectFilter, warningsFor, type GrantOptions, type GrantSelection } from './grant-input.ts'
import { formatInstant } from './instant.ts'
import { CommandFailure, EXIT, type CliIo } from './io.ts'
import { openKnownStore, type Store } from './store.ts'
import { writeJson, writeTable, type OutputFormat } from './table.ts'
import { visible } from './visible.ts'

/** More than a person reads; a list that is cut says so. */
export const LIST_ROWS_MAX = 1000
/** Looked through for a subject: wildcards cannot be asked of the database. */
const SEARCHED_ROWS_MAX = 20_000

/** `callout grants add`: one grant for each subject, all or none. */
export async function addGrants(
  configFile: string,
  options: GrantOptions & { readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  const grants = grantsFrom(options, systemClock.nowMs())
  await using store = await openKnownStore(configFile, io)
  for (const warning of warningsFor(options, store.config)) io.stderr.write(`callout: warning: ${visible(warning)}\n`)
  await adminOf(store).edit(adding('grant', ...grants))
  writeGrants(io, grants, options.output)
  return EXIT.ok
}

/** `callout grants list`: by principal and id, cut after `LIST_ROWS_MAX`. An empty list is no failure. */
export async function listGrants(
  configFile: string,
  options: GrantSelection & { readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  const { principal, account, subject, output } = options
  const isWanted = subjectFilter(options)
  await using store = await openKnownStore(configFile, io)
  const admin = adminOf(store)
  const filter = { ...(principal === undefined ? {} : { principal }), ...(account === undefined ? {} : { account }) }
  const rowsMax = subject === undefined ? LIST_ROWS_MAX : SEARCHED_ROWS_MAX
  const grants = await admin.listGrants(filter, rowsMax + 1)
  writeGrants(io, grants.slice(0, rowsMax).filter(isWanted), output)
  if (grants.length > rowsMax) {
    const looked = subject === undefined ? 'shown' : 'looked at'
    io.stderr.write(`callout: only the first ${rowsMax} grants are ${looked}; narrow with --principal or --account\n`)
  }
  return EXIT.ok
}

/** `callout grants remove`: shows what was removed. */
export async function removeGrant(
  configFile: string,
  id: string,
  options: { readonly reason: string; readonly actor?: string; readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  const author = { reason: reasonOf(options.reason), actor: actorOf(options.actor) }
  await using store = await openKnownStore(configFile, io)
  const admin = adminOf(store)
  const grant = await admin.findGrant(id)
  if (grant === undefined) throw new CommandFailure(EXIT.conflict, ['no grant has this id'])
  await admin.edit(removing('grant', author, grant))
  writeGrants(io, [grant], options.output)
  return EXIT.ok
}

function adminOf({ database }: Store): PolicyAdmin {
  return createPolicyAdmin({ database, clock: systemClock, newId: randomUUID })
}

const COLUMNS = [
  'ID',
  'PRINCIPAL',
  'ACCOUNT',
  'EFFECT',
  'ACTION',
  'SUBJECT',
  'QUEUE',
  'FROM',
  'UNTIL',
  'CONNECTION',
  'BY',
  'REASON',
]

function writeGrants(io: CliIo, grants: readonly GrantRow[], output: OutputFormat): void {
  if (output === 'json') return writeJson(io, grants.map(written))
  writeTable(
    io,
    COLUMNS,
    grants.map((grant) => [
      grant.id,
      grant.principal,
      grant.account,
      grant.effect,
      grant.action,
      grant.subject,
      grant.queue ?? '',
      grant.validFromMs === undefined ? '' : formatInstant(grant.validFromMs),
      grant.validUntilMs === undefined ? '' : formatInstant(grant.validUntilMs),
      writtenCondition(grant.condition),
      grant.createdBy,
      grant.reason,
    ]),
  )
}

/** The parts of a condition, each a list of which one entry has to hold: `MQTT,LEAFNODE 10.0.0.0/8 tls:mutual`. */
function writtenCondition({ connectionTypes, sourceCidrs, tls }: ConnectionCondition = {}): string {
  const parts = [connectionTypes?.join(','), sourceCidrs?.join(','), tls === undefined ? undefined : `tls:${tls}`]
  return parts.filter((part) => part !== undefined).join(' ')
}

/** The JSON form is an interface for scripts: names stay, times are RFC 3339. */
function written(grant: GrantRow): object {
  const { id, principal, account, effect, action, subject, queue, validFromMs, validUntilMs, reason, createdBy } = grant
  const { connectionTypes, sourceCidrs, tls } = grant.condition ?? {}
  return {
    id,
    principal,
    account,
    effect,
    action,
    subject,
    queue,
    validFrom: validFromMs === undefined ? undefined : formatInstant(validFromMs),
    validUntil: validUntilMs === undefined ? undefined : formatInstant(validUntilMs),
    connectionTypes,
    sourceCidrs,
    tls,
    reason,
    createdBy,
    createdAt: grant.createdAt,
  }
}
