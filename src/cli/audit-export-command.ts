import { systemClock as clock } from '../service/clock.ts'
import { exportDecisions } from '../service/decision-export.ts'
import { decodeExportState, encodeExportState } from '../service/export-state.ts'
import { decodeHistoryExportState, exportHistory } from '../service/history-export.ts'
import type { Patience } from '../service/patience.ts'
import { createDecisionSearch } from '../spanner/decision-search.ts'
import { createHistoryPages } from '../spanner/history-pages.ts'
import { openAudit, queryOf, type Audit, type ReaderOptions } from './audit-access.ts'
import { partsOf, rangeOf, type AuditRange, type AuditSelection } from './audit-filter.ts'
import { readCursor, writeCursor, type ExportIdentity } from './export-cursor.ts'
import { changeWriter, decisionWriter } from './export-formats.ts'
import { waitOrEnd } from './interrupt.ts'
import { EXIT, usageFailure, warn, type CliIo } from './io.ts'
import { patienceWith, patientHistory, patientSearch, untilAborted } from './outage.ts'
import type { ExportFormat, ExportKind } from './output.ts'
import { sync, writeThrough } from './written-through.ts'

const POLL_MS = 1000
/** A service that runs is some seconds behind at most. */
const HISTORY_LAG_MAX_MS = 30_000

export interface ExportOptions extends Omit<AuditSelection, keyof AuditRange>, ReaderOptions {
  readonly kind: ExportKind
  readonly format: ExportFormat
  readonly from: string
  readonly to?: string
  readonly cursor?: string
  readonly follow?: boolean
}

/** What is read, as text, and where to go on from behind it. */
interface Piece {
  readonly text: string
  readonly state: object
}

interface Source {
  readonly heading: string
  /** Undefined for what is no state of this source. */
  readonly stateOf: (value: unknown) => object | undefined
  readonly pieces: (range: Range, state: object) => AsyncIterable<Piece>
}

/** Of an export that goes on until the signal, through outages of the store. */
interface Following {
  readonly signal: AbortSignal
  readonly patience: Patience
}

interface Range {
  readonly sinceMs: number
  readonly untilMs?: number
}

/**
 * `callout audit export`: oldest first, with `signal` those to come as well, through any outage of the store. Ends well, too, when
 * nobody reads it any more: what was read, and not more, is behind the cursor.
 */
export async function exportAudit(
  configFile: string,
  options: ExportOptions,
  io: CliIo,
  signal?: AbortSignal,
): Promise<number> {
  const { kind, format, from, to, cursor: file } = options
  const parts = partsOf(options)
  const asked = { since: from, ...(to !== undefined && { until: to }) }
  const firstRange = rangeOf(asked, clock.nowMs(), ['--from', '--to'])
  if (signal !== undefined && to !== undefined) throw usageFailure('--follow has no end, so it goes without --to')
  if (kind === 'grants') requireOfHistory(parts)
  await using audit = await openAudit(configFile, options, io)
  const follow = signal && { signal, patience: patienceWith(io, signal) }
  const source = (kind === 'grants' ? changesOf : decisionsOf)(audit, options, follow)
  const identity: ExportIdentity = { store: audit.store.databaseName, kind, format, ...asked, ...textsOf(parts) }
  const cursor = file === undefined ? undefined : await readCursor(file, identity, source.stateOf)
  const { sinceMs, untilMs } = cursor ?? firstRange
  const range = { sinceMs, ...(untilMs !== undefined && { untilMs }) }
  const state = cursor?.state ?? {}
  await audit.record('audit export', {
    ...queryOf({ ...parts, ...range }),
    kind,
    format,
    follow: signal !== undefined,
    state,
  })

  if (kind === 'grants') await warnOfLag(audit, io)
  if (cursor === undefined && source.heading !== '' && !(await writeThrough(io.stdout, source.heading))) return EXIT.ok
  await untilAborted(signal, async () => {
    for await (const piece of source.pieces(range, state)) {
      if (piece.text !== '' && !(await writeThrough(io.stdout, piece.text))) return
      if (file !== undefined) {
        await sync(io.stdout)
        await writeCursor(file, { export: identity, ...range, state: piece.state })
      }
      if (signal?.aborted === true) return
    }
  })
  return EXIT.ok
}

function decisionsOf({ store }: Audit, options: ExportOptions, following: Following | undefined): Source {
  const { heading, textOf } = decisionWriter(options.format)
  const found = createDecisionSearch(store)
  const search = following === undefined ? found : patientSearch(found, following.patience)
  return {
    heading,
    stateOf: (value) => (decodeExportState(value) === undefined ? undefined : (value as object)),
    async *pieces(range, written) {
      const state = decodeExportState(written) ?? {}
      const filter = { ...partsOf(options), ...range }
      const follow = following && { ...followed(following), monotonicMs: () => clock.monotonicMs() }
      for await (const part of exportDecisions({ search, filter, state, ...(follow && { follow }) }))
        yield { text: part.records.map(textOf).join(''), state: encodeExportState(part.state) }
    },
  }
}

function changesOf({ store }: Audit, options: ExportOptions, following: Following | undefined): Source {
  const { heading, textOf } = changeWriter(options.format)
  const found = createHistoryPages(store)
  const history = following === undefined ? found : patientHistory(found, following.patience)
  const { principal, grantId } = partsOf(options)
  const parts = { ...(principal !== undefined && { principal }), ...(grantId !== undefined && { grantId }) }
  return {
    heading,
    stateOf: decodeHistoryExportState,
    async *pieces(range, written) {
      const state = decodeHistoryExportState(written) ?? {}
      const follow = following && followed(following)
      const filter = { ...parts, ...range }
      for await (const part of exportHistory({ history, filter, state, ...(follow && { follow }) }))
        yield { text: part.entries.map(textOf).join(''), state: part.state }
    },
  }
}

function followed({ signal }: Following): { readonly signal: AbortSignal; readonly pause: () => Promise<void> } {
  return { signal, pause: () => waitOrEnd(POLL_MS, signal) }
}

/** Throws a usage failure for what no change of policy has. */
function requireOfHistory(parts: object): void {
  const others = Object.keys(parts).filter((name) => name !== 'principal' && name !== 'grantId')
  if (others.length > 0)
    throw usageFailure('--kind grants goes with --principal and --grant; the other filters are of decisions')
}

async function warnOfLag({ store }: Audit, io: CliIo): Promise<void> {
  const { recordedUntil, lagMs } = await createHistoryPages(store).reach()
  if (lagMs <= HISTORY_LAG_MAX_MS) return
  warn(io, `changes since ${recordedUntil} are not in the history: "callout serve" writes it, and none seems to run`)
}

function textsOf(parts: object): ExportIdentity {
  return Object.fromEntries(Object.entries(parts).map(([name, value]) => [name, String(value)]))
}
