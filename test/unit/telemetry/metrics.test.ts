import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ABORT_CODES, DENY_REASONS } from '../../../src/core/reasons.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { METRICS_REFERENCE } from '../../../src/telemetry/metrics-reference.ts'

suite('metrics', () => {
  test('that alarms watch exist from the start with 0', async () => {
    const lines = (await createMetrics({ version: '1.2.3' }).exposition()).split('\n')
    for (const series of [
      'decisions_total{outcome="allow",reason="none"}',
      ...Object.keys(DENY_REASONS).map((reason) => `decisions_total{outcome="deny",reason="${reason}"}`),
      ...Object.keys(ABORT_CODES).map((code) => `requests_aborted_total{code="${code}"}`),
      'audit_failures_total{outcome="allow"}',
      'audit_failures_total{outcome="deny"}',
      'late_answers_total',
      'allows_refused_total',
      'unexpected_errors_total',
      'log_lines_dropped_total',
      'nats_connected',
      'group_member',
    ]) {
      assert.ok(lines.includes(`nats_callout_${series} 0`), series)
    }
  })

  test('tell the version and the state of the process', async () => {
    const text = await createMetrics({ version: '1.2.3' }).exposition()
    assert.match(text, /^nats_callout_build_info\{version="1\.2\.3"\} 1$/m)
    assert.match(text, /^process_resident_memory_bytes /m)
    assert.match(text, /^nodejs_eventloop_lag_p99_seconds /m)
  })

  test('ask for the age of the keys at each scrape, and forget issuers that have none any more', async () => {
    const metrics = createMetrics({ version: '1' })
    let ages = new Map([['corp', 12]])
    metrics.observeKeySetAges(() => ages)
    assert.match(await metrics.exposition(), /^nats_callout_key_set_age_seconds\{issuer="corp"\} 12$/m)
    ages = new Map([['other', 3]])
    const text = await metrics.exposition()
    assert.match(text, /age_seconds\{issuer="other"\} 3$/m)
    assert.doesNotMatch(text, /age_seconds\{issuer="corp"\}/)
  })

  test('of two services in one process do not mix', async () => {
    const [a, b] = [createMetrics({ version: '1' }), createMetrics({ version: '1' })]
    a.lateAnswers.inc()
    assert.match(await b.exposition(), /^nats_callout_late_answers_total 0$/m)
  })

  test('are all explained by the reference, under the names that are exposed', async () => {
    const text = await createMetrics({ version: '1' }).exposition()
    const exposed = [...text.matchAll(/^# TYPE (nats_callout_\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`)
    assert.deepEqual(exposed.sort(), METRICS_REFERENCE.map(({ name, type }) => `${name} ${type}`).sort())
    for (const { meaning } of METRICS_REFERENCE) assert.match(meaning, /^\S.*\.$/)
  })
})
