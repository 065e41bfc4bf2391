import type { CalloutEvents } from '../service/events.ts'
import { bounded } from './bounded.ts'
import type { LogLimit } from './log-limit.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'

export type HistoryEvents = Pick<CalloutEvents, 'historyWriter' | 'historyRecorded' | 'historyFailed' | 'historyGap'>

/** What the writer of the history of policy reports. */
export function historyEvents(logger: Logger, metrics: Metrics, limit: LogLimit): HistoryEvents {
  return {
    historyWriter(isWriting) {
      metrics.historyWriter.set(isWriting ? 1 : 0)
      const what = isWriting
        ? 'this member writes the history of policy'
        : 'another member writes the history of policy'
      logger.info({ event: isWriting ? 'history_writing' : 'history_standing_by' }, what)
    },
    historyRecorded(changes) {
      metrics.historyChanges.inc(changes)
      logger.debug({ event: 'history_recorded', changes }, 'changes of policy were added to the history')
    },
    historyFailed({ code, message }) {
      metrics.historyFailures.inc({ code })
      const passed = limit(`history ${code}`)
      if (!passed) return
      const fields = { event: 'history_failed', code, detail: bounded(message), ...passed }
      logger.warn(fields, 'the history of policy cannot be written for now; it is tried again')
    },
    historyGap(from, until) {
      metrics.historyGaps.inc()
      const what =
        'changes of policy are lost to the history: no service ran for longer than the change stream keeps them'
      logger.error({ event: 'history_gap', from, until }, what)
    },
  }
}
