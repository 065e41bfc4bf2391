import { systemClock as clock } from '../service/clock.ts'
import { exportDecisions, type ExportState } from '../service/decision-export.ts'
import { decodeExportState, encodeExportState } from '../service/export-state.ts'
import { createDecisionSearch } from '../spanner/decision-search.ts'
import { openAudit, queryOf, type ReaderOptions } from './audit-access.ts'
import { partsOf, rangeOf, type AuditRange, type AuditSelection } from './audit-filter.ts'
import { readCursor, writeCursor, type ExportIdentity } from './export-cursor.ts'
import { decisionWriter } from './export-formats.ts'
import { waitOrEnd } from './interrupt.ts'
import { EXIT, usageFailure, type CliIo } from './io.ts'
import type { ExportFormat } from './output.ts'
import { sync, writeThrough } from './written-through.ts'

const POLL_MS = 1000

export interface ExportOptions extends Omit<AuditSelection, keyof AuditRange>, ReaderOptions {
  readonly format: ExportFormat
  readonly from: string
  readonly to?: string
  readonly cursor?: string
  readonly follow?: boolean
}

/**
 * `callout audit export`: oldest first, with `signal` those to come as well. Ends well, too, when nobody reads it any more: what
 * was read, and not more, is behind the cursor.
 */
export async function exportAudit(
  configFile: string,
  options: ExportOptions,
  io: CliIo,
  signal?: AbortSignal,
): Promise<number> {
  const { format, from, to, cursor: file } = options
  const parts = partsOf(options)
  const asked = { since: from, ...(to !== undefined && { until: to }) }
  const range = rangeOf(asked, clock.nowMs(), ['--from', '--to'])
  if (signal !== undefined && to !== undefined) throw usageFailure('--follow has no end, so it goes without --to')
  await using audit = await openAudit(configFile, options, io)
  const identity: ExportIdentity = {
    store: audit.store.databaseName,
    kind: 'decisions',
    format,
    ...asked,
    ...textsOf(parts),
  }
  const cursor = file === undefined ? undefined : await readCursor(file, identity, decodeExportState)
  const { sinceMs, untilMs } = cursor ?? range
  const filter = { ...parts, sinceMs, ...(untilMs !== undefined && { untilMs }) }
  const state = cursor?.state ?? {}
  await audit.record('audit export', { ...queryOf(filter), format, follow: signal !== undefined, ...state })

  const { heading, textOf } = decisionWriter(format)
  const keep = async (state: ExportState): Promise<void> => {
    if (file === undefined) return
    await sync(io.stdout)
    const range = { sinceMs, ...(untilMs !== undefined && { untilMs }) }
    await writeCursor(file, { export: identity, ...range, state: encodeExportState(state) })
  }
  if (cursor === undefined && heading !== '' && !(await writeThrough(io.stdout, heading))) return EXIT.ok
  const search = createDecisionSearch(audit.store)
  const follow = signal && {
    signal,
    monotonicMs: () => clock.monotonicMs(),
    pause: () => waitOrEnd(POLL_MS, signal),
  }
  for await (const part of exportDecisions({ search, filter, state, ...(follow && { follow }) })) {
    const text = part.records.map(textOf).join('')
    if (text !== '' && !(await writeThrough(io.stdout, text))) return EXIT.ok
    await keep(part.state)
    if (signal?.aborted === true) return EXIT.ok
  }
  return EXIT.ok
}

function textsOf(parts: object): ExportIdentity {
  return Object.fromEntries(Object.entries(parts).map(([name, value]) => [name, String(value)]))
}
