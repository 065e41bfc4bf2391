import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { startNatsServer } from '../../../src/dev/nats-server.ts'
import type { ReadinessCheck } from '../../../src/service/events.ts'
import { anIssuer, anXKey, calloutConfig, connectClient, startService, until } from '../../support/nats.ts'
import type { RunningService, ScriptedHandler } from '../../support/nats.ts'

const ours = anIssuer()
const theirs = anIssuer()

/** What `/readyz` says of our keys after one client has tried to connect; it is refused by the server's own timeout. */
async function keysAfterOneClient(service: RunningService, url: string): Promise<ReadinessCheck> {
  await assert.rejects(connectClient(url))
  const check = keysOf(service)
  assert.ok(check)
  return check
}

function keysOf(service: RunningService): ReadinessCheck | undefined {
  return service.endpoint.probe().find(({ part }) => part === 'keys')
}

suite('readiness names our keys', () => {
  test('when nats-server expects another issuer', async () => {
    await using server = await startNatsServer({ config: calloutConfig({ issuer: theirs.key.publicKey }) })
    await using service = await startService({ url: server.url, issuer: ours.key, handler: () => {} })
    const { ready, why } = await keysAfterOneClient(service, server.url)
    assert.equal(ready, false)
    assert.match(why ?? '', /meant for an issuer whose seed we do not hold/)
  })

  test('when nats-server seals for another xkey', async () => {
    const config = calloutConfig({ issuer: ours.key.publicKey, xkey: anXKey().key.publicKey })
    await using server = await startNatsServer({ config })
    await using service = await startService({
      url: server.url,
      issuer: ours.key,
      xkeys: [anXKey().key],
      handler: () => {},
    })
    const { ready, why } = await keysAfterOneClient(service, server.url)
    assert.equal(ready, false)
    assert.match(why ?? '', /none of our xkeys opens the seal/)
  })

  test('as ready again with the first genuine request', async () => {
    await using server = await startNatsServer({ config: calloutConfig({ issuer: ours.key.publicKey }) })
    const handler: ScriptedHandler = (_, respond, allow) => void respond(allow())
    await using service = await startService({ url: server.url, issuer: ours.key, handler })
    const intruder = await connectClient(server.url, { user: 'intruder', pass: 'pw' })
    intruder.publish('garbage', 'xkv1, sealed for somebody', { reply: 'nowhere' })
    await until('the keys are in doubt', () => keysOf(service)?.ready === false)
    await (await connectClient(server.url)).close()
    assert.equal(keysOf(service)?.ready, true)
    await intruder.close()
  })
})
