import type { DecisionFilter, DecisionPosition, DecisionRecord, DecisionSearch } from './decision-search.ts'
import { LOOK_BACK_MS } from './decision-tail.ts'

/** A decision that becomes readable later than this after it was made is not exported by an export that had come further already. */
export const LATE_MAX_MS = 7 * 86_400_000
/** How often an export that is followed looks for decisions that became readable later than `LOOK_BACK_MS` after they were made. */
export const LATE_EVERY_MS = 600_000
/** Less than what is looked back, so that no row falls between the two. */
const LATE_MS = LOOK_BACK_MS - 1000
const PAGE_RECORDS = 200

/** Which of the rows that were committed in a time a walk is over. */
export const WALKS = ['all', 'recent', 'late'] as const

/** A walk over rows that were committed after one time and until another, in the order of their decisions. */
export interface ExportWalk {
  readonly over: (typeof WALKS)[number]
  readonly committedAfter?: string
  readonly committedUntil: string
  /** Where it goes on; absent at its beginning. */
  readonly after?: DecisionPosition
}

/** How far an export has come. Times are those of the store, with nine digits of a second, and compare as texts. */
export interface ExportState {
  /** Every row that was committed until then is exported. */
  readonly completeUntil?: string
  /** Every row that was committed until then is, but for late ones; not before `completeUntil`. */
  readonly recentUntil?: string
  /** What was begun and is not at its end. */
  readonly walk?: ExportWalk
}

export interface ExportPart {
  /** At most some hundred. */
  readonly records: readonly DecisionRecord[]
  /** To go on from, once the records are where they have to be. */
  readonly state: ExportState
}

export interface DecisionExportOptions {
  readonly search: DecisionSearch
  readonly filter: Omit<DecisionFilter, 'committedAfter' | 'committedUntil' | 'committedLaterThanMs'>
  /** Of an earlier export with the same filter: goes on behind it. */
  readonly state: ExportState
  /** With it the export goes on with rows to come, until the signal. */
  readonly follow?: {
    readonly monotonicMs: () => number
    /** Waits before another look; resolves early when it is to end. */
    readonly pause: () => Promise<void>
    readonly signal: AbortSignal
  }
}

/**
 * Every decision that fits, oldest first as far as it can be: what is committed while a walk goes on comes in the next one. Whoever
 * keeps the state of each part when its records are safe, and goes on from there, gets every row; those of the part that was under
 * way twice. Throws as `DecisionSearch`.
 */
export async function* exportDecisions(options: DecisionExportOptions): AsyncGenerator<ExportPart, void, void> {
  const { search, follow } = options
  let { state } = options
  const walked = async function* (walk: ExportWalk | undefined): AsyncGenerator<ExportPart, void, void> {
    if (walk === undefined) return
    for await (const part of walkThrough(options, state, walk)) {
      state = part.state
      yield part
    }
  }
  yield* walked(state.walk)
  yield* walked(lateWalk(state))
  yield* walked({ over: 'all', ...committedSince(state), committedUntil: await search.readableUntil() })
  if (follow === undefined) return
  let lookedForLateMs = follow.monotonicMs()
  for (;;) {
    await follow.pause()
    if (follow.signal.aborted) return
    yield* walked({ over: 'recent', ...committedSince(state), committedUntil: await search.readableUntil() })
    if (follow.monotonicMs() - lookedForLateMs < LATE_EVERY_MS) continue
    lookedForLateMs = follow.monotonicMs()
    yield* walked(lateWalk(state))
  }
}

function committedSince({ recentUntil }: ExportState): Pick<ExportWalk, 'committedAfter'> {
  return recentUntil === undefined ? {} : { committedAfter: recentUntil }
}

/** Undefined when there is no time in which only recent rows were looked for. */
function lateWalk({ completeUntil, recentUntil }: ExportState): ExportWalk | undefined {
  if (completeUntil === undefined || recentUntil === undefined || completeUntil >= recentUntil) return undefined
  return { over: 'late', committedAfter: completeUntil, committedUntil: recentUntil }
}

async function* walkThrough(
  { search, filter }: DecisionExportOptions,
  state: ExportState,
  walk: ExportWalk,
): AsyncGenerator<ExportPart, void, void> {
  const { committedAfter, committedUntil } = walk
  const asked = {
    ...filter,
    ...decidedSince(filter, walk),
    ...(committedAfter !== undefined && { committedAfter }),
    committedUntil,
    ...(walk.over === 'late' && { committedLaterThanMs: LATE_MS }),
  }
  let { after } = walk
  for (;;) {
    const place = after === undefined ? {} : { after }
    const page = await search.page({ filter: asked, order: 'oldest first', limit: PAGE_RECORDS, ...place })
    after = page.end
    if (!page.hasMore || after === undefined) {
      yield { records: page.records, state: stateAfter(state, walk) }
      return
    }
    yield { records: page.records, state: { ...state, walk: { ...walk, after } } }
  }
}

function decidedSince(
  { sinceMs }: DecisionFilter,
  { over, committedAfter }: ExportWalk,
): { readonly sinceMs?: number } {
  if (committedAfter === undefined) return {}
  const earliestMs = Date.parse(committedAfter) - (over === 'recent' ? LOOK_BACK_MS : LATE_MAX_MS)
  return { sinceMs: Math.max(sinceMs ?? earliestMs, earliestMs) }
}

/** A walk over `all` is not begun before every earlier row, late or not, is exported. */
function stateAfter(
  { completeUntil }: ExportState,
  { over, committedUntil }: ExportWalk,
): Pick<ExportState, 'completeUntil' | 'recentUntil'> {
  if (over !== 'recent') return { completeUntil: committedUntil, recentUntil: committedUntil }
  return { ...(completeUntil !== undefined && { completeUntil }), recentUntil: committedUntil }
}
