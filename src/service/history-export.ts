import type { HistoryFilter, HistoryPages, HistoryPosition, PlacedEntry } from './history.ts'

const PAGE_ENTRIES = 200
const POSITION_PARTS = 6

/** How far an export has come; absent at its beginning. */
export interface HistoryExportState {
  readonly after?: HistoryPosition
}

export interface HistoryExportPart {
  /** At most some hundred. */
  readonly entries: readonly PlacedEntry[]
  /** To go on from, once the entries are where they have to be. */
  readonly state: HistoryExportState
}

export interface HistoryExportOptions {
  readonly history: HistoryPages
  readonly filter: Omit<HistoryFilter, 'role'>
  readonly state: HistoryExportState
  /** With it the export goes on with changes to come, until the signal. */
  readonly follow?: { readonly pause: () => Promise<void>; readonly signal: AbortSignal }
}

/** Every change that is in the history for good, in the order of the commits. Throws as `HistoryPages`. */
export async function* exportHistory(options: HistoryExportOptions): AsyncGenerator<HistoryExportPart, void, void> {
  const { history, filter, follow } = options
  let { after } = options.state
  for (;;) {
    // What is committed later may not all be there yet.
    const { recordedUntil } = await history.reach()
    for (;;) {
      const { entries, end } = await history.page(filter, recordedUntil, after, PAGE_ENTRIES)
      after = end ?? after
      if (entries.length > 0) yield { entries, state: after === undefined ? {} : { after } }
      if (entries.length < PAGE_ENTRIES) break
    }
    if (follow === undefined) return
    await follow.pause()
    if (follow.signal.aborted) return
  }
}

/** Undefined for what is no state of such an export. */
export function decodeHistoryExportState(value: unknown): HistoryExportState | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { after } = value as { after?: unknown }
  if (after === undefined) return {}
  const isPosition =
    Array.isArray(after) && after.length === POSITION_PARTS && after.every((part) => typeof part === 'string')
  return isPosition && !Number.isNaN(Date.parse(String(after[0]))) ? { after } : undefined
}
