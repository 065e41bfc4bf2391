import { isOnMerits } from '../core/reasons.ts'
import type { CalloutEvents } from './events.ts'

/** What became of the requests since the start. */
export interface RequestStatistics {
  readonly requests: number
  /** Of them and of other messages: not answered, or answered with something else than a judgement on the client. */
  readonly errors: number
  /** Code of the last error; empty before the first. */
  readonly lastError: string
  /** From receipt to answer, summed over all requests. */
  readonly processingMs: number
  /** Decisions by deny reason, and `allow`. */
  readonly decisions: ReadonlyMap<string, number>
}

/**
 * Counts what is reported, and passes it on to `events`, a plain object. A message that is no genuine request is an error,
 * but no request.
 */
export function countRequests(events: CalloutEvents): {
  readonly events: CalloutEvents
  readonly statistics: RequestStatistics
} {
  let [requests, errors, processingMs, lastError] = [0, 0, 0, '']
  const decisions = new Map<string, number>()
  const failed = (code: string): void => {
    errors += 1
    lastError = code
  }
  const count = (decision: string): void => void decisions.set(decision, (decisions.get(decision) ?? 0) + 1)
  return {
    events: {
      ...events,
      decided(entry, durations, recorded, delivery) {
        const { decision, elapsedMicros } = entry
        requests += 1
        processingMs += elapsedMicros / 1000 + (durations.audit ?? 0) + (durations.respond ?? 0)
        count(decision.outcome === 'allow' ? 'allow' : decision.reason)
        if (delivery === 'late' || delivery === 'failed') failed(`answer_${delivery}`)
        else if (decision.outcome === 'deny' && !isOnMerits(decision.reason)) failed(decision.reason)
        events.decided(entry, durations, recorded, delivery)
      },
      requestAborted(code) {
        failed(code)
        events.requestAborted(code)
      },
      refusedUnread() {
        requests += 1
        count('overloaded')
        failed('overloaded')
        events.refusedUnread()
      },
    },
    statistics: {
      get requests() {
        return requests
      },
      get errors() {
        return errors
      },
      get lastError() {
        return lastError
      },
      get processingMs() {
        return processingMs
      },
      decisions,
    },
  }
}
