import { ABORT_CODES, isOnMerits } from '../core/reasons.ts'
import type { CalloutEvents, Delivery } from '../service/events.ts'
import { TROUBLES } from '../service/membership.ts'
import type { Clock } from '../service/ports.ts'
import { bounded } from './bounded.ts'
import { checkpointEvents, type CheckpointEvents } from './checkpoint-events.ts'
import { decisionFields, totalMs } from './decision-line.ts'
import { historyEvents, type HistoryEvents } from './history-events.ts'
import { createLogLimit, type LogLimit } from './log-limit.ts'
import { describeError } from './logged-error.ts'
import type { Logger } from './logger.ts'
import { spoolEvents, type SpoolEvents } from './spool-events.ts'
import { NO_REASON, type Metrics } from './metrics.ts'

export interface EventsOptions {
  readonly logger: Logger
  readonly metrics: Metrics
  /** Measures the windows of the rate limits of the log. */
  readonly clock: Pick<Clock, 'monotonicMs'>
}

/**
 * Feeds metric and log line of each business event together. Every event is counted; lines that a flood could multiply
 * are limited to a few of a kind in ten seconds and then say how many were left out. Never throws.
 */
export function createEvents({ logger, metrics, clock }: EventsOptions): CalloutEvents {
  const limit = createLogLimit(clock)
  const parts = {
    ...requestEvents(logger, metrics, limit),
    ...dependencyEvents(logger, metrics, limit),
    ...memberEvents(logger, metrics, limit),
    ...historyEvents(logger, metrics, limit),
    ...checkpointEvents(logger, metrics, limit),
    ...spoolEvents(logger, metrics, limit),
  }
  return neverThrowing(parts, () => metrics.unexpectedErrors.inc())
}

type RequestEvents = Pick<
  CalloutEvents,
  'requestAborted' | 'refusedUnread' | 'decided' | 'allowRefused' | 'auditFailed' | 'inFlight' | 'unexpected'
>

/** What a refused client got, by what became of the answer. */
const WAYS = { sent: 'reply', dropped: 'drop', disconnected: 'disconnect' } as const

function isTold(delivery: Delivery): delivery is keyof typeof WAYS {
  return delivery in WAYS
}

function requestEvents(logger: Logger, metrics: Metrics, limit: LogLimit): RequestEvents {
  /** A line for each decision, except when there are too many to decide: that goes on until it is over. */
  const logDecision: CalloutEvents['decided'] = (entry, durations, recorded, delivery) => {
    const { decision } = entry
    if (decision.outcome === 'allow' || isOnMerits(decision.reason)) {
      logger.info(decisionFields(entry, durations, recorded, delivery))
      return
    }
    const passed = decision.reason === 'overloaded' ? limit('overloaded') : {}
    if (passed) logger.warn({ ...decisionFields(entry, durations, recorded, delivery), ...passed })
  }
  return {
    requestAborted(code) {
      metrics.requestsAborted.inc({ code })
      const passed = limit(`aborted ${code}`)
      if (passed) logger.warn({ event: 'request_aborted', code, ...passed }, ABORT_CODES[code])
    },
    refusedUnread() {
      metrics.decisions.inc({ outcome: 'deny', reason: 'overloaded' })
      metrics.refusals.inc({ way: 'empty' })
      metrics.auditFailures.inc({ outcome: 'deny' })
      const passed = limit('refused unread')
      if (passed) logger.error({ event: 'refused_unread', ...passed }, 'requests are refused unread, without a row')
    },
    decided(entry, durations, recorded, delivery) {
      const { decision } = entry
      const { outcome } = decision
      const reason = decision.outcome === 'deny' ? decision.reason : NO_REASON
      metrics.decisions.inc({ outcome, reason })
      metrics.decisionDuration.observe({ outcome }, totalMs(entry, durations) / 1000)
      for (const [stage, ms] of Object.entries(durations)) metrics.stageDuration.observe({ stage }, ms / 1000)
      if (delivery === 'late') metrics.lateAnswers.inc()
      if (delivery === 'failed') metrics.failedAnswers.inc()
      if (outcome === 'deny' && isTold(delivery)) metrics.refusals.inc({ way: WAYS[delivery] })
      logDecision(entry, durations, recorded, delivery)
      if (isTold(delivery)) return
      const passed = limit(`delivery ${delivery}`)
      if (passed) {
        const what = delivery === 'late' ? 'an answer came too late and was not sent' : 'an answer could not be sent'
        logger.warn({ event: `answer_${delivery}`, decisionId: decision.id, ...passed }, what)
      }
    },
    allowRefused(decisionId, why) {
      metrics.allowsRefused.inc()
      const passed = limit('allow refused')
      if (!passed) return
      const text = why === '' ? 'nats-server had given up before the answer came' : bounded(why)
      logger.warn({ event: 'allow_refused', decisionId, why: text, ...passed }, 'nats-server did not admit the client')
    },
    auditFailed(outcome, rows, error) {
      metrics.auditFailures.inc({ outcome }, rows)
      const passed = limit(`audit ${outcome}`)
      if (!passed) return
      const what =
        outcome === 'deny' ? 'rows of denials are lost' : 'rows of allows are unconfirmed; they became denials'
      logger.error({ event: 'audit_failed', outcome, rows, error: describeError(error), ...passed }, what)
    },
    inFlight(count, waiting) {
      metrics.requestsInFlight.set(count)
      metrics.requestsWaiting.set(waiting)
    },
    unexpected(where, error) {
      metrics.unexpectedErrors.inc()
      const passed = limit(`unexpected ${where}`)
      if (passed)
        logger.error({ event: 'unexpected', where, error: describeError(error), ...passed }, 'a bug was caught')
    },
  }
}

type MemberEvents = Pick<CalloutEvents, 'groupMember' | 'membership' | 'heartbeat' | 'evicted'>

function memberEvents(logger: Logger, metrics: Metrics, limit: LogLimit): MemberEvents {
  return {
    groupMember: (isMember) => metrics.groupMember.set(isMember ? 1 : 0),
    membership(trouble) {
      if (trouble === undefined) {
        logger.info({ event: 'group_joined' }, 'back in the queue group')
        return
      }
      metrics.departures.inc({ trouble })
      logger.warn({ event: 'group_left', trouble, why: TROUBLES[trouble] }, 'left the queue group')
    },
    heartbeat(status) {
      metrics.heartbeat.set(status === 'heard' ? 1 : 0)
      if (status === 'heard') {
        logger.debug({ event: 'heartbeat_heard' }, 'own heartbeats come back')
        return
      }
      const passed = limit('heartbeat unheard')
      if (!passed) return
      const what = 'own heartbeats do not come back: the user needs to publish and subscribe to callout.heartbeat.*'
      logger.error({ event: 'heartbeat_unheard', ...passed }, what)
    },
    evicted(memberId) {
      metrics.evictions.inc()
      logger.warn({ event: 'peer_evicted', peer: memberId }, 'the connection of a frozen member was ended')
    },
  }
}

type DependencyEvents = Omit<
  CalloutEvents,
  keyof RequestEvents | keyof MemberEvents | keyof HistoryEvents | keyof CheckpointEvents | keyof SpoolEvents
>

function dependencyEvents(logger: Logger, metrics: Metrics, limit: LogLimit): DependencyEvents {
  return {
    batchSettled(kind, items, durationMs, failure) {
      metrics.batchItems.observe({ kind }, items)
      metrics.batchDuration.observe({ kind }, durationMs / 1000)
      if (failure === undefined) return
      metrics.batchFailures.inc({ kind, code: failure })
      const passed = limit(`batch ${kind} ${failure}`)
      if (passed)
        logger.warn({ event: 'batch_failed', kind, code: failure, items, durationMs, ...passed }, 'a batch failed')
    },
    keySetRefreshed(issuer, failure) {
      metrics.keySetRefreshes.inc({ issuer, result: failure === undefined ? 'ok' : 'failed' })
      if (failure === undefined) {
        logger.debug({ event: 'key_set_refreshed', issuerId: issuer }, 'the keys of the issuer were fetched')
        return
      }
      const passed = limit(`keys ${issuer}`)
      if (!passed) return
      const why = bounded(failure)
      logger.warn({ event: 'key_set_unavailable', issuerId: issuer, why, ...passed }, 'the keys could not be fetched')
    },
    introspected(issuer, result, failure) {
      metrics.introspections.inc({ issuer, result })
      if (failure === undefined) return
      const passed = limit(`introspection ${issuer}`)
      if (!passed) return
      const why = bounded(failure)
      logger.warn({ event: 'introspection_failed', issuerId: issuer, why, ...passed }, 'the issuer could not be asked')
    },
    natsConnection(status, detail) {
      metrics.natsConnected.set(status === 'connected' ? 1 : 0)
      const passed = limit(`nats ${status}`)
      if (!passed) return
      const level = status === 'connected' ? 'info' : 'warn'
      logger[level]({ event: `nats_${status}`, detail: bounded(detail), ...passed }, `nats-server: ${status}`)
    },
    systemConnection(status, detail) {
      metrics.systemConnected.set(status === 'connected' ? 1 : 0)
      const passed = limit(`system ${status}`)
      if (!passed) return
      const level = status === 'connected' ? 'info' : 'warn'
      const fields = { event: `system_${status}`, detail: bounded(detail), ...passed }
      logger[level](fields, `system account of nats-server: ${status}`)
    },
    storeFault(operation, code, detail) {
      metrics.storeFaults.inc({ operation, code })
      const passed = limit(`store ${operation} ${code}`)
      if (!passed) return
      logger.warn(
        { event: 'store_fault', operation, code, detail: bounded(detail), ...passed },
        'a call to Spanner failed',
      )
    },
    storeRecovered(operation, downMs) {
      logger.info({ event: 'store_recovered', operation, downMs: Math.round(downMs) }, 'Spanner answers again')
    },
  }
}

/** A gauge fed with NaN or a broken stream must not turn into a refused client. */
function neverThrowing(events: CalloutEvents, onThrow: () => void): CalloutEvents {
  const guarded = Object.entries(events).map(([name, event]: [string, (...values: never[]) => void]) => [
    name,
    (...values: never[]): void => {
      try {
        event(...values)
      } catch {
        // There is nobody left to tell but the counter.
        onThrow()
      }
    },
  ])
  return Object.fromEntries(guarded) as CalloutEvents
}
