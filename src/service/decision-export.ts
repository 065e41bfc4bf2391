import { assertNever } from '../core/errors.ts'
import type {
  DecisionFilter,
  DecisionPosition,
  DecisionQuery,
  DecisionRecord,
  DecisionSearch,
} from './decision-search.ts'
import { LOOK_BACK_MS } from './decision-tail.ts'

/**
 * A decision that was in no spool and still becomes readable later than this after it was made is not exported by an export that had
 * come further already. The clock of its service is then so far behind that of the store: nats-server gets no answer from a service
 * that is a minute off, and no service waits so long for a commit.
 */
export const LATE_MAX_MS = 3_600_000
/** How often an export that is followed looks for decisions that were in no spool and are later than `LATE_MS`. */
export const LATE_EVERY_MS = 600_000
/** Less than what is looked back, so that no row falls between the two. */
const LATE_MS = LOOK_BACK_MS - 1000
const PAGE_RECORDS = 200

/**
 * Which of the rows that were committed in a time a walk is over: `recent` are those that came within `LATE_MS` and those that came out
 * of a spool, which the store finds at once; `late` are all others.
 */
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
  const asked = askedOf(filter, walk)
  let { after } = walk
  for (;;) {
    const place = after === undefined ? {} : { after }
    const page = await search.page({ ...asked, order: 'oldest first', limit: PAGE_RECORDS, ...place })
    after = page.end
    if (!page.hasMore || after === undefined) {
      yield { records: page.records, state: stateAfter(state, walk) }
      return
    }
    yield { records: page.records, state: { ...state, walk: { ...walk, after } } }
  }
}

/** Spooled rows are found by when they came, whatever the time of their decision; each row is asked for once. */
function askedOf(
  filter: DecisionExportOptions['filter'],
  { over, committedAfter, committedUntil }: ExportWalk,
): Pick<DecisionQuery, 'filter' | 'also'> {
  if (committedAfter === undefined) return { filter: { ...filter, committedUntil } }
  const asked = { ...filter, committedAfter, committedUntil }
  const lookedBackMs = over === 'recent' ? LOOK_BACK_MS : LATE_MAX_MS
  const earliestMs = Date.parse(committedAfter) - lookedBackMs
  const sinceMs = Math.max(filter.sinceMs ?? earliestMs, earliestMs)
  switch (over) {
    case 'recent':
      return {
        filter: { ...asked, sinceMs, committedWithinMs: LATE_MS },
        also: { ...asked, spooled: true, committedLaterThanMs: LATE_MS },
      }
    case 'late':
      return { filter: { ...asked, sinceMs, spooled: false, committedLaterThanMs: LATE_MS } }
    case 'all': {
      const untilMs = Math.min(filter.untilMs ?? sinceMs, sinceMs)
      return { filter: { ...asked, sinceMs }, also: { ...asked, untilMs, spooled: true } }
    }
    default:
      return assertNever(over)
  }
}

/** A walk over `all` is not begun before every earlier row, late or not, is exported. */
function stateAfter(
  { completeUntil }: ExportState,
  { over, committedUntil }: ExportWalk,
): Pick<ExportState, 'completeUntil' | 'recentUntil'> {
  if (over !== 'recent') return { completeUntil: committedUntil, recentUntil: committedUntil }
  return { ...(completeUntil !== undefined && { completeUntil }), recentUntil: committedUntil }
}
