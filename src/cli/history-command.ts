import { parsePrincipal } from '../core/principal.ts'
import { policyKey } from '../core/policy-row.ts'
import { systemClock as clock } from '../service/clock.ts'
import type { HistoryEntry, HistoryReader, HistoryReach } from '../service/history.ts'
import { revertOf } from '../service/revert.ts'
import { createHistoryReader } from '../spanner/history-reader.ts'
import { decodeStoredRow, isSameToTheSecond } from '../spanner/history-row.ts'
import { policyAdminOf } from './policy-access.ts'
import { createPolicyLookup } from '../spanner/policy-lookup.ts'
import { pause } from '../spanner/retry.ts'
import { actorOf, reasonOf } from './actor.ts'
import type { EditOptions } from './command-options.ts'
import { noteDryRun } from './dry-run.ts'
import { writeBlame, writeHistory, writeRevert } from './history-output.ts'
import { formatInstant, parsePast } from './instant.ts'
import { CommandFailure, EXIT, usageFailure, type CliIo } from './io.ts'
import type { OutputFormat } from './output.ts'
import { openKnownStore } from './store.ts'
import { visible } from './visible.ts'

/** More than a person reads. */
const LIMIT_MAX = 10_000
/** A service that runs is some seconds behind at most. */
const LAG_MAX_MS = 30_000
/** Of an edit of just now it takes some seconds to be known that all of it is there. */
const RECORDED_WITHIN_MS = 15_000
const RECORDED_POLL_MS = 200

export interface HistorySelection {
  readonly principal?: string
  readonly grant?: string
  readonly role?: string
  readonly since?: string
  readonly until?: string
  readonly limit: string
}

/** `callout history`: newest first. An empty list is no failure. How far the history reaches goes to standard error. */
export async function showHistory(
  configFile: string,
  options: HistorySelection & { readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  const { principal, grant: grantId, since, until } = options
  const nowMs = clock.nowMs()
  const limit = limitOf(options.limit)
  if (principal !== undefined) requirePrincipal(principal, '--principal')
  const role = options.role === undefined ? undefined : `role:${options.role.replace(/^role:/, '')}`
  const filter = {
    ...(principal !== undefined && { principal }),
    ...(grantId !== undefined && { grantId }),
    ...(role !== undefined && { role }),
    ...(since !== undefined && { sinceMs: parsePast(since, '--since', nowMs) }),
    ...(until !== undefined && { untilMs: parsePast(until, '--until', nowMs) }),
  }
  await using store = await openKnownStore(configFile, io)
  const history = createHistoryReader({ database: store.database, clock })
  const entries = await history.list(filter, limit + 1)
  const shown = entries.slice(0, limit)
  writeHistory(io, options.output, shown)
  if (entries.length > limit) io.stderr.write(`callout: only the newest ${limit} changes are shown; see --limit\n`)
  writeReach(io, await history.reach())
  return EXIT.ok
}

/** `callout blame`: for each row that counts for the principal who wrote it as it is now, and what it was before. */
export async function blame(
  configFile: string,
  principal: string,
  options: { readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  requirePrincipal(principal, 'the principal')
  await using store = await openKnownStore(configFile, io)
  const { database } = store
  const history = createHistoryReader({ database, clock })
  const rows = await createPolicyLookup({ database, clock }).rowsOf(principal)
  const entries = await history.newest(rows.map((row) => ({ kind: row.kind, key: policyKey(row) })))
  const blamed = rows.map((row, index) => ({ row, entry: entries[index] }))
  writeBlame(io, options.output, blamed)
  writeReach(io, await history.reach())
  return EXIT.ok
}

export interface RevertOptions extends EditOptions {
  readonly transaction?: string
}

/** `callout revert`: makes the rows of an edit what they were before it, all or none. */
export async function revert(
  configFile: string,
  editId: string | undefined,
  options: RevertOptions & { readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  const author = { reason: reasonOf(options.reason), actor: actorOf(options.actor) }
  const what = whatOf(editId, options.transaction)
  await using store = await openKnownStore(configFile, io)
  const { database } = store
  const history = createHistoryReader({ database, clock })
  const entries = await entriesToRevert(history, what)
  const lookup = createPolicyLookup({ database, clock })
  const { changes, moved } = await revertOf(entries, author, {
    decode: decodeStoredRow,
    find: (kind, key) => lookup.find(kind, key),
    isSame: isSameToTheSecond,
  })
  if (moved.length > 0) throw new CommandFailure(EXIT.conflict, [...moved, 'nothing was reverted'])
  if (options.dryRun !== true) {
    const admin = policyAdminOf(store)
    await admin.edit({ changes, source: 'revert', ...author })
  }
  writeRevert(io, options.output, changes)
  if (options.dryRun === true) noteDryRun(io)
  return EXIT.ok
}

function whatOf(
  editId: string | undefined,
  transactionId: string | undefined,
): { readonly editId: string } | { readonly transactionId: string } {
  if (editId !== undefined && transactionId === undefined) return { editId }
  if (editId === undefined && transactionId !== undefined) return { transactionId }
  throw usageFailure('name either an edit or, with --transaction, a transaction')
}

async function entriesToRevert(
  history: HistoryReader,
  what: Parameters<HistoryReader['changesOf']>[0],
): Promise<readonly HistoryEntry[]> {
  const entries = (await history.changesOf(what)).filter(({ change }) => change !== 'gap')
  const [first] = entries
  if (first === undefined) {
    const { recordedUntil, lagMs } = await history.reach()
    const hint = lagMs > LAG_MAX_MS ? `; the history reaches until ${recordedUntil} only` : ''
    throw new CommandFailure(EXIT.conflict, [`the history has no such edit${hint}`])
  }
  await requireRecorded(history, first.committedAt)
  // Read again: some of its changes may have come later.
  return history.changesOf(what)
}

/** Half an edit must not be taken for the whole. */
async function requireRecorded(history: HistoryReader, committedAt: string): Promise<void> {
  const deadlineMs = clock.monotonicMs() + RECORDED_WITHIN_MS
  while (Date.parse((await history.reach()).recordedUntil) < Date.parse(committedAt)) {
    if (clock.monotonicMs() > deadlineMs) {
      throw new CommandFailure(EXIT.unavailable, [
        'the edit is not recorded completely, and nobody seems to record it: is "callout serve" running?',
      ])
    }
    await pause(clock, RECORDED_POLL_MS)
  }
}

function writeReach(io: CliIo, { recordedUntil, lagMs }: HistoryReach): void {
  const at = formatInstant(Date.parse(recordedUntil))
  io.stderr.write(`callout: every change until ${at} is recorded (${(lagMs / 1000).toFixed(1)} s ago)\n`)
  if (lagMs <= LAG_MAX_MS) return
  io.stderr.write(
    'callout: warning: later changes are not: "callout serve" writes the history, and none seems to run\n',
  )
}

function requirePrincipal(principal: string, option: string): void {
  const parsed = parsePrincipal(principal)
  if ('problem' in parsed) throw usageFailure(`${option} ${JSON.stringify(visible(principal))}: ${parsed.problem}`)
}

function limitOf(text: string): number {
  const limit = Number(text)
  if (Number.isInteger(limit) && limit >= 1 && limit <= LIMIT_MAX) return limit
  throw usageFailure(`--limit must be a number from 1 to ${LIMIT_MAX}`)
}
