import type { CalloutEvents } from '../service/events.ts'
import type { CalloutError } from '../core/errors.ts'
import type { Clock } from '../service/ports.ts'

/** Reports failures of operations, and for each operation the first success after them. */
export interface OutageReport {
  succeeded(operation: string): void
  /** Answers of the database (refused, conflict, no such row) are no outage and are not reported; that it forbids something is. */
  failed(operation: string, error: CalloutError): void
}

export function createOutageReport(
  clock: Clock,
  events: Pick<CalloutEvents, 'storeFault' | 'storeRecovered'>,
): OutageReport {
  const failingSinceMs = new Map<string, number>()
  return {
    succeeded(operation) {
      if (failingSinceMs.size === 0) return
      const sinceMs = failingSinceMs.get(operation)
      if (sinceMs === undefined) return
      failingSinceMs.delete(operation)
      events.storeRecovered(operation, clock.monotonicMs() - sinceMs)
    },
    failed(operation, error) {
      if (error.code !== 'ERR_STORE_UNAVAILABLE' && error.code !== 'ERR_STORE_FORBIDDEN') return
      if (!failingSinceMs.has(operation)) failingSinceMs.set(operation, clock.monotonicMs())
      events.storeFault(operation, error.code, error.message)
    },
  }
}
