import { systemClock as clock } from '../service/clock.ts'
import type { DecisionSearch } from '../service/decision-search.ts'
import type { HistoryPages } from '../service/history.ts'
import { createPatience, type Patience } from '../service/patience.ts'
import { isOutage } from '../spanner/status.ts'
import { waitOrEnd } from './interrupt.ts'
import { warn, type CliIo } from './io.ts'

/** Waits for a store that is away until it is back or the signal says so, with a line on standard error for each of its ends. */
export function patienceWith(io: CliIo, signal: AbortSignal): Patience {
  return createPatience({
    isOutage,
    monotonicMs: () => clock.monotonicMs(),
    pause: (ms) => waitOrEnd(ms, signal),
    signal,
    began: ({ message }) => warn(io, `the store is away, and is waited for: ${message}`),
    ended: (downMs) => io.stderr.write(`callout: the store is back, after ${Math.ceil(downMs / 1000)} s\n`),
  })
}

export function patientSearch(search: DecisionSearch, patience: Patience): DecisionSearch {
  return {
    page: (query) => patience(() => search.page(query)),
    find: (id) => patience(() => search.find(id)),
    readableUntil: () => patience(() => search.readableUntil()),
  }
}

export function patientHistory(history: HistoryPages, patience: Patience): HistoryPages {
  return {
    page: (...query) => patience(() => history.page(...query)),
    reach: () => patience(() => history.reach()),
  }
}

/** Runs what is to end well when the signal ends it, also in the middle of a wait for the store. */
export async function untilAborted(signal: AbortSignal | undefined, run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (signal?.aborted !== true || error !== signal.reason) throw error
  }
}
