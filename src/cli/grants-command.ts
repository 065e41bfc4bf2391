import { systemClock } from '../service/clock.ts'
import { adding } from '../service/policy-edit.ts'
import type { PolicyAdmin } from '../service/ports.ts'
import { authorOf } from './actor.ts'
import type { EditOptions } from './command-options.ts'
import { grantsFrom, subjectFilter, warningsFor, type GrantOptions, type GrantSelection } from './grant-input.ts'
import { writeGrants } from './grant-output.ts'
import { EXIT, warn, type CliIo } from './io.ts'
import type { OutputFormat } from './output.ts'
import { editAndShow, openPolicy, removeFound } from './policy-store.ts'

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
  await using policy = await openPolicy(configFile, io)
  for (const warning of warningsFor(options, policy.store.config)) warn(io, warning)
  await editAndShow(policy.admin, adding('grant', ...grants), options, io, () =>
    writeGrants(io, options.output, grants),
  )
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
  await using policy = await openPolicy(configFile, io)
  const filter = { ...(principal === undefined ? {} : { principal }), ...(account === undefined ? {} : { account }) }
  const rowsMax = subject === undefined ? LIST_ROWS_MAX : SEARCHED_ROWS_MAX
  const grants = await policy.admin.listGrants(filter, rowsMax + 1)
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
  authorOf(options)
  await using policy = await openPolicy(configFile, io)
  return await removeGrantOf(policy.admin, id, options, io)
}

/** Removes the grant as it was found. Throws `CommandFailure` when there is none, and as `PolicyAdmin.edit`. */
export async function removeGrantOf(
  admin: PolicyAdmin,
  id: string,
  options: EditOptions & { readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  const found = { kind: 'grant', row: await admin.findGrant(id), missing: 'no grant has this id' } as const
  return removeFound(admin, found, options, io, (grant) => writeGrants(io, options.output, [grant]))
}
