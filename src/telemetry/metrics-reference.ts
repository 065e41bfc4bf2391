/** Every metric of the service is called this and its name. */
export const METRIC_PREFIX = 'nats_callout_'

interface Described {
  readonly name: string
  readonly labels: readonly string[]
  readonly meaning: string
}

export type MetricDefinition = Described &
  ({ readonly type: 'counter' | 'gauge' } | { readonly type: 'histogram'; readonly buckets: readonly number[] })

/** From 1 ms, doubling, past the 2 s after which nats-server has given up. */
const REQUEST_BUCKETS = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048]
/** A signature takes some 50 µs, so steps need finer buckets at the short end. */
const STAGE_BUCKETS = [0.000_05, 0.000_1, 0.000_25, 0.000_5, ...REQUEST_BUCKETS]
const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]

/** The definitions from which the metrics are made. Labels hold closed lists and names of the configuration only. */
export const METRICS = {
  decisions: {
    name: 'decisions_total',
    type: 'counter',
    labels: ['outcome', 'reason'],
    meaning: 'Decisions by outcome (allow, deny) and deny reason (none for an allow).',
  },
  decisionDuration: {
    name: 'decision_duration_seconds',
    type: 'histogram',
    labels: ['outcome'],
    buckets: REQUEST_BUCKETS,
    meaning: 'From receipt of a request to its answer.',
  },
  stageDuration: {
    name: 'stage_duration_seconds',
    type: 'histogram',
    labels: ['stage'],
    buckets: STAGE_BUCKETS,
    meaning: 'Time in each step of a request: wait, open, verify, grants, decide, sign, audit, respond.',
  },
  requestsInFlight: {
    name: 'requests_in_flight',
    type: 'gauge',
    labels: [],
    meaning: 'Requests being worked on.',
  },
  requestsWaiting: {
    name: 'requests_waiting',
    type: 'gauge',
    labels: [],
    meaning: 'Requests that wait to be worked on.',
  },
  refusals: {
    name: 'refusals_total',
    type: 'counter',
    labels: ['way'],
    meaning:
      'Refusals by what the client got: reply (a denial), drop (silence, by deny.mode), disconnect (the end of its connection), empty (a denial of a request that was not even read, for overload).',
  },
  requestsAborted: {
    name: 'requests_aborted_total',
    type: 'counter',
    labels: ['code'],
    meaning: 'Messages that were no genuine authorization requests and got no answer.',
  },
  lateAnswers: {
    name: 'late_answers_total',
    type: 'counter',
    labels: [],
    meaning: 'Answers not sent because the deadline had passed.',
  },
  failedAnswers: {
    name: 'failed_answers_total',
    type: 'counter',
    labels: [],
    meaning: 'Answers that could not be sent.',
  },
  allowsRefused: {
    name: 'allows_refused_total',
    type: 'counter',
    labels: [],
    meaning: 'Clients that were allowed and that nats-server did not admit all the same; the log says why.',
  },
  batchItems: {
    name: 'batch_items',
    type: 'histogram',
    labels: ['kind'],
    buckets: BATCH_BUCKETS,
    meaning: 'Requests that shared one round trip to the store (grants, audit).',
  },
  batchDuration: {
    name: 'batch_duration_seconds',
    type: 'histogram',
    labels: ['kind'],
    buckets: REQUEST_BUCKETS,
    meaning: 'Round trips to the store (grants, audit).',
  },
  batchFailures: {
    name: 'batch_failures_total',
    type: 'counter',
    labels: ['kind', 'code'],
    meaning: 'Round trips to the store that failed for all requests in them.',
  },
  auditFailures: {
    name: 'audit_failures_total',
    type: 'counter',
    labels: ['outcome'],
    meaning: 'Decisions whose row is lost or unconfirmed; such an allow became a denial. Alarm on any.',
  },
  keySetRefreshes: {
    name: 'key_set_refreshes_total',
    type: 'counter',
    labels: ['issuer', 'result'],
    meaning: 'Fetches of the keys of an issuer entry, by result (ok, failed).',
  },
  keySetAge: {
    name: 'key_set_age_seconds',
    type: 'gauge',
    labels: ['issuer'],
    meaning: 'Time since the keys of an issuer entry were last fetched.',
  },
  introspections: {
    name: 'introspections_total',
    type: 'counter',
    labels: ['issuer', 'result'],
    meaning: 'Questions to an issuer about opaque tokens, by result (active, inactive, cached, failed, probed).',
  },
  natsConnected: {
    name: 'nats_connected',
    type: 'gauge',
    labels: [],
    meaning: '1 while connected to nats-server.',
  },
  systemConnected: {
    name: 'system_connected',
    type: 'gauge',
    labels: [],
    meaning: '1 while connected to the system account of nats-server, if nats.system is set.',
  },
  groupMember: {
    name: 'group_member',
    type: 'gauge',
    labels: [],
    meaning:
      '1 while in the queue group; 0 before, while nats-server is away or refuses it, and after the member left.',
  },
  departures: {
    name: 'departures_total',
    type: 'counter',
    labels: ['trouble'],
    meaning: 'Times that the member left the queue group, by what was wrong (deaf, slow, store).',
  },
  heartbeat: {
    name: 'heartbeat_heard',
    type: 'gauge',
    labels: [],
    meaning: '1 while own heartbeats come back from nats-server; 0 if none ever did on this connection. Alarm on 0.',
  },
  evictions: {
    name: 'evictions_total',
    type: 'counter',
    labels: [],
    meaning: 'Connections of frozen peers that this member ended.',
  },
  storeFaults: {
    name: 'store_faults_total',
    type: 'counter',
    labels: ['operation', 'code'],
    meaning: 'Calls to Spanner that failed.',
  },
  historyLag: {
    name: 'history_lag_seconds',
    type: 'gauge',
    labels: [],
    meaning:
      'Age of the last moment up to which every change of policy is in the history, whichever member writes it; some seconds. Alarm over 60.',
  },
  historyWriter: {
    name: 'history_writer',
    type: 'gauge',
    labels: [],
    meaning: '1 while this member writes the history of policy; one of all does.',
  },
  historyChanges: {
    name: 'history_changes_total',
    type: 'counter',
    labels: [],
    meaning: 'Changes of policy that this member added to the history.',
  },
  historyFailures: {
    name: 'history_failures_total',
    type: 'counter',
    labels: ['code'],
    meaning: 'Times that the history could not be gone on with; it is tried again and nothing is lost.',
  },
  historyGaps: {
    name: 'history_gaps_total',
    type: 'counter',
    labels: [],
    meaning: 'Times that changes of policy were lost to the history, unrecorded for seven days. Alarm on any.',
  },
  auditSpoolRows: {
    name: 'audit_spool_rows',
    type: 'gauge',
    labels: [],
    meaning: 'Rows of the audit that wait on the disk for the database. Alarm when above 0.',
  },
  auditSpoolReplayed: {
    name: 'audit_spool_replayed_total',
    type: 'counter',
    labels: [],
    meaning: 'Rows of the audit that came into the database from the disk.',
  },
  auditCheckpoints: {
    name: 'audit_checkpoints_total',
    type: 'counter',
    labels: [],
    meaning: 'Times that the audit of this process was signed; every 10 s or 1,000 rows while there are decisions.',
  },
  auditCheckpointFailures: {
    name: 'audit_checkpoint_failures_total',
    type: 'counter',
    labels: [],
    meaning: 'Times that a checkpoint could not be stored or copied; it is tried again.',
  },
  unexpectedErrors: {
    name: 'unexpected_errors_total',
    type: 'counter',
    labels: [],
    meaning: 'Bugs that were caught; the log has the details. Alarm on any.',
  },
  logLinesDropped: {
    name: 'log_lines_dropped_total',
    type: 'counter',
    labels: [],
    meaning: 'Log lines lost because the output was not read or not writable.',
  },
  buildInfo: {
    name: 'build_info',
    type: 'gauge',
    labels: ['version'],
    meaning: 'Always 1; the label tells the version.',
  },
} as const satisfies Record<string, MetricDefinition>

export interface MetricReference {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
  readonly meaning: string
}

/** Every metric with its full name, for the documentation. */
export const METRICS_REFERENCE: readonly MetricReference[] = Object.values(METRICS).map(
  ({ name, type, labels, meaning }) => ({ name: METRIC_PREFIX + name, type, labels, meaning }),
)
