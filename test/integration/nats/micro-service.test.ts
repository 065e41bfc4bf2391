import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import type { NatsConnection } from '@nats-io/transport-node'
import { startNatsServer, type NatsServer } from '../../../src/dev/nats-server.ts'
import { startMicroService } from '../../../src/nats/micro-service.ts'
import { systemClock } from '../../../src/service/clock.ts'
import type { Clock } from '../../../src/service/ports.ts'
import type { RequestStatistics } from '../../../src/service/request-statistics.ts'
import { anIssuer, calloutConfig, connectClient } from '../../support/nats.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

const STATISTICS: RequestStatistics = {
  requests: 4,
  errors: 1,
  lastError: 'grants_unavailable',
  processingMs: 10.000_001,
  decisions: new Map([
    ['allow', 3],
    ['grants_unavailable', 1],
  ]),
}

let server: NatsServer
let operator: NatsConnection
before(async () => {
  server = await startNatsServer({ config: calloutConfig({ issuer: anIssuer().key.publicKey }) })
  operator = await connectClient(server.url, { user: 'sys', pass: 'pw' })
})
after(async () => {
  await operator.close()
  await server.stop()
})

interface Running extends AsyncDisposable {
  readonly id: string
  readonly events: RecordedEvents
  /** Returns when all that was sent to it has been looked at. */
  settled(): Promise<void>
}

async function anInstance(clock: Clock = systemClock): Promise<Running> {
  const id = randomUUID()
  const events = new RecordedEvents()
  const connection = await connectClient(server.url, { user: 'auth', pass: 'pw' })
  const facts = { id, version: '1.2.3', queue: 'callout', metadata: { host: 'h1' } }
  startMicroService({ connection, isConnected: () => true, ...facts, statistics: STATISTICS, clock, events })
  await connection.flush()
  return { id, events, settled: () => connection.flush(), [Symbol.asyncDispose]: () => connection.close() }
}

async function ask(subject: string): Promise<Record<string, unknown>> {
  return (await operator.request(subject, '', { timeout: 5000 })).json()
}

suite('asked from the system account', () => {
  test('the service says who it is, by its name and id and without', async () => {
    await using instance = await anInstance()
    const name = 'nats-spanner-callout'
    for (const subject of ['$SRV.PING', `$SRV.PING.${name}`, `$SRV.PING.${name}.${instance.id}`])
      assert.deepEqual(await ask(subject), {
        type: 'io.nats.micro.v1.ping_response',
        name,
        id: instance.id,
        version: '1.2.3',
        metadata: { host: 'h1' },
      })
  })

  test('it says what it does', async () => {
    await using instance = await anInstance()
    const { description, ...info } = await ask('$SRV.INFO')
    assert.equal(typeof description, 'string')
    assert.deepEqual(info, {
      type: 'io.nats.micro.v1.info_response',
      name: 'nats-spanner-callout',
      id: instance.id,
      version: '1.2.3',
      metadata: { host: 'h1' },
      endpoints: [{ name: 'authorize', subject: '$SYS.REQ.USER.AUTH', queue_group: 'callout', metadata: {} }],
    })
  })

  test('it says what it did, with durations in whole nanoseconds', async () => {
    await using _ = await anInstance()
    const { type, started, endpoints } = await ask('$SRV.STATS')
    assert.equal(type, 'io.nats.micro.v1.stats_response')
    assert.match(String(started), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    assert.deepEqual(endpoints, [
      {
        name: 'authorize',
        subject: '$SYS.REQ.USER.AUTH',
        queue_group: 'callout',
        num_requests: 4,
        num_errors: 1,
        last_error: 'grants_unavailable',
        processing_time: 10_000_001,
        average_processing_time: 2_500_000,
        data: { decisions: { allow: 3, grants_unavailable: 1 } },
      },
    ])
  })

  test('every instance answers, and one that is named alone', async () => {
    await using first = await anInstance()
    await using second = await anInstance()
    const ids = new Set<string>()
    for await (const message of await operator.requestMany('$SRV.PING', '', { strategy: 'count', maxMessages: 2 }))
      ids.add(message.json<{ id: string }>().id)
    assert.deepEqual(ids, new Set([first.id, second.id]))
    const named = await ask(`$SRV.PING.nats-spanner-callout.${second.id}`)
    assert.equal(named['id'], second.id)
  })

  test('another service or instance is not answered for, and nothing breaks', async () => {
    await using instance = await anInstance()
    for (const subject of [
      '$SRV.PING.other',
      `$SRV.PING.nats-spanner-callout.${randomUUID()}`,
      '$SRV.OTHER',
      '$SRV.__proto__',
    ])
      await assert.rejects(operator.request(subject, '', { timeout: 100 }))
    assert.equal((await ask('$SRV.PING'))['id'], instance.id)
    assert.deepEqual(instance.events.unexpectedErrors, [])
  })

  test('a flood is answered only in part', async () => {
    let answers = 0
    // A millisecond passes whenever somebody asks, so that each answer takes one, on whatever machine.
    let askedMs = 0
    await using instance = await anInstance({
      nowMs: () => systemClock.nowMs(),
      monotonicMs: () => (askedMs += 1),
      after: (delayMs, callback) => systemClock.after(delayMs, callback),
    })
    const inbox = operator.subscribe('flood', { callback: () => void (answers += 1) })
    for (let i = 0; i < 20_000; i += 1) operator.publish('$SRV.STATS', '', { reply: 'flood' })
    await operator.flush()
    await instance.settled()
    await operator.flush()
    inbox.unsubscribe()
    assert.ok(answers > 100 && answers < 1000, `${answers} answers`)
  })
})

test('a client of another account cannot ask', async () => {
  await using _ = await anInstance()
  await using intruder = await connectClient(server.url, { user: 'intruder', pass: 'pw' })
  await assert.rejects(intruder.request('$SRV.PING', '', { timeout: 10_000 }), /no responders/i)
})
