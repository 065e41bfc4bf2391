import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { countRequests } from '../../../src/service/request-statistics.ts'
import { createEvents } from '../../../src/telemetry/events.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { aDenial, anAllow, anEntry, recordingLogger } from '../telemetry/telemetry-fixture.ts'

function counting(): ReturnType<typeof countRequests> & {
  readonly records: ReturnType<typeof recordingLogger>['records']
} {
  const { logger, records } = recordingLogger()
  const metrics = createMetrics({ version: '1.2.3' })
  return { ...countRequests(createEvents({ logger, metrics, clock: { monotonicMs: () => 0 } })), records }
}

suite('the statistics of requests', () => {
  test('start with nothing', () => {
    const { requests, errors, lastError, processingMs, decisions } = counting().statistics
    assert.deepEqual([requests, errors, lastError, processingMs, decisions.size], [0, 0, '', 0, 0])
  })

  test('sum up what requests took from receipt to answer, waiting included', () => {
    const { events, statistics } = counting()
    events.decided(anEntry(anAllow(), { elapsedMicros: 2500 }), { audit: 4, respond: 0.5 }, true, 'sent')
    events.decided(anEntry(anAllow(), { elapsedMicros: 1000 }), { audit: 2 }, true, 'sent')
    assert.deepEqual([statistics.requests, statistics.processingMs], [2, 10])
  })

  test('take a refusal on the merits for no error, and one for an outage for one', () => {
    const { events, statistics } = counting()
    events.decided(anEntry(aDenial('no_grants')), {}, true, 'sent')
    assert.equal(statistics.errors, 0)
    events.decided(anEntry(aDenial('grants_unavailable')), {}, true, 'sent')
    assert.deepEqual([statistics.errors, statistics.lastError], [1, 'grants_unavailable'])
    assert.deepEqual(Object.fromEntries(statistics.decisions), { no_grants: 1, grants_unavailable: 1 })
  })

  test('take an answer that was not sent for an error', () => {
    const { events, statistics } = counting()
    events.decided(anEntry(anAllow()), {}, true, 'late')
    assert.deepEqual([statistics.requests, statistics.errors, statistics.lastError], [1, 1, 'answer_late'])
  })

  test('take a message that is no request for an error, not for a request', () => {
    const { events, statistics } = counting()
    events.requestAborted('request_malformed')
    assert.deepEqual([statistics.requests, statistics.errors, statistics.lastError], [0, 1, 'request_malformed'])
  })

  test('pass everything on', () => {
    const { events, records } = counting()
    events.decided(anEntry(anAllow()), {}, true, 'sent')
    events.requestAborted('request_malformed')
    events.refusedUnread()
    assert.deepEqual(
      records().map((record) => record['event']),
      ['decision', 'request_aborted', 'refused_unread'],
    )
  })
})
