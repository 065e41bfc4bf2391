import { parsePrincipal } from '../core/principal.ts'
import { systemClock } from '../service/clock.ts'
import type { NewGrant, StoredGrant } from '../service/ports.ts'
import { createPolicyAdmin } from '../spanner/policy-store.ts'
import { actorOf, reasonOf } from './actor.ts'
import { grantsFrom, warningsFor, type GrantOptions } from './grant-input.ts'
import { formatInstant } from './instant.ts'
import { EXIT, usageFailure, type CliIo } from './io.ts'
import { openKnownStore } from './store.ts'
import { writeJson, writeTable, type OutputFormat } from './table.ts'
import { visible } from './visible.ts'

/** More than a person reads; a list that is cut says so. */
export const LIST_ROWS_MAX = 1000

/** `callout grants add`: one grant for each subject, all or none. */
export async function addGrants(
  configFile: string,
  options: GrantOptions & { readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  const grants = grantsFrom(options, systemClock.nowMs())
  await using store = await openKnownStore(configFile, io)
  for (const warning of warningsFor(options, store.config)) io.stderr.write(`callout: warning: ${visible(warning)}\n`)
  await createPolicyAdmin({ database: store.database, clock: systemClock }).addGrants(grants)
  writeGrants(io, grants, options.output)
  return EXIT.ok
}

/** `callout grants list`: by principal and id, cut after `LIST_ROWS_MAX`. An empty list is no failure. */
export async function listGrants(
  configFile: string,
  options: { readonly principal?: string; readonly account?: string; readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  const { principal, account, output } = options
  if (principal !== undefined) {
    const parsed = parsePrincipal(principal)
    if ('problem' in parsed) throw usageFailure(`--principal ${JSON.stringify(principal)}: ${parsed.problem}`)
  }
  await using store = await openKnownStore(configFile, io)
  const admin = createPolicyAdmin({ database: store.database, clock: systemClock })
  const filter = { ...(principal === undefined ? {} : { principal }), ...(account === undefined ? {} : { account }) }
  const grants = await admin.listGrants(filter, LIST_ROWS_MAX + 1)
  writeGrants(io, grants.slice(0, LIST_ROWS_MAX), output)
  if (grants.length > LIST_ROWS_MAX) {
    io.stderr.write(`callout: only the first ${LIST_ROWS_MAX} grants are shown; narrow with --principal or --account\n`)
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
  const change = { reason: reasonOf(options.reason), removedBy: actorOf(options.actor) }
  await using store = await openKnownStore(configFile, io)
  const admin = createPolicyAdmin({ database: store.database, clock: systemClock })
  const removed = await admin.removeGrant(id, change)
  writeGrants(io, [removed], options.output)
  return EXIT.ok
}

const COLUMNS = ['ID', 'PRINCIPAL', 'ACCOUNT', 'EFFECT', 'ACTION', 'SUBJECT', 'QUEUE', 'FROM', 'UNTIL', 'BY', 'REASON']

function writeGrants(io: CliIo, grants: readonly (NewGrant | StoredGrant)[], output: OutputFormat): void {
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
      grant.createdBy,
      grant.reason,
    ]),
  )
}

/** The JSON form is an interface for scripts: names stay, times are RFC 3339. */
function written(grant: NewGrant | StoredGrant): object {
  const { id, principal, account, effect, action, subject, queue, validFromMs, validUntilMs, reason, createdBy } = grant
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
    reason,
    createdBy,
    createdAt: 'createdAt' in grant ? grant.createdAt : undefined,
  }
}
