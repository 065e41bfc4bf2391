import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { createServer } from '@nats-io/nkeys'
import { errors, type NatsConnection } from '@nats-io/transport-node'
import { startNatsServer } from '../../../src/dev/nats-server.ts'
import type { NatsServer } from '../../../src/dev/nats-server.ts'
import { createKick, type Kick } from '../../../src/nats/system-link.ts'
import { systemClock } from '../../../src/service/clock.ts'
import type { Delivery } from '../../../src/service/events.ts'
import { anIssuer, calloutConfig, connectClient, startService, until } from '../../support/nats.ts'
import type { RunningService, ServiceOptions } from '../../support/nats.ts'

/** Longer than it takes to answer on a busy machine, and not more than a test can wait out. */
const SERVER_TIMEOUT_SECONDS = 3
const issuer = anIssuer()
/** A client with this name is judged as `answers` says, in turn, and is let in when they are used up. */
const answers: ('unavailable' | 'deny')[] = []
const deliveries: Delivery[] = []
const faults: unknown[] = []

let server: NatsServer
let system: NatsConnection
let kick: Kick

before(async () => {
  server = await startNatsServer({
    config: calloutConfig({ issuer: issuer.key.publicKey, timeoutSeconds: SERVER_TIMEOUT_SECONDS }),
  })
  system = await connectClient(server.url, { user: 'sys', pass: 'pw' })
  kick = kickThrough(system)
})
after(async () => {
  await system?.close()
  await server?.[Symbol.asyncDispose]()
})

function kickThrough(connection: NatsConnection | undefined): Kick {
  return createKick({
    connection: () => connection,
    clock: systemClock,
    onFault: (error) => faults.push(error),
  })
}

function serve(change: Partial<ServiceOptions>): Promise<RunningService> {
  answers.length = 0
  deliveries.length = 0
  faults.length = 0
  return startService({
    url: server.url,
    issuer: issuer.key,
    handler: async (_, respond, allow) => {
      const next = answers.shift()
      deliveries.push(await respond(next === undefined ? allow() : ({ [next]: 'reason id' } as { deny: string })))
    },
    ...change,
  })
}

/** With the defaults of the library, but for its patience with a server that says nothing, which is 20 s. */
function connectDefaultClient(): Promise<NatsConnection> {
  return connectClient(server.url, { token: 'a.b.c', reconnect: true, timeout: 1500, reconnectTimeWait: 50 })
}

/** How often nats-server has written this. An answer that comes after its timeout is not read any more. */
function written(text: string): number {
  return server.log().split(text).length - 1
}

async function dropConnection(client: NatsConnection): Promise<void> {
  const { client_id: id, server_id: serverId } = client.info ?? {}
  assert.equal(await kick(serverId ?? '', id ?? 0, systemClock.monotonicMs() + 1000), 'done')
}

suite('a client that is refused for no fault of its own', () => {
  test('is disconnected, and gets in later however often it happened', async () => {
    await using _ = await serve({ denials: { mode: 'reply', kick } })
    await using client = await connectDefaultClient()
    deliveries.length = 0
    answers.push('unavailable', 'unavailable', 'unavailable')
    await dropConnection(client)
    await until('it is back', () => deliveries.length === 4)
    assert.deepEqual(deliveries, ['disconnected', 'disconnected', 'disconnected', 'sent'])
    await client.flush()
  })

  test('holds nothing of nats-server once it is disconnected', async () => {
    await using _ = await serve({ denials: { mode: 'reply', kick } })
    await using client = await connectDefaultClient()
    deliveries.length = 0
    answers.push('unavailable')
    const writtenBefore = written('no reason supplied')
    await dropConnection(client)
    await until('it is refused', () => deliveries.length === 1)
    await until('nats-server is done with it before its timeout', () => written('no reason supplied') > writtenBefore)
    await until('it is back', () => deliveries.length === 2)
    await client.flush()
  })

  test('is lost for good at the second time when it can only be denied', async () => {
    await using _ = await serve({})
    await using client = await connectDefaultClient()
    answers.push('unavailable', 'unavailable')
    await dropConnection(client)
    assert.ok((await client.closed()) instanceof errors.AuthorizationError)
  })

  test('is lost for good at the second time also when it was connected in between', async () => {
    await using _ = await serve({})
    await using client = await connectDefaultClient()
    answers.push('unavailable')
    deliveries.length = 0
    await dropConnection(client)
    await until('it is back', () => deliveries.length === 2)
    await client.flush()
    answers.push('unavailable')
    await dropConnection(client)
    assert.ok((await client.closed()) instanceof errors.AuthorizationError)
  })

  test('is denied when there is no connection to the system account', async () => {
    await using _ = await serve({ denials: { mode: 'reply', kick: kickThrough(undefined) } })
    answers.push('unavailable')
    await assert.rejects(connectClient(server.url), errors.AuthorizationError)
    assert.deepEqual([deliveries, faults], [['sent'], []])
  })

  test('is denied when the user for it is not of the system account, and that is reported', async () => {
    await using service = await serve({})
    await using nobody = await connectClient(server.url)
    await using _ = await serve({ denials: { mode: 'reply', kick: kickThrough(nobody) } })
    await service[Symbol.asyncDispose]()
    answers.push('unavailable')
    await assert.rejects(connectClient(server.url), errors.AuthorizationError)
    assert.deepEqual(deliveries, ['sent'])
    assert.equal(faults.length, 1)
  })
})

suite('a KICK', () => {
  test('of a connection that is gone is done', async () => {
    const serverId = system.info?.server_id ?? ''
    assert.equal(await kick(serverId, 1_000_000, systemClock.monotonicMs() + 1000), 'done')
  })

  test('of a server that is not there any more is impossible, and no fault', async () => {
    faults.length = 0
    const gone = createServer().getPublicKey()
    assert.equal(await kick(gone, 1, systemClock.monotonicMs() + 1000), 'impossible')
    assert.deepEqual(faults, [])
  })

  test('of a server that does not answer is unanswered', async () => {
    await using service = await serve({})
    await using client = await connectClient(server.url)
    client.subscribe('$SYS.REQ.SERVER.SILENT.KICK', { callback() {} })
    const silent = createKick({ connection: () => client, clock: systemClock, onFault: (fault) => faults.push(fault) })
    await client.flush()
    assert.equal(await silent('SILENT', 1, systemClock.monotonicMs() + 50), 'unanswered')
    assert.equal(service.events.unexpectedErrors.length, 0)
  })
})

suite('a client that is refused on the merits', () => {
  test('is denied at once, also where others are disconnected', async () => {
    await using _ = await serve({ denials: { mode: 'reply', kick } })
    answers.push('deny')
    await assert.rejects(connectClient(server.url), errors.AuthorizationError)
    assert.deepEqual(deliveries, ['sent'])
  })

  test('waits out the timeout of nats-server when refusals are dropped', async () => {
    await using _ = await serve({ denials: { mode: 'drop', kick } })
    answers.push('deny')
    const startedMs = performance.now()
    await assert.rejects(connectClient(server.url), errors.AuthorizationError)
    assert.ok(performance.now() - startedMs > SERVER_TIMEOUT_SECONDS * 1000 - 50)
    assert.deepEqual(deliveries, ['dropped'])
  })
})

suite('when more clients come than can be served', () => {
  test('what waits in vain is refused in time, and never judged', async () => {
    const gate = Promise.withResolvers<void>()
    await using service = await serve({
      inFlightMax: 1,
      answerWithinMs: 600,
      denials: { mode: 'reply' },
      handler: async (_, respond, allow) => {
        await gate.promise
        await respond(allow())
      },
    })
    const first = connectClient(server.url)
    await until('one is in work', () => service.requests.length === 1)
    const writtenBefore = written('returned an error: overloaded')
    const second = connectClient(server.url)
    await assert.rejects(second, errors.AuthorizationError)
    await until('it was our refusal', () => written('returned an error: overloaded') > writtenBefore)
    assert.equal(service.requests.length, 1)
    gate.resolve()
    await first.then(
      (client) => client.close(),
      () => undefined,
    )
  })

  test('as many refusals are under way as may wait, and the rest is refused unread', async () => {
    await using service = await serve({
      inFlightMax: 1,
      answerWithinMs: 400,
      denials: { mode: 'reply', kick: () => new Promise(() => {}) },
      handler: () => new Promise(() => {}),
    })
    const clients: Promise<unknown>[] = []
    const comes = (): void => {
      clients.push(connectClient(server.url, { token: 'a.b.c', timeout: 1500 }).catch(() => undefined))
    }
    comes()
    await until('one is in work', () => service.requests.length === 1)
    for (let i = 0; i < 8; i += 1) comes()
    await until('all but one are being refused', () => service.endpoint.inFlight === 9)
    await until('none of them waits', () => service.events.waiting === 0)
    assert.equal(service.events.unread, 0)
    for (let i = 0; i < 3; i += 1) comes()
    await until('the rest is refused', () => service.events.unread === 3)
    assert.equal(service.endpoint.inFlight, 9)
    await Promise.all(clients)
  })
})
