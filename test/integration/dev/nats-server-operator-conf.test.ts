import assert from 'node:assert/strict'
import { access } from 'node:fs/promises'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { NatsConnection } from '@nats-io/transport-node'
import { createKick } from '../../../src/nats/system-link.ts'
import { systemClock as clock } from '../../../src/service/clock.ts'
import { connectClient, until } from '../../support/nats.ts'
import { assertServicePermissions, refusalOf } from '../../support/service-permissions.ts'
import { startOperatorServer, withCreds, type OperatorServer } from '../../support/operator.ts'

/** The error that the server sends for what a user tries, or undefined when it accepts it. */
suite('the reference nats-server.operator.conf', () => {
  let server: OperatorServer
  before(async () => {
    server = await startOperatorServer()
  })
  after(() => server[Symbol.asyncDispose]())

  test('lets the break-glass user in, as system user, while no service runs', async () => {
    const connection = await connectClient(server.nats.url, withCreds(server.jwts.systemCreds))
    const reply = await connection.request('$SYS.REQ.SERVER.PING', '', { timeout: 5000 })
    assert.match(reply.string(), /"server"/)
    await connection.close()
  })

  test('refuses every other client while no service runs', async () => {
    for (const login of [{ token: 'a.b.c' }, withCreds(server.jwts.sentinelCreds)])
      await assert.rejects(connectClient(server.nats.url, login), /authorization violation/i)
  })

  test('gives the service user what it needs in the callout account, and nothing else', async () => {
    await assertServicePermissions(() => connectClient(server.nats.url, withCreds(server.jwts.serviceCreds)))
  })

  test('lets the service end connections through the system account, and look, and do nothing else there', async () => {
    const { nats, jwts } = server
    const connection = await connectClient(nats.url, withCreds(jwts.serviceSystemCreds))
    const faults: unknown[] = []
    const kick = createKick({ connection: () => connection, clock, onFault: (fault) => faults.push(fault) })
    assert.equal(await kick(connection.info?.server_id ?? '', 1_000_000, clock.monotonicMs() + 5000), 'done')
    assert.deepEqual(faults, [])
    const connz = await connection.request(`$SYS.REQ.SERVER.${connection.info?.server_id}.CONNZ`, '{"cid":1000000}')
    assert.match(connz.string(), /"connections":\[\]/)
    await connection.close()
    for (const attempt of [
      (system: NatsConnection) => void system.subscribe('$SYS.>', { callback: () => {} }),
      (system: NatsConnection) => system.publish(`$SYS.REQ.ACCOUNT.${server.keys.xkey.getPublicKey()}.CLAIMS.UPDATE`),
      (system: NatsConnection) => system.publish('$SYS.REQ.SERVER.PING.JSZ'),
    ])
      assert.match(
        (await refusalOf(await connectClient(nats.url, withCreds(jwts.serviceSystemCreds)), attempt)) ?? '',
        /Permissions Violation/i,
      )
  })

  test('lets the system account ask the service what it is, as `nats micro ls` does', async () => {
    const service = await connectClient(server.nats.url, withCreds(server.jwts.serviceCreds))
    service.subscribe('$SRV.>', { callback: (_, message) => void message.respond('here') })
    await service.flush()
    const system = await connectClient(server.nats.url, withCreds(server.jwts.systemCreds))
    assert.equal((await system.request('$SRV.PING', '', { timeout: 5000 })).string(), 'here')
    await system.close()
    await service.close()
  })

  test('keeps the JWTs of the accounts in a folder of its own', async () => {
    const { keys, nats } = server
    const key = keys.calloutAccount.getPublicKey()
    await access(path.join(path.dirname(nats.configFile), 'jwt', `${key}.jwt`))
  })

  test('starts with the newest JWTs that it was given, not with those that it includes', async () => {
    await using own = await startOperatorServer()
    const madeBeforeSeconds = Math.ceil(Date.now() / 1000)
    await until('the next JWT has a later "iat"', () => Date.now() / 1000 > madeBeforeSeconds + 1)
    const app = own.keys.accounts.get('APP')?.identity ?? assert.fail()
    await own.updateAccount(app, (claims) => void (claims.description = 'changed'))
    await own.nats.restart()
    const system = await connectClient(own.nats.url, withCreds(own.jwts.systemCreds))
    const reply = await system.request(`$SYS.REQ.ACCOUNT.${app.getPublicKey()}.CLAIMS.LOOKUP`)
    await system.close()
    assert.match(Buffer.from(reply.string().split('.')[1] ?? '', 'base64url').toString(), /"description":"changed"/)
  })
})
