import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CalloutError } from '../../../src/core/errors.ts'
import type { CalloutEvents } from '../../../src/service/events.ts'
import { createEvents } from '../../../src/telemetry/events.ts'
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts'
import { aDenial, anAllow, anEntry, DECISION_ID, recordingLogger, type LogRecord } from './telemetry-fixture.ts'

interface Observed {
  readonly events: CalloutEvents
  readonly metrics: Metrics
  readonly records: () => LogRecord[]
  readonly text: () => string
  /** The value of a series, such as `late_answers_total` or `decisions_total{outcome="allow",reason="none"}`. */
  readonly value: (series: string) => Promise<number | undefined>
  readonly advanceMs: (ms: number) => void
}

function observe(): Observed {
  const { logger, records, text } = recordingLogger()
  const metrics = createMetrics({ version: '1.2.3' })
  let nowMs = 0
  const events = createEvents({ logger, metrics, clock: { monotonicMs: () => nowMs } })
  return {
    events,
    metrics,
    records,
    text,
    value: async (series) => {
      const line = (await metrics.exposition()).split('\n').find((each) => each.startsWith(`nats_callout_${series} `))
      return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ')))
    },
    advanceMs: (ms) => {
      nowMs += ms
    },
  }
}

test('the gauge of the group follows each joining and leaving', async () => {
  const { events, value } = observe()
  const seen: (number | undefined)[] = []
  for (const isMember of [true, false, true]) {
    events.groupMember(isMember)
    seen.push(await value('group_member'))
  }
  assert.deepEqual(seen, [1, 0, 1])
})

suite('a decision', () => {
  test('is one line with the names of the audit', () => {
    const { events, records } = observe()
    events.decided(anEntry(anAllow()), { open: 0.5, audit: 4, respond: 0.25 }, true, 'sent')
    const [record, ...more] = records()
    assert.deepEqual(more, [])
    const { time, level, instanceId, ...fields } = record ?? {}
    assert.deepEqual([typeof time, level, instanceId], ['string', 'info', 'test'])
    assert.deepEqual(fields, {
      event: 'decision',
      decisionId: DECISION_ID,
      outcome: 'allow',
      account: 'APP',
      expiresAt: 1_700_003_600,
      grants: 2,
      principal: 'user:corp:alice',
      issuerId: 'corp',
      tokenIssuer: 'https://idp.example',
      tokenId: 'jti-1',
      keyId: 'k1',
      serverId: 'NAXXX',
      serverName: 'nats-0',
      connectionId: 7,
      clientHost: '10.0.0.1',
      clientName: 'app',
      connectionType: 'nats',
      userNkey: 'UAXXX',
      grantsReadTimestamp: '2023-11-14T22:13:20.000000Z',
      skippedGrants: 0,
      recorded: true,
      delivery: 'sent',
      elapsedMs: 6.75,
      stagesMs: { open: 0.5, audit: 4, respond: 0.25 },
    })
  })

  test('is counted by outcome and reason, and timed from receipt to answer', async () => {
    const { events, value } = observe()
    events.decided(anEntry(anAllow()), { audit: 4, respond: 0.25 }, true, 'sent')
    events.decided(anEntry(aDenial('token_expired')), {}, true, 'sent')
    assert.equal(await value('decisions_total{outcome="allow",reason="none"}'), 1)
    assert.equal(await value('decisions_total{outcome="deny",reason="token_expired"}'), 1)
    assert.equal(await value('decision_duration_seconds_sum{outcome="allow"}'), 0.006_75)
    assert.equal(await value('stage_duration_seconds_count{stage="audit"}'), 1)
  })

  test('against the client is information, one for reasons of our own is a warning', () => {
    const { events, records } = observe()
    events.decided(anEntry(aDenial('no_grants')), {}, true, 'sent')
    events.decided(anEntry(aDenial('grants_unavailable')), {}, false, 'sent')
    assert.deepEqual(
      records().map(({ level, reason, recorded }) => [level, reason, recorded]),
      [
        ['info', 'no_grants', true],
        ['warn', 'grants_unavailable', false],
      ],
    )
  })

  test('is never left out of the log, however many there are', () => {
    const { events, records } = observe()
    for (let i = 0; i < 500; i++) events.decided(anEntry(anAllow()), {}, true, 'sent')
    assert.equal(records().length, 500)
  })

  test('cuts off what a client made too long', () => {
    const { events, text } = observe()
    const long = 'x'.repeat(100_000)
    const entry = anEntry(aDenial('claim_invalid', long), {
      token: { issuer: long, subject: long, id: long, keyId: long },
    })
    events.decided(entry, {}, true, 'sent')
    assert.ok(text().length < 5_000)
  })

  test('that came too late or could not be sent is counted beside', async () => {
    const { events, value, records } = observe()
    events.decided(anEntry(anAllow()), {}, true, 'late')
    events.decided(anEntry(anAllow()), {}, true, 'failed')
    assert.equal(await value('late_answers_total'), 1)
    assert.equal(await value('failed_answers_total'), 1)
    assert.deepEqual(
      records().map(({ event }) => event),
      ['decision', 'answer_late', 'decision', 'answer_failed'],
    )
  })
})

suite('a flood', () => {
  test('of aborts is counted in full and logged a few times, then says how many lines are missing', async () => {
    const { events, value, records, advanceMs } = observe()
    for (let i = 0; i < 1_000; i++) events.requestAborted('request_malformed')
    assert.equal(records().length, 5)
    advanceMs(10_000)
    events.requestAborted('request_malformed')
    assert.equal(records().at(-1)?.['suppressed'], 995)
    assert.equal(await value('requests_aborted_total{code="request_malformed"}'), 1_001)
  })

  test('of one kind does not hide another', () => {
    const { events, records } = observe()
    for (let i = 0; i < 100; i++) events.storeFault('read', 'ERR_DEADLINE', 'slow')
    events.storeFault('commit', 'ERR_STORE_UNAVAILABLE', 'gone')
    assert.equal(records().at(-1)?.['operation'], 'commit')
  })
})

suite('other events', () => {
  test('feed metric and line together', async () => {
    const { events, value, records } = observe()
    events.auditFailed(
      'deny',
      3,
      new CalloutError('ERR_AUDIT_UNAVAILABLE', 'no answer', { cause: new Error('socket') }),
    )
    events.allowRefused('018bcfe5', 'User JWT issuer is not known')
    events.inFlight(4, 2)
    events.batchSettled('audit', 32, 12, undefined)
    events.batchSettled('grants', 1, 700, 'ERR_GRANTS_UNAVAILABLE')
    events.keySetRefreshed('corp', undefined)
    events.keySetRefreshed('corp', 'HTTP 503')
    events.introspected('corp', 'cached', undefined)
    events.introspected('corp', 'failed', 'status 503')
    events.natsConnection('connected', 'nats://a')
    events.storeFault('commit', 'ERR_STORE_UNAVAILABLE', 'gone')
    events.storeRecovered('commit', 1234.5)
    events.unexpected('authorizer', new TypeError('x is not a function'))
    const series = {
      'audit_failures_total{outcome="deny"}': 3,
      allows_refused_total: 1,
      requests_in_flight: 4,
      'batch_items_sum{kind="audit"}': 32,
      'batch_duration_seconds_sum{kind="grants"}': 0.7,
      'batch_failures_total{kind="grants",code="ERR_GRANTS_UNAVAILABLE"}': 1,
      'key_set_refreshes_total{issuer="corp",result="ok"}': 1,
      'key_set_refreshes_total{issuer="corp",result="failed"}': 1,
      'introspections_total{issuer="corp",result="cached"}': 1,
      'introspections_total{issuer="corp",result="failed"}': 1,
      nats_connected: 1,
      'store_faults_total{operation="commit",code="ERR_STORE_UNAVAILABLE"}': 1,
      unexpected_errors_total: 1,
    }
    for (const [name, expected] of Object.entries(series)) assert.equal(await value(name), expected, name)
    assert.deepEqual(
      records().map(({ level, event }) => `${String(level)} ${String(event)}`),
      [
        'error audit_failed',
        'warn allow_refused',
        'warn batch_failed',
        'debug key_set_refreshed',
        'warn key_set_unavailable',
        'warn introspection_failed',
        'info nats_connected',
        'warn store_fault',
        'info store_recovered',
        'error unexpected',
      ],
    )
    const error = records()[0]?.['error'] as { code: string; cause: { message: string } }
    assert.deepEqual([error.code, error.cause.message], ['ERR_AUDIT_UNAVAILABLE', 'socket'])
  })

  test('show only the message, code and stack of an error, whatever else hangs on it', () => {
    const { events, text } = observe()
    events.unexpected('x', Object.assign(new Error('boom'), { request: { headers: 'Bearer hunter2' } }))
    events.unexpected('x', { password: 'hunter2' })
    assert.doesNotMatch(text(), /hunter2/)
  })

  test('lower the gauge when the connection to nats-server is lost', async () => {
    const { events, value } = observe()
    events.natsConnection('connected', '')
    events.natsConnection('disconnected', 'stale connection')
    assert.equal(await value('nats_connected'), 0)
  })

  test('never throw, and a failure of their own is counted', async () => {
    const { events, value } = observe()
    assert.doesNotThrow(() => events.inFlight(Number.NaN, 0))
    assert.doesNotThrow(() => events.batchSettled('audit', 'many' as unknown as number, 1, undefined))
    assert.equal(await value('unexpected_errors_total'), 1)
  })
})
