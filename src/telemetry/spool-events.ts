import type { CalloutEvents } from '../service/events.ts'
import { bounded } from './bounded.ts'
import type { LogLimit } from './log-limit.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'

export type SpoolEvents = Pick<CalloutEvents, 'spoolReplayed' | 'spoolKept'>

/** Rows that wait on the disk of this process until the database takes them. */
export function spoolEvents(logger: Logger, metrics: Metrics, limit: LogLimit): SpoolEvents {
  return {
    spoolReplayed(rows) {
      metrics.auditSpoolReplayed.inc(rows)
      logger.info({ event: 'spool_replayed', rows }, 'spooled rows of the audit are in the database now')
    },
    spoolKept(rows, { code, message }) {
      const passed = limit(`spool ${code}`)
      if (!passed) return
      const fields = { event: 'spool_kept', rows, code, detail: bounded(message), ...passed }
      logger.error(fields, 'rows of the audit wait in the spool: the database does not take them')
    },
  }
}
