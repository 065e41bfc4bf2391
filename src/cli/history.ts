import { systemClock as clock } from '../service/clock.ts'
import type { CalloutEvents } from '../service/events.ts'
import { HISTORY_LEASE_MS, HistoryWriter } from '../service/history-writer.ts'
import { SpannerDatabase } from '../spanner/database.ts'
import { createHistoryLog } from '../spanner/history-log.ts'
import { createPolicyFeed } from '../spanner/policy-feed.ts'
import type { Metrics } from '../telemetry/metrics.ts'

export interface HistoryOptions {
  /** `projects/P/instances/I/databases/D` */
  readonly database: string
  readonly role?: string
  readonly emulatorHost?: string
  readonly instanceId: string
  readonly events: CalloutEvents
  readonly metrics: Metrics
}

/**
 * Writes the history of policy in the background, if no other member does. It has a connection of its own: what waits to be read
 * in the change stream must not hold up the decisions.
 */
export function startHistory(options: HistoryOptions, stack: AsyncDisposableStack): void {
  const { instanceId: holder, events, metrics, ...place } = options
  const database = stack.use(new SpannerDatabase({ ...place, clock, events }))
  const feed = createPolicyFeed({ database, clock })
  const log = createHistoryLog({ database, clock, holder, leaseMs: HISTORY_LEASE_MS })
  const writer = stack.use(new HistoryWriter({ feed, log, clock, events }))
  metrics.observeHistoryLag(() => {
    const lagMs = writer.lagMs()
    return lagMs === undefined ? undefined : lagMs / 1000
  })
}
