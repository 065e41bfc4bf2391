import type { DecisionFilter, DecisionPosition, DecisionRecord, DecisionSearch } from './decision-search.ts'

/** A decision that becomes readable later than this after it was made is not followed, unless it was in a spool before. */
export const LOOK_BACK_MS = 30_000
const PAGE_RECORDS = 200

export interface TailOptions {
  readonly search: DecisionSearch
  readonly filter: Omit<DecisionFilter, 'committedAfter'>
  /** Of the newest decisions, how many are handed out first. */
  readonly newest: number
  /** Waits before another look; resolves early when it is to end. */
  readonly pause: () => Promise<void>
  /** Ends it, after the look that is going on; without one it ends after the newest. */
  readonly signal?: AbortSignal
}

/**
 * The newest decisions and then, while it is followed, each further one, once, soon after it becomes readable. Rows become readable in
 * another order than that of their decisions: with every look those of the last `LOOK_BACK_MS`, and those that came out of a spool, are
 * looked through again for what was committed since the look before. Throws as `DecisionSearch`.
 */
export async function* tailDecisions(options: TailOptions): AsyncGenerator<readonly DecisionRecord[], void, void> {
  const { search, filter, newest, pause, signal } = options
  let committedAfter = await search.readableUntil()
  let shown: ReadonlySet<unknown> = new Set()
  if (newest > 0) {
    const { records } = await search.page({ filter, order: 'newest first', limit: newest })
    shown = idsCommittedAfter(committedAfter, records)
    yield records.toReversed()
  }
  if (signal === undefined) return
  for (;;) {
    await pause()
    if (signal.aborted) return
    const readableUntil = await search.readableUntil()
    const later = new Set<unknown>()
    for await (const records of committedSince(search, filter, committedAfter)) {
      const fresh = records.filter(({ DecisionId: id }) => !shown.has(id))
      for (const id of idsCommittedAfter(readableUntil, records)) later.add(id)
      if (fresh.length > 0) yield fresh
    }
    committedAfter = readableUntil
    shown = later
  }
}

async function* committedSince(
  search: DecisionSearch,
  filter: DecisionFilter,
  committedAfter: string,
): AsyncGenerator<readonly DecisionRecord[], void, void> {
  const sinceMs = Math.max(filter.sinceMs ?? Number.NEGATIVE_INFINITY, Date.parse(committedAfter) - LOOK_BACK_MS)
  const untilMs = Math.min(filter.untilMs ?? sinceMs, sinceMs)
  let after: DecisionPosition | undefined
  for (;;) {
    const { records, end, hasMore } = await search.page({
      filter: { ...filter, sinceMs, committedAfter },
      also: { ...filter, untilMs, committedAfter, spooled: true },
      order: 'oldest first',
      limit: PAGE_RECORDS,
      ...(after !== undefined && { after }),
    })
    yield records
    if (!hasMore) return
    after = end
  }
}

/** Times have nine digits of a second, and compare as texts. */
function idsCommittedAfter(time: string, records: readonly DecisionRecord[]): Set<unknown> {
  return new Set(
    records.filter(({ CommittedAt: committedAt }) => String(committedAt) > time).map(({ DecisionId: id }) => id),
  )
}
