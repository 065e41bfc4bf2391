import type { CalloutEvents } from '../service/events.ts'
import { bounded } from './bounded.ts'
import type { LogLimit } from './log-limit.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'

export type CheckpointEvents = Pick<CalloutEvents, 'checkpointMade' | 'checkpointFailed'>

/** What is signed of the audit, and what could not be kept of that. The log is a second place for what is signed. */
export function checkpointEvents(logger: Logger, metrics: Metrics, limit: LogLimit): CheckpointEvents {
  return {
    checkpointMade({ chainId, seq, lost }, note) {
      metrics.auditCheckpoints.inc()
      const lostRows = lost.reduce((rows, { from, to }) => rows + to - from + 1, 0)
      logger.info({ event: 'audit_checkpoint', chainId, seq, lostRows, note }, 'the audit was signed so far')
    },
    checkpointFailed({ code, message }) {
      metrics.auditCheckpointFailures.inc()
      const passed = limit(`checkpoint ${code}`)
      if (!passed) return
      const fields = { event: 'audit_checkpoint_failed', code, detail: bounded(message), ...passed }
      logger.error(fields, 'a checkpoint of the audit cannot be kept for now; it is tried again')
    },
  }
}
