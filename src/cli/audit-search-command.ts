import { isDecisionId } from '../core/decision-id.ts'
import { systemClock as clock } from '../service/clock.ts'
import { decodeCursor, encodeCursor } from '../service/decision-cursor.ts'
import { tailDecisions } from '../service/decision-tail.ts'
import { createDecisionSearch } from '../spanner/decision-search.ts'
import { createDecisionStatistics } from '../spanner/decision-statistics.ts'
import { filterOf, rangeOf, type AuditRange, type AuditSelection } from './audit-filter.ts'
import { openAudit, queryOf, type ReaderOptions } from './audit-access.ts'
import { openDecisions, writeCounts, writeDecision, writeDecisions, writeReads } from './audit-output.ts'
import { formatInstant } from './instant.ts'
import { waitOrEnd } from './interrupt.ts'
import { CommandFailure, EXIT, usageFailure, warn, type CliIo } from './io.ts'
import { patienceWith, patientSearch, untilAborted } from './outage.ts'
import { limitOf } from './option-values.ts'
import type { OutputFormat, StreamFormat } from './output.ts'

/** A row may have 100 KB. */
const DECISIONS_MAX = 1000
const READS_MAX = 10_000
const COUNTED_MAX = 100_000_000
const POLL_MS = 1000

export interface SearchOptions extends AuditSelection, ReaderOptions {
  readonly limit: string
  readonly cursor?: string
}

/** `callout audit search`: newest first. An empty page is no failure. */
export async function searchAudit(
  configFile: string,
  options: SearchOptions & { readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  const filter = filterOf(options, clock.nowMs())
  const limit = limitOf(options.limit, DECISIONS_MAX)
  const after = options.cursor === undefined ? undefined : positionOf(options.cursor)
  await using audit = await openAudit(configFile, options, io)
  await audit.record('audit search', { ...queryOf(filter), limit, cursor: options.cursor })
  const search = createDecisionSearch(audit.store)
  const order = 'newest first'
  const { records, end, hasMore } = await search.page({ filter, order, limit, ...(after !== undefined && { after }) })
  const next = hasMore && end !== undefined ? encodeCursor({ order, after: end }) : undefined
  writeDecisions(io, options.output, records, next)
  if (records.length === 0) io.stderr.write(`callout: nothing since ${formatInstant(filter.sinceMs)}; see --since\n`)
  return EXIT.ok
}

/** `callout audit show`: all that is stored of one decision. */
export async function showDecision(
  configFile: string,
  id: string,
  options: ReaderOptions & { readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  const decisionId = id.toLowerCase()
  if (!isDecisionId(decisionId)) throw usageFailure('a decision id looks like 018bcfe5-6800-7000-8000-0123456789ab')
  await using audit = await openAudit(configFile, options, io)
  await audit.record('audit show', { id: decisionId })
  const decision = await createDecisionSearch(audit.store).find(decisionId)
  if (decision === undefined) throw new CommandFailure(EXIT.conflict, ['no decision has this id'])
  writeDecision(io, options.output, decision)
  return EXIT.ok
}

export interface TailOptions extends AuditSelection, ReaderOptions {
  readonly limit: string
  readonly follow?: boolean
}

/** `callout audit tail`: the newest decisions, the newest last, and with `--follow` those to come until the signal, through any outage. */
export async function tailAudit(
  configFile: string,
  options: TailOptions & { readonly output: StreamFormat },
  io: CliIo,
  signal: AbortSignal,
): Promise<number> {
  const filter = filterOf(options, clock.nowMs())
  const newest = limitOf(options.limit, DECISIONS_MAX)
  const isFollowed = options.follow === true
  await using audit = await openAudit(configFile, options, io)
  await audit.record('audit tail', { ...queryOf(filter), limit: newest, follow: isFollowed })
  const write = openDecisions(io, options.output)
  const found = createDecisionSearch(audit.store)
  const search = isFollowed ? patientSearch(found, patienceWith(io, signal)) : found
  const pause = (): Promise<void> => waitOrEnd(POLL_MS, signal)
  await untilAborted(signal, async () => {
    for await (const decisions of tailDecisions({ search, filter, newest, pause, ...(isFollowed && { signal }) }))
      write(decisions)
  })
  return EXIT.ok
}

export interface StatsOptions extends AuditRange, ReaderOptions {
  readonly limit: string
}

/** `callout audit stats`: how many decisions of each kind there were. */
export async function countAudit(
  configFile: string,
  options: StatsOptions & { readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  const range = rangeOf(options, clock.nowMs())
  const limit = limitOf(options.limit, COUNTED_MAX)
  await using audit = await openAudit(configFile, options, io)
  await audit.record('audit stats', { ...queryOf(range), limit })
  const { counts, completeSince } = await createDecisionStatistics(audit.store).count(range, limit)
  writeCounts(io, options.output, counts)
  if (completeSince !== undefined)
    warn(
      io,
      `there is more than --limit ${limit}: earlier decisions than those of ${completeSince} are counted in part only`,
    )
  return EXIT.ok
}

/** `callout audit reads`: who read the audit, newest first; this command too. */
export async function showReads(
  configFile: string,
  options: AuditRange & ReaderOptions & { readonly limit: string; readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  const range = rangeOf(options, clock.nowMs())
  const limit = limitOf(options.limit, READS_MAX)
  await using audit = await openAudit(configFile, options, io)
  await audit.record('audit reads', { ...queryOf(range), limit })
  const reads = await audit.reads.list(range, limit + 1)
  writeReads(io, options.output, reads.slice(0, limit))
  if (reads.length > limit) io.stderr.write(`callout: only the newest ${limit} reads are shown; see --limit\n`)
  return EXIT.ok
}

function positionOf(cursor: string) {
  const decoded = decodeCursor(cursor)
  if (decoded?.order !== 'newest first') throw usageFailure('--cursor is none that a search has shown')
  return decoded.after
}
