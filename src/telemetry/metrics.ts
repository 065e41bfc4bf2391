import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { ABORT_CODES, DENY_REASONS } from '../core/reasons.ts'
import { TROUBLES } from '../service/membership.ts'
import { METRICS, METRIC_PREFIX, type MetricDefinition } from './metrics-reference.ts'

type Instrument<D extends MetricDefinition> = D['type'] extends 'counter'
  ? Counter<D['labels'][number]>
  : D['type'] extends 'gauge'
    ? Gauge<D['labels'][number]>
    : Histogram<D['labels'][number]>

type Instruments = { readonly [K in keyof typeof METRICS]: Instrument<(typeof METRICS)[K]> }

export interface Metrics extends Instruments {
  /** Names the source of `key_set_age_seconds`: seconds by issuer id, asked at each scrape. */
  observeKeySetAges(source: () => ReadonlyMap<string, number>): void
  /** Names the source of `history_lag_seconds`, asked at each scrape; no value as long as nothing is known. */
  observeHistoryLag(source: () => number | undefined): void
  /** Names the source of `audit_spool_rows`, asked at each scrape. */
  observeSpool(source: () => number): void
  /** Everything in the text format of Prometheus. */
  exposition(): Promise<string>
  readonly contentType: string
}

/** Which alarms watch. */
const HISTORY_FAILURES = ['ERR_STORE_UNAVAILABLE', 'ERR_STORE_FORBIDDEN', 'ERR_STORE_REFUSED', 'ERR_STORE_CONFLICT']

/** The reason of an allow: a label must have a value. */
export const NO_REASON = 'none'

/**
 * Makes the metrics of one process, in a registry of their own, and those of the process itself under their usual
 * names. Series that an alarm watches exist from the start with 0: a counter that appears with its first failure hides
 * it from `rate()`.
 */
export function createMetrics(options: { readonly version: string }): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  let keySetAges = (): ReadonlyMap<string, number> => new Map()
  let historyLag = (): number | undefined => undefined
  let spoolRows = (): number => 0
  const instruments = createInstruments(registry, {
    historyLag: (gauge) => {
      const seconds = historyLag()
      if (seconds === undefined) gauge.remove({})
      else gauge.set(seconds)
    },
    auditSpoolRows: (gauge) => gauge.set(spoolRows()),
    keySetAge: (gauge) => {
      gauge.reset()
      for (const [issuer, seconds] of keySetAges()) gauge.set({ issuer }, seconds)
    },
  })
  createSeries(instruments, options.version)
  return {
    ...instruments,
    observeKeySetAges: (source) => {
      keySetAges = source
    },
    observeHistoryLag: (source) => {
      historyLag = source
    },
    observeSpool: (source) => {
      spoolRows = source
    },
    exposition: () => registry.metrics(),
    contentType: registry.contentType,
  }
}

type Collectors = { readonly [K in keyof typeof METRICS]?: (gauge: Gauge) => void }

function createInstruments(registry: Registry, collectors: Collectors): Instruments {
  const instruments = Object.entries(METRICS).map(([key, definition]: [string, MetricDefinition]) => [
    key,
    createInstrument(definition, registry, collectors[key as keyof typeof METRICS]),
  ])
  return Object.fromEntries(instruments) as Instruments
}

function createInstrument(definition: MetricDefinition, registry: Registry, collector?: (gauge: Gauge) => void) {
  const options = {
    name: METRIC_PREFIX + definition.name,
    help: definition.meaning,
    labelNames: [...definition.labels],
    registers: [registry],
  }
  if (definition.type === 'counter') return new Counter(options)
  if (definition.type === 'histogram') return new Histogram({ ...options, buckets: [...definition.buckets] })
  if (collector === undefined) return new Gauge(options)
  return new Gauge({
    ...options,
    collect() {
      collector(this)
    },
  })
}

function createSeries(metrics: Instruments, version: string): void {
  metrics.decisions.inc({ outcome: 'allow', reason: NO_REASON }, 0)
  for (const reason of Object.keys(DENY_REASONS)) metrics.decisions.inc({ outcome: 'deny', reason }, 0)
  for (const code of Object.keys(ABORT_CODES)) metrics.requestsAborted.inc({ code }, 0)
  for (const way of ['reply', 'drop', 'disconnect', 'empty']) metrics.refusals.inc({ way }, 0)
  for (const outcome of ['allow', 'deny']) metrics.auditFailures.inc({ outcome }, 0)
  for (const trouble of Object.keys(TROUBLES)) metrics.departures.inc({ trouble }, 0)
  for (const code of HISTORY_FAILURES) metrics.historyFailures.inc({ code }, 0)
  metrics.buildInfo.set({ version }, 1)
}
