import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { createUser } from '@nats-io/nkeys'
import { startNatsServer } from '../../../src/dev/nats-server.ts'
import { NatsLink } from '../../../src/nats/connection.ts'
import { systemClock } from '../../../src/service/clock.ts'
import type { Delivery } from '../../../src/service/events.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'
import { anIssuer, anXKey, calloutConfig, connectClient, seedOf, startService, until } from '../../support/nats.ts'
import type { ScriptedHandler } from '../../support/nats.ts'

const issuer = anIssuer()
const admit: ScriptedHandler = (_, respond, allow) => void respond(allow())

function aServer(change: Partial<Parameters<typeof calloutConfig>[0]> = {}) {
  return startNatsServer({ config: calloutConfig({ issuer: issuer.key.publicKey, ...change }) })
}

function aLink(url: string, password = 'pw') {
  const events = new RecordedEvents()
  const credentials = { kind: 'password', user: 'auth', password } as const
  return { events, link: new NatsLink({ servers: [url], credentials, name: 'callout', clock: systemClock, events }) }
}

suite('when nats-server goes away', () => {
  test('the service connects and serves again as soon as it is back', async () => {
    await using server = await aServer()
    await using service = await startService({ url: server.url, issuer: issuer.key, handler: admit })
    await (await connectClient(server.url)).close()
    await server.restart()
    await until('both parts are ready', () => service.link.connected && (service.endpoint.probe()[0]?.ready ?? false))
    await (await connectClient(server.url)).close()
    assert.deepEqual(service.events.connections, ['connected', 'disconnected', 'connected'])
    const [before, after] = service.requests.map((request) => request.server.id)
    assert.notEqual(before, after)
  })

  test('and refuses the service for a while, the service does not give up', async () => {
    await using server = await aServer()
    await using service = await startService({ url: server.url, issuer: issuer.key, handler: admit })
    const config = await readFile(server.configFile, 'utf8')
    await writeFile(server.configFile, config.replace('user: auth, password: pw', 'user: auth, password: other'))
    await server.restart()
    await until('it was refused three times', () => server.log().split('authentication error').length > 3)
    assert.match(service.link.probe()[0]?.why ?? '', /authorization violation/i)
    await writeFile(server.configFile, config)
    await server.restart()
    await until('it is back', () => service.link.connected)
    await (await connectClient(server.url)).close()
    // Lost, refused, back: each told once, however many attempts there were.
    assert.deepEqual(service.events.connections, ['connected', 'disconnected', 'disconnected', 'connected'])
  })

  test('an answer that was due meanwhile is reported as failed', async () => {
    await using server = await aServer()
    const gate = Promise.withResolvers<void>()
    const deliveries: Delivery[] = []
    await using service = await startService({
      url: server.url,
      issuer: issuer.key,
      handler: async (_, respond, allow) => {
        await gate.promise
        deliveries.push(await respond(allow()))
      },
    })
    const lost = connectClient(server.url).catch((error: unknown) => error)
    await until('the request is in flight', () => service.endpoint.inFlight === 1)
    server.signal('SIGKILL')
    await until('the loss is noticed', () => !service.link.connected)
    gate.resolve()
    await until('the answer was tried', () => deliveries.length > 0)
    assert.deepEqual(deliveries, ['failed'])
    assert.ok((await lost) instanceof Error)
    assert.match(service.endpoint.probe()[0]?.why ?? '', /not connected/)
    assert.match(service.link.probe()[0]?.why ?? '', /^lost 127\.0\.0\.1:/)
  })
})

suite('a connection that cannot be made', () => {
  test('is tried until the server is there', async () => {
    await using server = await aServer()
    server.signal('SIGKILL')
    const { link, events } = aLink(server.url)
    const opened = link.open()
    await until('an attempt has failed', () => events.connections.length > 0)
    assert.equal(link.probe()[0]?.ready, false)
    await server.restart()
    await opened
    assert.deepEqual(link.probe(), [{ part: 'nats', ready: true }])
    assert.deepEqual(events.connections, ['disconnected', 'connected'])
    await link.close()
  })

  test('because of a wrong password says so and goes on trying', async () => {
    await using server = await aServer()
    const { link } = aLink(server.url, 'wrong')
    const opened = link.open()
    await until('the refusal is known', () => /authorization violation/i.test(link.probe()[0]?.why ?? ''))
    await until('it was tried again', () => server.log().split('authentication error').length > 2)
    await link.close()
    await assert.rejects(opened, { name: 'AbortError' })
  })

  test('is given up when it is closed', async () => {
    await using server = await aServer()
    server.signal('SIGKILL')
    const { link, events } = aLink(server.url)
    const opened = link.open()
    await link.close()
    await assert.rejects(opened, { name: 'AbortError' })
    assert.equal(await link.closed, undefined)
    assert.equal(events.connections.at(-1), 'closed')
  })
})

test('a closed connection says so once, to everyone who waits', async () => {
  await using server = await aServer()
  const { link, events } = aLink(server.url)
  await link.open()
  await Promise.all([link.close(), link.close()])
  assert.equal(await link.closed, undefined)
  assert.deepEqual(events.connections, ['connected', 'closed'])
  assert.deepEqual(link.probe(), [{ part: 'nats', ready: false, why: 'closed' }])
})

suite('the service', () => {
  test('may prove itself with an nkey', async () => {
    const user = createUser()
    await using server = await aServer({
      authUser: `{ nkey: ${user.getPublicKey()} }`,
      authUserName: user.getPublicKey(),
    })
    const credentials = { kind: 'nkey', seed: `${seedOf(user)}\n`, label: 'auth.nk' } as const
    await using _ = await startService({ url: server.url, issuer: issuer.key, handler: admit, credentials })
    await (await connectClient(server.url)).close()
  })

  test('is not ready and says why when it may not subscribe', async () => {
    const authUser = '{ user: auth, password: pw, permissions: { subscribe: { deny: [">"] } } }'
    await using server = await aServer({ authUser })
    await using service = await startService({ url: server.url, issuer: issuer.key, handler: admit })
    await until('the refusal has arrived', () => service.endpoint.probe()[0]?.ready === false)
    assert.match(service.endpoint.probe()[0]?.why ?? '', /permissions violation/i)
    assert.ok(service.events.unexpectedErrors.some(({ where }) => where === 'nats.subscription'))
  })

  test('reports that it may not answer', async () => {
    const authUser = '{ user: auth, password: pw, permissions: { publish: { deny: [">"] } } }'
    await using server = await aServer({ authUser, timeoutSeconds: 1 })
    await using service = await startService({ url: server.url, issuer: issuer.key, handler: admit })
    await assert.rejects(connectClient(server.url))
    assert.deepEqual(
      service.events.unexpectedErrors.map(({ where }) => where),
      ['nats.permissions'],
    )
  })

  const xkey = anXKey()
  const settings = [
    { title: 'another issuer', issuer: anIssuer().key, xkeys: [], abort: 'request_subject_unknown' },
    {
      title: 'an xkey that the server does not know',
      issuer: issuer.key,
      xkeys: [xkey.key],
      abort: 'request_not_sealed',
    },
  ]
  for (const { title, abort, ...keys } of settings) {
    test(`does not answer when it was set up with ${title}`, async () => {
      await using server = await aServer({ timeoutSeconds: 1 })
      await using service = await startService({ url: server.url, handler: admit, ...keys })
      await assert.rejects(connectClient(server.url))
      assert.deepEqual(service.events.aborts, [abort])
    })
  }

  test('does not answer when it lacks the xkey of the server', async () => {
    await using server = await aServer({ xkey: xkey.key.publicKey, timeoutSeconds: 1 })
    await using service = await startService({ url: server.url, issuer: issuer.key, handler: admit })
    await assert.rejects(connectClient(server.url))
    assert.deepEqual(service.events.aborts, ['request_sealed'])
  })

  test('serves with the older of two xkeys during a rotation', async () => {
    await using server = await aServer({ xkey: xkey.key.publicKey })
    const xkeys = [anXKey().key, xkey.key]
    await using _ = await startService({ url: server.url, issuer: issuer.key, xkeys, handler: admit })
    await (await connectClient(server.url)).close()
  })
})
