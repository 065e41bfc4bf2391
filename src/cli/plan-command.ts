import { open } from 'node:fs/promises'
import { CalloutError } from '../core/errors.ts'
import { isUnconfirmed, plannedSides, type PlannedChange } from '../core/plan.ts'
import type { UnsignedRow } from '../core/policy-row.ts'
import { keyDigest, sha256 } from '../documents/digest.ts'
import { planText, savePlan } from '../documents/plan-file.ts'
import { affectedSessions, type AffectedSessions } from '../service/affected-sessions.ts'
import { systemClock as clock } from '../service/clock.ts'
import { makePlan } from '../service/planning.ts'
import { createLiveSessions } from '../spanner/live-sessions.ts'
import { createPolicyReader } from '../spanner/policy-store.ts'
import { loadDocuments, wantedRows } from './document-input.ts'
import { CommandFailure, EXIT, usageFailure, type CliIo } from './io.ts'
import type { OutputFormat } from './output.ts'
import { writePlan } from './plan-output.ts'
import { policyAdminOf } from './policy-access.ts'
import { reportProgress } from './progress.ts'
import { openKnownStore, type Store } from './store.ts'
import { writtenRow } from './written-row.ts'

export interface PlanOptions {
  readonly scope?: string
  readonly prune?: boolean
  readonly adopt?: boolean
  readonly out?: string
  readonly sessions: boolean
  readonly output: OutputFormat
}

/** The newest; a plan is read by people. */
const SESSIONS_LOOKED_AT_MAX = 5000
const NAMED_MAX = 20

/**
 * `callout grants plan`: what would change if the documents were applied, and whom it would touch. Returns 10 when there are
 * changes, 0 when there are none, 3 when a row that a document asks for is another scope's.
 */
export async function planGrants(
  configFile: string,
  names: readonly string[],
  options: PlanOptions,
  io: CliIo,
): Promise<number> {
  const { scope, prune = false, adopt = false } = options
  if (prune && scope === undefined) throw usageFailure('--prune goes with --scope: it removes rows of that scope only')
  const documents = await loadDocuments(names, scope, io)
  await using store = await openKnownStore(configFile, io)
  const planned = await makePlan(policyAdminOf(store), wantedRows(documents), {
    ...(scope === undefined ? {} : { scope }),
    prune,
    adopt,
    keyDigest,
    progress: reportProgress(io, clock, 'rows looked at'),
  })
  if (planned.foreign.length > 0) throw foreignRows(planned.foreign)
  const { plan } = planned
  const unconfirmed = plan.changes.filter(isUnconfirmed).map((change) => plannedSides(change).after)
  if (unconfirmed.length > 0) throw unconfirmedGrants(unconfirmed.filter((row) => row !== undefined))
  if (options.out !== undefined)
    await writePlanFile(options.out, planText(savePlan(plan, store.databaseName, clock.nowMs(), sha256)))
  const sessions = options.sessions && plan.changes.length > 0 ? await sessionsTouched(store, plan.changes) : undefined
  writePlan(io, options.output, { ...planned, ...(sessions === undefined ? {} : { sessions }) })
  return plan.changes.length === 0 ? EXIT.ok : EXIT.changes
}

function unconfirmedGrants(rows: readonly UnsignedRow[]): CommandFailure {
  const lines = rows
    .slice(0, NAMED_MAX)
    .map(
      (row) => `${writtenRow(row)} grants more than is usually meant; if it is meant, write "force: true" in its spec`,
    )
  return new CommandFailure(EXIT.usage, lines)
}

function foreignRows(foreign: Awaited<ReturnType<typeof makePlan>>['foreign']): CommandFailure {
  const lines = foreign.slice(0, NAMED_MAX).map(({ wanted, scope }) => {
    const whose =
      scope === undefined
        ? 'belongs to no scope; take it into the scope of its document with --adopt'
        : `belongs to the scope ${scope}`
    return `${writtenRow(wanted)} ${whose}`
  })
  if (foreign.length > NAMED_MAX) lines.push(`and ${foreign.length - NAMED_MAX} more rows of other scopes`)
  return new CommandFailure(EXIT.conflict, lines)
}

/** Written whole under another name first, so that no half of a plan stays under its own. */
async function writePlanFile(name: string, pieces: Iterable<string>): Promise<void> {
  const { rename } = await import('node:fs/promises')
  const part = `${name}.part`
  {
    await using file = await open(part, 'w', 0o600)
    let buffered = ''
    for (const piece of pieces) {
      buffered += piece
      if (buffered.length < WRITTEN_AT_ONCE) continue
      await file.write(buffered)
      buffered = ''
    }
    await file.write(buffered)
  }
  await rename(part, name)
}

const WRITTEN_AT_ONCE = 1024 * 1024

/** A plan is of use without it, so a failure is shown in its place. */
export async function sessionsTouched(
  { database, config }: Store,
  changes: readonly PlannedChange[],
): Promise<AffectedSessions | { readonly failure: string }> {
  const { maxMs, jitter, minRemainingMs } = config.session
  try {
    return await affectedSessions(changes, {
      liveSessions: createLiveSessions(database, clock),
      policyReader: createPolicyReader(database),
      clock,
      rules: { accounts: config.callout.accounts, maxMs, jitter, minRemainingMs },
      sessionMaxMs: maxMs,
      limit: SESSIONS_LOOKED_AT_MAX,
    })
  } catch (error) {
    if (error instanceof CalloutError) return { failure: error.message }
    throw error
  }
}
