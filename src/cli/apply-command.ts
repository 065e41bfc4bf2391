import { keyDigest, sha256 } from '../documents/digest.ts'
import { PLAN_CHARACTERS_MAX, readPlan, type SavedPlan } from '../documents/plan-file.ts'
import { applyPlan } from '../service/applying.ts'
import { systemClock as clock } from '../service/clock.ts'
import { actorOf, reasonOf } from './actor.ts'
import type { EditOptions } from './command-options.ts'
import { noteDryRun } from './dry-run.ts'
import { readText } from './input-files.ts'
import { CommandFailure, EXIT, type CliIo } from './io.ts'
import type { OutputFormat } from './output.ts'
import { writePlan } from './plan-output.ts'
import { policyAdminOf } from './policy-access.ts'
import { reportProgress } from './progress.ts'
import { openKnownStore, type Store } from './store.ts'
import { APPROVAL_NEEDED } from '../service/approval.ts'

/**
 * `callout grants apply`: makes exactly the changes of a saved plan. Returns 3 when rows have moved since it was made; what an
 * earlier, interrupted run has done already is passed over.
 */
export async function applyGrants(
  configFile: string,
  planFile: string,
  options: EditOptions & { readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  const author = { reason: reasonOf(options.reason), actor: actorOf(options.actor) }
  const saved = await loadPlan(planFile, io)
  await using store = await openKnownStore(configFile, io)
  if (store.config.grants.approval === 'two_persons') throw new CommandFailure(EXIT.failure, [APPROVAL_NEEDED])
  requireDatabase(saved, store)
  const progress = reportProgress(io, clock, 'changes made')
  const dryRun = options.dryRun === true
  const made = await applyPlan(
    policyAdminOf(store),
    saved.plan,
    { source: 'plan', ...author },
    { keyDigest, progress, dryRun },
  )
  writePlan(io, options.output, { plan: saved.plan })
  const before = saved.plan.changes.length - made
  if (before > 0) io.stderr.write(`callout: ${before} of the changes were made before\n`)
  if (dryRun) noteDryRun(io)
  return EXIT.ok
}

/** Reads a saved plan; fails with a line for each problem and exit code 2. */
export async function loadPlan(planFile: string, io: CliIo): Promise<SavedPlan> {
  const reading = readPlan(await readText(planFile, PLAN_CHARACTERS_MAX, io), sha256)
  if ('saved' in reading) return reading.saved
  const lines = reading.problems.map(({ path, message }) => `${planFile}: ${path === '' ? '' : `${path}: `}${message}`)
  throw new CommandFailure(EXIT.usage, lines)
}

/** The same rows may mean something else in another database. */
export function requireDatabase({ database }: SavedPlan, store: Store): void {
  if (database === store.databaseName) return
  const line = `the plan was made for ${database}, but store.url is ${store.databaseName}`
  throw new CommandFailure(EXIT.usage, [line])
}
