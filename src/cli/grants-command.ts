import { randomUUID } from 'node:crypto'
import { systemClock } from '../service/clock.ts'
import { adding, removing } from '../service/policy-edit.ts'
import type { PolicyAdmin } from '../service/ports.ts'
import { createPolicyAdmin } from '../spanner/policy-admin.ts'
import { actorOf, reasonOf } from './actor.ts'
import type { EditOptions } from './command-options.ts'
import { noteDryRun } from './dry-run.ts'
import { grantsFrom, subjectFilter, warningsFor, type GrantOptions, type GrantSelection } from './grant-input.ts'
import { writeGrants } from './grant-output.ts'
import { CommandFailure, EXIT, type CliIo } from './io.ts'
import type { OutputFormat } from './output.ts'
import { openKnownStore, type Store } from './store.ts'
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
  if (options.dryRun !== true) await adminOf(store).edit(adding('grant', ...grants))
  writeGrants(io, options.output, grants)
  if (options.dryRun === true) noteDryRun(io)
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
  writeGrants(io, output, grants.slice(0, rowsMax).filter(isWanted))
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
  options: EditOptions & { readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  const author = { reason: reasonOf(options.reason), actor: actorOf(options.actor) }
  await using store = await openKnownStore(configFile, io)
  const admin = adminOf(store)
  const grant = await admin.findGrant(id)
  if (grant === undefined) throw new CommandFailure(EXIT.conflict, ['no grant has this id'])
  if (options.dryRun !== true) await admin.edit(removing('grant', author, grant))
  writeGrants(io, options.output, [grant])
  if (options.dryRun === true) noteDryRun(io)
  return EXIT.ok
}

function adminOf({ database }: Store): PolicyAdmin {
  return createPolicyAdmin({ database, clock: systemClock, newId: randomUUID })
}
