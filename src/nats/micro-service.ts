import type { Msg, NatsConnection } from '@nats-io/transport-node'
import type { CalloutEvents } from '../service/events.ts'
import type { Clock } from '../service/ports.ts'
import type { RequestStatistics } from '../service/request-statistics.ts'
import { createTimeBudget } from '../service/time-budget.ts'
import { CALLOUT_SUBJECT } from './callout-endpoint.ts'
import { ASK_AGAIN_AFTER_MS, StandingSubscription } from './standing-subscription.ts'

/** The name under which `nats micro` lists the service. */
export const SERVICE_NAME = 'nats-spanner-callout'

const DESCRIPTION = 'Auth callout: verifies OIDC tokens, reads grants from Cloud Spanner, signs user JWTs'
const ENDPOINT_NAME = 'authorize'
/** What the account of the service exports to the system account, so that operators can ask. */
export const MICRO_SUBJECTS = '$SRV.>'
const NANOSECONDS = 1_000_000

/** Of the time of the thread; whoever floods these subjects gets no answer beyond that. */
const ANSWERING_SHARE = 0.01
const ANSWERING_SAVED_MS = 100

export interface MicroServiceOptions {
  readonly connection: NatsConnection
  readonly isConnected: () => boolean
  /** Names this instance. */
  readonly id: string
  /** Semantic version. */
  readonly version: string
  readonly queue: string
  /** Shown to whoever may ask. */
  readonly metadata: Readonly<Record<string, string>>
  readonly statistics: RequestStatistics
  readonly clock: Clock
  readonly events: Pick<CalloutEvents, 'unexpected'>
}

/**
 * Answers `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`, alone or followed by the name of the service, or by its name and the
 * id of the instance, as NATS micro services do (NATS ADR-32). Without the permission to subscribe it stays silent.
 */
export function startMicroService(options: MicroServiceOptions): Disposable {
  const { connection, isConnected, clock, events } = options
  const answers = createAnswers(options)
  const budget = createTimeBudget({
    share: ANSWERING_SHARE,
    savedMsMax: ANSWERING_SAVED_MS,
    monotonicMs: () => clock.monotonicMs(),
  })
  const answer = (message: Msg): void => {
    const respond = answers.get(message.subject)
    if (respond === undefined || message.reply === undefined || !isConnected() || !budget.left) return
    const { reply } = message
    budget.spend(() => connection.publish(reply, JSON.stringify(respond())))
  }
  const subscription = new StandingSubscription({
    connection,
    subject: MICRO_SUBJECTS,
    onMessage: answer,
    later: (callback) => clock.after(ASK_AGAIN_AFTER_MS, callback),
    where: 'nats.micro',
    events,
  })
  subscription.start()
  return subscription
}

/** By subject. */
function createAnswers(options: MicroServiceOptions): ReadonlyMap<string, () => object> {
  const { id, version, metadata, queue, statistics, clock } = options
  const identity = { name: SERVICE_NAME, id, version, metadata }
  const endpoint = { name: ENDPOINT_NAME, subject: CALLOUT_SUBJECT, queue_group: queue }
  const started = new Date(clock.nowMs()).toISOString()
  const verbs = {
    PING: () => ({ type: 'io.nats.micro.v1.ping_response', ...identity }),
    INFO: () => ({
      type: 'io.nats.micro.v1.info_response',
      ...identity,
      description: DESCRIPTION,
      endpoints: [{ ...endpoint, metadata: {} }],
    }),
    STATS: () => ({
      type: 'io.nats.micro.v1.stats_response',
      ...identity,
      started,
      endpoints: [{ ...endpoint, ...numbers(statistics) }],
    }),
  }
  return new Map(
    Object.entries(verbs).flatMap(([verb, respond]) =>
      [`$SRV.${verb}`, `$SRV.${verb}.${SERVICE_NAME}`, `$SRV.${verb}.${SERVICE_NAME}.${id}`].map(
        (subject): [string, () => object] => [subject, respond],
      ),
    ),
  )
}

/** Durations are whole nanoseconds there. */
function numbers({ requests, errors, lastError, processingMs, decisions }: RequestStatistics): object {
  return {
    num_requests: requests,
    num_errors: errors,
    last_error: lastError,
    processing_time: Math.round(processingMs * NANOSECONDS),
    average_processing_time: requests === 0 ? 0 : Math.round((processingMs / requests) * NANOSECONDS),
    data: { decisions: Object.fromEntries(decisions) },
  }
}
