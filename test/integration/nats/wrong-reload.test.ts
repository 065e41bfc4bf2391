import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { startNatsServer, type NatsServer } from '../../../src/dev/nats-server.ts'
import { Heartbeats } from '../../../src/nats/heartbeat.ts'
import { startMicroService } from '../../../src/nats/micro-service.ts'
import { RefusedAllows } from '../../../src/nats/refused-allows.ts'
import { Member } from '../../../src/service/member.ts'
import { createPeers } from '../../../src/service/peers.ts'
import { anIssuer, calloutConfig, connectClient, startService, until } from '../../support/nats.ts'
import type { RunningService, ScriptedHandler } from '../../support/nats.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

const ASK_AGAIN_AFTER_MS = 30_000
const BEATS_UNTIL_ASKED_AGAIN = 120

const issuer = anIssuer()
let server: NatsServer
let config: string

beforeEach(async () => {
  // The second user has all rights in the account of the service, and no part in what a test takes away.
  const authUser = '{ user: watcher, password: pw }, { user: auth, password: pw, permissions: $auth }'
  const permissions = `{
    subscribe: ["$SYS.REQ.USER.AUTH callout", "$SYS.ACCOUNT.CLIENT.AUTH.ERR", "callout.heartbeat.*", "$SRV.>"]
    publish: { allow: ["callout.heartbeat.*"] }, allow_responses: { max: 1, expires: "5s" } }`
  const base = calloutConfig({ issuer: issuer.key.publicKey, authUser, authUserName: 'auth, watcher' })
  config = base.replace('$auth', () => permissions)
  server = await startNatsServer({ config })
})
afterEach(() => server.stop())

async function reload(text: string): Promise<void> {
  const reloads = (): number => server.log().split('Reloaded server configuration').length
  const before = reloads()
  await writeFile(server.configFile, text)
  server.signal('SIGHUP')
  await until('it is reloaded', () => reloads() > before)
}

async function without(subject: string): Promise<string> {
  const text = await readFile(server.configFile, 'utf8')
  return text.replace(`"${subject}"`, '"something.else"')
}

const admit: ScriptedHandler = (_, respond, allow) => void respond(allow())

function serve(): Promise<RunningService> {
  return startService({ url: server.url, issuer: issuer.key, handler: admit })
}

/** The connection of a service; it comes back by itself. */
function ownConnection(): Promise<NatsConnection> {
  return connect({ servers: server.url, user: 'auth', pass: 'pw', maxReconnectAttempts: -1, reconnectTimeWait: 50 })
}

suite('a service whose place in the queue group a wrong reload of nats-server took', () => {
  const ready = ({ endpoint }: RunningService): boolean => endpoint.probe()[0]?.ready === true

  test('is not ready, and says why', async () => {
    await using service = await serve()
    await reload(await without('$SYS.REQ.USER.AUTH callout'))
    await until('it knows', () => !ready(service))
    assert.match(service.endpoint.probe()[0]?.why ?? '', /Permissions Violation for Subscription/)
    assert.equal(service.endpoint.joined, false)
  })

  test('is back soon after the right one, and serves', async () => {
    await using service = await serve()
    await reload(await without('$SYS.REQ.USER.AUTH callout'))
    await until('it knows', () => !ready(service))
    await reload(config)
    await until('it is back', () => service.endpoint.joined && ready(service))
    await (await connectClient(server.url)).close()
    assert.equal(service.requests.length, 1)
  })

  test('is back when nats-server was started again with the right configuration', async () => {
    await using service = await serve()
    await reload(await without('$SYS.REQ.USER.AUTH callout'))
    await until('it knows', () => !ready(service))
    await writeFile(server.configFile, config)
    await server.restart()
    await until('it is back', () => service.endpoint.joined && ready(service))
    await (await connectClient(server.url)).close()
    assert.equal(service.requests.length, 1)
  })

  test('tells of each time that it is in the group, or not', async () => {
    await using service = await serve()
    await until('it is in', () => service.endpoint.joined)
    await reload(await without('$SYS.REQ.USER.AUTH callout'))
    await until('it knows', () => !service.endpoint.joined)
    await reload(config)
    await until('it is back', () => service.endpoint.joined)
    assert.deepEqual(service.events.groupMemberships, [true, false, true])
  })

  test('tells other members that it is not able', async () => {
    await using service = await serve()
    await using watcher = await connectClient(server.url, { user: 'watcher', pass: 'pw' })
    const heard: boolean[] = []
    watcher.subscribe('callout.heartbeat.*', {
      callback: (_, message) => void heard.push(message.json<{ able: boolean }>().able),
    })
    await watcher.flush()
    const clock = new ManualClock()
    const { connection, endpoint: group, events } = service
    const beating = { connection, isConnected: () => true, memberId: randomUUID(), onPeer: () => {}, events }
    using heartbeats = new Heartbeats(beating)
    const health = { loop: { takeStandstillMs: () => 0 }, storeUsable: () => true }
    const reconnect = (): Promise<void> => assert.fail('the connection is well')
    using _ = new Member({ heartbeats, peers: createPeers(), group, reconnect, ...health, clock, events })
    const saysNext = async (): Promise<boolean | undefined> => {
      heard.length = 0
      await clock.advance(250)
      await until('it is heard', () => heard.length > 0)
      return heard.at(-1)
    }
    await until('it is in', () => group.joined)
    await clock.advance(0)
    assert.equal(await saysNext(), true)
    await reload(await without('$SYS.REQ.USER.AUTH callout'))
    await until('it knows', () => !ready(service))
    assert.equal(await saysNext(), false)
  })
})

suite('after a reload of nats-server that took a permission away, and one that gave it back,', () => {
  test('the service hears heartbeats again, its own too', async () => {
    await using connection = await ownConnection()
    const events = new RecordedEvents()
    const options = { connection, isConnected: () => true, memberId: randomUUID(), onPeer: () => {}, events }
    using heartbeats = new Heartbeats(options)
    heartbeats.send(true)
    await until('its own is heard', () => events.heartbeats.length === 1)
    await reload(await without('callout.heartbeat.*'))
    await until('it knows', () => !heartbeats.isListening)
    await reload(config)
    for (let i = 0; i < BEATS_UNTIL_ASKED_AGAIN; i += 1) heartbeats.send(true)
    await until('it listens again', () => heartbeats.isListening)
    heartbeats.send(true)
    await until('its own is heard again', () => events.heartbeats.length === 3)
    assert.deepEqual(events.heartbeats, ['heard', 'unheard', 'heard'])
  })

  test('a service that could not hear its own heartbeats meanwhile does not take itself for deaf', async () => {
    await using connection = await ownConnection()
    const events = new RecordedEvents()
    const options = { connection, isConnected: () => true, memberId: randomUUID(), onPeer: () => {}, events }
    using heartbeats = new Heartbeats(options)
    heartbeats.send(true)
    await until('its own is heard', () => events.heartbeats.length === 1)
    await reload(await without('callout.heartbeat.*'))
    await until('it knows', () => !heartbeats.isListening)
    for (let i = 0; i < 20; i += 1) heartbeats.send(true)
    assert.equal(heartbeats.lost, 0)
  })

  for (const [how, comeBack] of [
    ['half a minute later', (clock: ManualClock) => reload(config).then(() => clock.advance(ASK_AGAIN_AFTER_MS))],
    ['with the next connection', () => writeFile(server.configFile, config).then(() => server.restart())],
  ] as const) {
    test(`the service says what it is, ${how}`, async () => {
      await using connection = await ownConnection()
      const clock = new ManualClock()
      const facts = { id: randomUUID(), version: '1.2.3', queue: 'callout', metadata: {} }
      const statistics = { requests: 0, errors: 0, lastError: '', processingMs: 0, decisions: new Map() }
      const options = { connection, isConnected: () => true, ...facts, statistics, clock, events: new RecordedEvents() }
      using _ = startMicroService(options)
      await connection.flush()
      await reload(await without('$SRV.>'))
      await connection.flush()
      await comeBack(clock)
      await until('it answers', async () => {
        await using operator = await connectClient(server.url, { user: 'sys', pass: 'pw' })
        return await operator.request('$SRV.PING', '', { timeout: 500 }).then(
          () => true,
          () => false,
        )
      })
    })
  }

  test('the service learns of allows that were refused', async () => {
    await using connection = await ownConnection()
    const clock = new ManualClock()
    const events = new RecordedEvents()
    using refusedAllows = new RefusedAllows({ connection, clock, events })
    await using _ = await startService({
      url: server.url,
      issuer: issuer.key,
      handler(request, respond, allow) {
        const { server: asking, client } = request
        refusedAllows.answered({ serverId: asking.id, connectionId: client.connectionId, decisionId: randomUUID() })
        void respond(allow({ account: 'NOWHERE' }))
      },
    })
    await reload(await without('$SYS.ACCOUNT.CLIENT.AUTH.ERR'))
    await connection.flush()
    await reload(config)
    await clock.advance(ASK_AGAIN_AFTER_MS)
    await connection.flush()
    await assert.rejects(connectClient(server.url))
    await until('it is reported', () => events.refusedAllows.length === 1)
  })
})
