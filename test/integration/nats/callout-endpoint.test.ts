import assert from 'node:assert/strict'
import { createConnection } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { AuthorizationError, PermissionViolationError, createInbox } from '@nats-io/transport-node'
import type { NatsConnection } from '@nats-io/transport-node'
import { PERMISSIONS_BYTES_MAX } from '../../../src/core/decide.ts'
import { permissionsBytes } from '../../../src/core/permissions.ts'
import type { Permissions, SubjectPermission } from '../../../src/core/permissions.ts'
import { startNatsServer } from '../../../src/dev/nats-server.ts'
import type { NatsServer } from '../../../src/dev/nats-server.ts'
import type { Delivery } from '../../../src/service/events.ts'
import { anIssuer, anXKey, calloutConfig, connectClient, startService, until } from '../../support/nats.ts'
import type { RunningService, ScriptedHandler, ServiceOptions } from '../../support/nats.ts'

const NAME = 'José 東京'

interface UserInfo {
  readonly user: string
  readonly account: string
  /** Lists in no particular order; absent when empty. */
  readonly permissions?: Partial<Record<'publish' | 'subscribe', Partial<SubjectPermission>>>
}

async function userInfo(client: NatsConnection): Promise<UserInfo> {
  const reply = await client.request('$SYS.REQ.USER.INFO')
  return reply.json<{ data: UserInfo }>().data
}

function inOrder(permissions: UserInfo['permissions']): Permissions {
  const side = ({ allow = [], deny = [] }: Partial<SubjectPermission> = {}) => ({
    allow: [...allow].sort(),
    deny: [...deny].sort(),
  })
  return { publish: side(permissions?.publish), subscribe: side(permissions?.subscribe) }
}

const PERMISSIONS = {
  publish: { allow: ['$SYS.REQ.USER.INFO', 'orders.new'], deny: [] },
  subscribe: { allow: ['_INBOX.>', 'orders.*', 'work crew'], deny: ['orders.secret'] },
}

for (const sealed of [false, true]) {
  suite(`a callout ${sealed ? 'with' : 'without'} xkey`, () => {
    const issuer = anIssuer()
    const xkey = anXKey()
    let server: NatsServer

    before(async () => {
      server = await aServer()
    })
    after(() => server.stop())

    function aServer(timeoutSeconds = 2): Promise<NatsServer> {
      const keys = { issuer: issuer.key.publicKey, ...(sealed && { xkey: xkey.key.publicKey }) }
      return startNatsServer({ config: calloutConfig({ ...keys, timeoutSeconds }) })
    }

    function serve(handler: ScriptedHandler, change: Partial<ServiceOptions> = {}): Promise<RunningService> {
      const xkeys = sealed ? [xkey.key] : []
      return startService({ url: server.url, issuer: issuer.key, xkeys, handler, ...change })
    }

    test('admits a client with exactly the permissions that were signed', async () => {
      await using _ = await serve((request, respond, allow) => {
        void respond(allow({ permissions: PERMISSIONS, account: 'OPS', userName: request.client.name ?? '' }))
      })
      await using client = await connectClient(server.url, { token: 'a.b.c', name: 'corp:alice' })
      const info = await userInfo(client)
      assert.deepEqual([info.user, info.account], ['corp:alice', 'OPS'])
      assert.deepEqual(inOrder(info.permissions), PERMISSIONS)
    })

    test('admits a client with as many permissions as a decision may hold', async () => {
      const subjects = Array.from({ length: 5_000 }, (_, i) => `orders.${'x'.repeat(35)}.${i}`)
      const permissions = { publish: { allow: subjects, deny: [] }, subscribe: { allow: ['_INBOX.>'], deny: [] } }
      const bytes = permissionsBytes(permissions)
      assert.ok(bytes > PERMISSIONS_BYTES_MAX * 0.9 && bytes <= PERMISSIONS_BYTES_MAX, String(bytes))
      const deliveries: Delivery[] = []
      await using _ = await serve(
        async (_, respond, allow) => void deliveries.push(await respond(allow({ permissions }))),
      )
      await (await connectClient(server.url)).close()
      assert.deepEqual(deliveries, ['sent'])
    })

    test('lets a client do nothing on a side that is closed', async () => {
      const permissions = { publish: { allow: ['orders.new'], deny: [] }, subscribe: { allow: [], deny: ['>'] } }
      await using _ = await serve((_, respond, allow) => void respond(allow({ permissions })))
      await using client = await connectClient(server.url)
      const refused = Promise.withResolvers<Error | null>()
      client.subscribe('orders.new', { callback: refused.resolve })
      assert.ok((await refused.promise) instanceof PermissionViolationError)
    })

    test('refuses a client at once with Authorization Violation and tells only the server why', async () => {
      // The client waits half as long as the server would: a refusal that came late would be a timeout here.
      await using patient = await aServer(20)
      const handler: ScriptedHandler = (_, respond) => void respond({ deny: 'no_grants 018bcfe5' })
      await using _ = await serve(handler, { url: patient.url })
      await assert.rejects(connectClient(patient.url, { token: 'a.b.c', timeout: 10_000 }), (error: unknown) => {
        return error instanceof AuthorizationError && !error.message.includes('no_grants')
      })
      await until('the reason is in the log', () => /no_grants 018bcfe5/i.test(patient.log()))
    })

    test('carries names and passwords that are not ASCII in both directions unharmed', async () => {
      await using service = await serve((_, respond, allow) => void respond(allow({ userName: `corp:${NAME}` })))
      await using client = await connectClient(server.url, { name: NAME, user: NAME, pass: NAME })
      const [request] = service.requests
      assert.deepEqual([request?.client.name, request?.credentials], [NAME, { user: NAME, password: NAME }])
      assert.equal((await userInfo(client)).user, `corp:${NAME}`)
      assert.ok(await isConnectedAs(server, request?.client.connectionId, `corp:${NAME}`))
    })

    test('hands over a token of 16 KiB', async () => {
      await using service = await serve((_, respond, allow) => void respond(allow()))
      const token = 'x'.repeat(16_384)
      await using _ = await connectClient(server.url, { token })
      assert.equal(service.requests[0]?.credentials.authToken, token)
    })

    test('goes on after a handler that throws and one that rejects', async () => {
      const admit: ScriptedHandler = (_, respond, allow) => void respond(allow())
      const handlers: ScriptedHandler[] = [
        () => {
          throw new RangeError('a bug')
        },
        () => Promise.reject(new RangeError('another bug')),
      ]
      await using service = await serve((...request) => (handlers.shift() ?? admit)(...request))
      const unanswered = Array.from({ length: 2 }, () => connectClient(server.url, { token: 'a.b.c', timeout: 1500 }))
      const outcomes = Promise.allSettled(unanswered)
      await until('the bugs are reported', () => service.events.unexpectedErrors.length === 2)
      await using _ = await connectClient(server.url)
      const where = service.events.unexpectedErrors.map((event) => event.where)
      assert.deepEqual(where, ['nats.handler', 'nats.handler'])
      assert.ok(service.events.unexpectedErrors.every(({ error }) => error instanceof RangeError))
      assert.ok((await outcomes).every(({ status }) => status === 'rejected'))
    })

    test('answers a request once', async () => {
      const deliveries: Delivery[] = []
      await using service = await serve(async (_, respond, allow) => {
        deliveries.push(await respond(allow()), await respond({ deny: 'second thoughts' }))
      })
      await using client = await connectClient(server.url)
      await client.flush()
      await until('both are answered', () => deliveries.length === 2)
      assert.deepEqual(deliveries, ['sent', 'failed'])
      assert.equal(service.events.unexpectedErrors[0]?.where, 'nats.respond')
    })

    test('does not send an answer after its deadline', async () => {
      const deliveries: Delivery[] = []
      const handler: ScriptedHandler = async (_, respond, allow) => {
        const receivedMs = performance.now()
        await until('the deadline has passed', () => performance.now() > receivedMs + 1000)
        deliveries.push(await respond(allow()))
      }
      await using _ = await serve(handler, { answerWithinMs: 200 })
      await assert.rejects(connectClient(server.url))
      await until('the service has tried', () => deliveries.length === 1)
      assert.deepEqual(deliveries, ['late'])
    })

    test('does not answer garbage on its subject, and counts it', async () => {
      await using service = await serve((_, respond, allow) => void respond(allow()))
      await using intruder = await connectClient(server.url, { user: 'intruder', pass: 'pw' })
      const inbox = createInbox()
      const replies: unknown[] = []
      intruder.subscribe(inbox, { callback: (_, message) => void replies.push(message.data) })
      const garbage = ['', 'hello', '{"nats":{}}', 'xkv1' + 'x'.repeat(100), 'eyJ.eyJ.x', 'x'.repeat(200_000)]
      for (const text of garbage) intruder.publish('garbage', text, { reply: inbox })
      intruder.publish('garbage', 'nowhere to answer to')
      await until('all of it is counted', () => service.events.aborts.length === garbage.length + 1)
      await using _ = await connectClient(server.url)
      await intruder.flush()
      assert.deepEqual(replies, [])
      assert.deepEqual(service.events.aborts.toSorted(), [
        'request_empty',
        'request_malformed',
        'request_malformed',
        'request_malformed',
        ...(sealed ? ['request_not_sealed', 'request_oversized', 'request_seal_invalid'] : []),
        ...(sealed ? [] : ['request_malformed', 'request_oversized', 'request_sealed']),
      ])
      assert.equal(service.requests.length, 1)
    })

    test('does not look at headers that no server sends', async () => {
      await using service = await serve((_, respond, allow) => void respond(allow()))
      const malformed = 'NATS/1.0\r\nNats Server\u0001Xkey: x\r\n\r\n'
      const many = `NATS/1.0\r\n${'a:\r\n'.repeat(200_000)}\r\n`
      await publishRaw(server, malformed, 'body')
      await publishRaw(server, many, 'body')
      await until('both are counted', () => service.events.aborts.length === 2)
      assert.deepEqual(service.events.aborts, ['request_malformed', 'request_oversized'])
      assert.deepEqual(service.events.unexpectedErrors, [])
      await (await connectClient(server.url)).close()
    })

    test('finishes what is in flight when it drains, and leaves new requests to others', async () => {
      const gate = Promise.withResolvers<void>()
      const leaving = await serve(async (_, respond, allow) => {
        await gate.promise
        void respond(allow({ userName: 'leaving' }))
      })
      const early = connectClient(server.url)
      await until('the request is in flight', () => leaving.endpoint.inFlight === 1)
      const drained = leaving.endpoint.drain()
      assert.match(leaving.endpoint.probe()[0]?.why ?? '', /draining/)
      await using _ = await serve((_, respond, allow) => void respond(allow({ userName: 'staying' })))
      gate.resolve()
      assert.equal(await drained, 0)
      await leaving.link.close()
      await using first = await early
      assert.equal((await userInfo(first)).user, 'leaving')
      await using second = await connectClient(server.url)
      assert.equal((await userInfo(second)).user, 'staying')
    })

    test('says how many requests it left behind when they outlast the drain', async () => {
      await using service = await serve(() => new Promise(() => {}))
      const lost = connectClient(server.url, { token: 'a.b.c', timeout: 1500 }).catch((error: unknown) => error)
      await until('the request is in flight', () => service.endpoint.inFlight === 1)
      assert.equal(await service.endpoint.drain(1), 1)
      assert.ok((await lost) instanceof Error)
    })
  })
}

test('a member that leaves its queue group under load loses no client', async () => {
  const issuer = anIssuer()
  await using server = await startNatsServer({ config: calloutConfig({ issuer: issuer.key.publicKey }) })
  const handler: ScriptedHandler = async (_, respond, allow) => {
    await new Promise(setImmediate)
    void respond(allow())
  }
  const leaving = await startService({ url: server.url, issuer: issuer.key, handler })
  await using staying = await startService({ url: server.url, issuer: issuer.key, handler })
  const clients = Array.from({ length: 60 }, () => connectClient(server.url))
  await until('both are busy', () => leaving.requests.length > 0 && staying.requests.length > 0)
  assert.equal(await leaving.endpoint.drain(), 0)
  await leaving.link.close()
  for (const client of await Promise.all(clients)) await client.close()
  assert.equal(leaving.requests.length + staying.requests.length, clients.length)
})

test('a request whose answer is still being signed when its member leaves is answered', async () => {
  const issuer = anIssuer()
  await using server = await startNatsServer({
    config: calloutConfig({ issuer: issuer.key.publicKey, timeoutSeconds: 20 }),
  })
  const held = Promise.withResolvers<void>()
  const slowKey = { ...issuer.key, sign: (data: Uint8Array) => held.promise.then(() => issuer.key.sign(data)) }
  const handler: ScriptedHandler = (_, respond, allow) => void respond(allow())
  const leaving = await startService({ url: server.url, issuer: slowKey, handler })
  const client = connectClient(server.url)
  await until('the request has come', () => leaving.endpoint.inFlight === 1)
  const drained = leaving.endpoint.drain()
  held.resolve()
  assert.equal(await drained, 0)
  await leaving.link.close()
  await (await client).close()
})

async function isConnectedAs(server: NatsServer, connectionId: number | undefined, user: string): Promise<boolean> {
  const response = await fetch(`${server.monitorUrl}/connz?auth=1&cid=${connectionId}`)
  const { connections } = (await response.json()) as { connections: { authorized_user: string }[] }
  return connections[0]?.authorized_user === user
}

/** Publishes what the client library refuses to write. */
async function publishRaw(server: NatsServer, headers: string, body: string): Promise<void> {
  const socket = createConnection(server.port, '127.0.0.1')
  const commands = [
    'CONNECT {"verbose":false,"headers":true,"user":"intruder","pass":"pw"}',
    `HPUB garbage inbox ${headers.length} ${headers.length + body.length}`,
    `${headers}${body}`,
    'PING',
  ]
  socket.write(commands.map((command) => `${command}\r\n`).join(''), 'latin1')
  let received = ''
  for await (const chunk of socket) {
    received += String(chunk)
    if (received.includes('PONG')) return
  }
  throw new Error(`the server closed the connection: ${received}`)
}
