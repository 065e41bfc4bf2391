import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { createServer } from '@nats-io/nkeys'
import type { NatsConnection } from '@nats-io/transport-node'
import { startNatsServer, type NatsServer } from '../../../src/dev/nats-server.ts'
import { NatsLink } from '../../../src/nats/connection.ts'
import { createEviction } from '../../../src/nats/eviction.ts'
import { Heartbeats } from '../../../src/nats/heartbeat.ts'
import { createKick, type Kick } from '../../../src/nats/system-link.ts'
import { systemClock as clock } from '../../../src/service/clock.ts'
import type { Evict } from '../../../src/service/member.ts'
import { createPeers, type Heartbeat, type Peers } from '../../../src/service/peers.ts'
import { anIssuer, calloutConfig, connectClient, startService, until } from '../../support/nats.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

interface Beating extends AsyncDisposable {
  readonly memberId: string
  readonly link: NatsLink
  readonly connection: NatsConnection
  readonly heartbeats: Heartbeats
  readonly peers: Peers
  readonly heard: Heartbeat[]
  readonly events: RecordedEvents
}

const issuer = anIssuer()

function aServer(authUser?: string): Promise<NatsServer> {
  const config = { issuer: issuer.key.publicKey, ...(authUser === undefined ? {} : { authUser }) }
  return startNatsServer({ config: calloutConfig(config) })
}

async function aMember(server: NatsServer): Promise<Beating> {
  const memberId = randomUUID()
  const events = new RecordedEvents()
  const credentials = { kind: 'password', user: 'auth', password: 'pw' } as const
  const link = new NatsLink({ servers: [server.url], credentials, name: `callout ${memberId}`, clock, events })
  const connection = await link.open()
  const peers = createPeers()
  const heard: Heartbeat[] = []
  const heartbeats = new Heartbeats({
    connection,
    isConnected: () => link.connected,
    memberId,
    onPeer(heartbeat) {
      heard.push(heartbeat)
      peers.heard(heartbeat)
    },
    events,
  })
  await connection.flush()
  return { memberId, link, connection, heartbeats, peers, heard, events, [Symbol.asyncDispose]: () => link.close() }
}

async function heardItself({ heartbeats, events }: Beating): Promise<void> {
  await until('the heartbeat has come back', () => {
    if (events.heartbeats.length === 0 && heartbeats.lost === 0) heartbeats.send(true)
    return events.heartbeats.includes('heard')
  })
}

suite('heartbeats', () => {
  let server: NatsServer
  before(async () => {
    server = await aServer()
  })
  after(() => server.stop())

  test('come back through the server', async () => {
    await using member = await aMember(server)
    member.heartbeats.send(true)
    await until('it has come back', () => member.events.heartbeats.length === 1)
    assert.deepEqual([member.heartbeats.lost, member.events.heartbeats], [0, ['heard']])
  })

  test('tell other members who is able and where its connection is', async () => {
    await using member = await aMember(server)
    await using other = await aMember(server)
    other.heartbeats.send(false)
    await until('it is heard', () => member.heard.length === 1)
    const { server_id: serverId, client_id: connectionId } = other.connection.info ?? {}
    assert.deepEqual(member.heard, [{ memberId: other.memberId, able: false, address: { serverId, connectionId } }])
  })

  test('are missed when the reader of the connection has died while it looks alive, until there is a new one', async () => {
    await using member = await aMember(server)
    await heardItself(member)
    const dying = member.connection.subscribe('callout.heartbeat.*', {
      callback: () => {
        throw new Error('an exception in a callback ends the reader of the library')
      },
    })
    for (let i = 0; i < 5; i += 1) member.heartbeats.send(true)
    await until('they are missed', () => member.heartbeats.lost >= 4 && member.link.connected)
    dying.unsubscribe()
    await member.link.reconnect('a test')
    await until('there is a new connection', () => member.link.connected && member.events.connections.length === 3)
    member.heartbeats.send(true)
    await until('it is heard again', () => member.events.heartbeats.length === 2)
    assert.deepEqual(
      [member.heartbeats.lost, member.events.connections],
      [0, ['connected', 'disconnected', 'connected']],
    )
  })

  test('that are none are nobody’s', async () => {
    await using member = await aMember(server)
    await using other = await aMember(server)
    const id = randomUUID()
    const genuine = { server: other.connection.info?.server_id, connection: 7, able: true }
    const wrong = [
      '',
      'null',
      '[]',
      '{',
      JSON.stringify({ ...genuine, server: 'NXXX' }),
      JSON.stringify({ ...genuine, connection: 1.5 }),
      JSON.stringify({ ...genuine, connection: '7' }),
      JSON.stringify({ ...genuine, able: 1 }),
      JSON.stringify({ ...genuine, padding: 'x'.repeat(300) }),
    ]
    for (const text of wrong) other.connection.publish(`callout.heartbeat.${id}`, text)
    other.connection.publish('callout.heartbeat.no-id', JSON.stringify(genuine))
    other.connection.publish(`callout.heartbeat.${id}`, JSON.stringify(genuine))
    await until('the genuine one is heard', () => member.heard.length > 0)
    assert.deepEqual([member.heard.length, member.events.unexpectedErrors], [1, []])
  })
})

test('a member whose user may not send heartbeats says so, once, and serves', async () => {
  const authUser = `{ user: auth, password: pw, permissions: {
    subscribe: ["$SYS.REQ.USER.AUTH callout"], publish: { deny: [">"] }, allow_responses: { max: 1, expires: "5s" } } }`
  await using server = await aServer(authUser)
  await using member = await aMember(server)
  for (let i = 0; i < 100; i += 1) member.heartbeats.send(true)
  await member.connection.flush()
  assert.deepEqual([member.heartbeats.lost, member.events.heartbeats], [0, ['unheard']])
  const refused = member.events.unexpectedErrors.length
  assert.ok(refused >= 1 && refused <= 13, `${refused} refusals`)
  await using _ = await startService({
    url: server.url,
    issuer: issuer.key,
    handler: (_request, respond, allow) => void respond(allow()),
  })
  await (await connectClient(server.url)).close()
})

suite('a peer that is silent', () => {
  let server: NatsServer
  before(async () => {
    server = await aServer()
  })
  after(() => server.stop())

  async function anEviction(login = { user: 'sys', pass: 'pw' }, kickThrough = (kick: Kick) => kick) {
    const system = await connectClient(server.url, login)
    const faults: unknown[] = []
    const options = { connection: () => system, clock, onFault: (fault: unknown) => faults.push(fault) }
    const kick = kickThrough(createKick(options))
    const evict = createEviction({ ...options, kick, nameOf: (id) => `callout ${id}` })
    return { evict, faults, [Symbol.asyncDispose]: () => system.close() }
  }

  /** Looks again as long as nothing is known, as a member does: a busy server answers too late to be believed. */
  async function outcomeOf({ evict }: { readonly evict: Evict }, heartbeat: Heartbeat): ReturnType<Evict> {
    let outcome: Awaited<ReturnType<Evict>> = 'unknown'
    await until('it is known', async () => (outcome = await evict(heartbeat)) !== 'unknown')
    return outcome
  }

  async function asHeard(peer: Beating): Promise<Heartbeat> {
    await using other = await aMember(server)
    peer.heartbeats.send(true)
    await until('it is heard', () => other.heard.length > 0)
    const [heartbeat] = other.heard
    assert.ok(heartbeat !== undefined)
    return heartbeat
  }

  test('also for nats-server loses its connection, and comes back', async () => {
    await using peer = await aMember(server)
    await using eviction = await anEviction()
    assert.equal(await outcomeOf(eviction, await asHeard(peer)), 'evicted')
    await until('it is back', () => peer.events.connections.length === 3)
    assert.deepEqual(peer.events.connections, ['connected', 'disconnected', 'connected'])
  })

  test('and loses its connection without a word about it is evicted all the same', async () => {
    await using peer = await aMember(server)
    await using eviction = await anEviction(undefined, (kick) => async (...connection) => {
      await kick(...connection)
      return 'unanswered'
    })
    assert.equal(await outcomeOf(eviction, await asHeard(peer)), 'evicted')
  })

  test('only for us keeps its connection', async () => {
    await using peer = await aMember(server)
    await using eviction = await anEviction()
    const heartbeat = await asHeard(peer)
    const beating = setInterval(() => peer.heartbeats.send(true), 100)
    assert.equal(await outcomeOf(eviction, heartbeat), 'alive')
    clearInterval(beating)
    assert.equal(peer.link.connected, true)
  })

  test('since it ended is gone', async () => {
    const peer = await aMember(server)
    await using eviction = await anEviction()
    const heartbeat = await asHeard(peer)
    await peer.link.close()
    assert.equal(await outcomeOf(eviction, heartbeat), 'gone')
  })

  test('is left alone when the connection that it named is another’s', async () => {
    await using peer = await aMember(server)
    await using eviction = await anEviction()
    const heartbeat = await asHeard(peer)
    assert.equal(await eviction.evict({ ...heartbeat, memberId: randomUUID() }), 'unknown')
    assert.equal(peer.link.connected, true)
  })

  test('on a server that was started again is left alone, without a fault', async () => {
    await using peer = await aMember(server)
    await using eviction = await anEviction()
    const { address, ...heartbeat } = await asHeard(peer)
    const gone = { ...address, serverId: createServer().getPublicKey() }
    assert.equal(await eviction.evict({ ...heartbeat, address: gone }), 'unknown')
    assert.deepEqual(eviction.faults, [])
  })

  test('is left alone by whoever lost the connection to the system account, without a fault', async () => {
    await using peer = await aMember(server)
    await using eviction = await anEviction()
    const heartbeat = await asHeard(peer)
    await eviction[Symbol.asyncDispose]()
    assert.equal(await eviction.evict(heartbeat), 'unknown')
    assert.deepEqual(eviction.faults, [])
  })

  test('is left alone by whoever is not of the system account, with a fault', async () => {
    await using peer = await aMember(server)
    await using eviction = await anEviction({ user: 'intruder', pass: 'pw' })
    assert.equal(await eviction.evict(await asHeard(peer)), 'unknown')
    assert.equal(eviction.faults.length, 1)
  })
})
