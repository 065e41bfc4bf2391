import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { freePort } from '../../src/dev/free-port.ts'
import { startLocalStack } from '../../src/dev/stack.ts'
import { isAdmitted, judged, notReady } from '../support/clients.ts'
import { steadyConnects } from '../support/steady-connects.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'

suite('while the identity provider is gone', () => {
  test('known keys go on verifying', async () => {
    await using stack = await startLocalStack()
    const token = await stack.provider.clientCredentials('orders-service')
    assert.equal(await isAdmitted(stack, { token }), true)
    await stack.provider.stop()
    assert.equal(await isAdmitted(stack, { token }), true)
  })

  test('a service that starts without it says so, and never calls a token bad', async () => {
    await using stack = await startLocalStack()
    const token = await stack.provider.clientCredentials('orders-service')
    await stack.provider.stop()
    const lonely = await stack.startService(['issuer:local'])
    await stack.service.process.stop()
    assert.match((await notReady(lonely)).join(), /issuer:local/)
    const { admitted, rows } = await judged(stack, { token })
    assert.equal(admitted, false)
    assert.deepEqual(
      rows.map((row) => row.reason),
      ['issuer_unavailable'],
    )
  })
})

test('a member takes no request before it has the keys of a slow provider', async () => {
  const port = await freePort()
  await using proxy = await startTcpProxy(`127.0.0.1:${port}`)
  await using stack = await startLocalStack({
    provider: { port },
    editConfig: (yaml) => yaml.replace('keys: { discovery: {} }', `keys: { jwks_uri: 'http://${proxy.host}/jwks' }`),
  })
  const token = await stack.provider.clientCredentials('orders-service')
  assert.equal(await isAdmitted(stack, { token }), true)
  // There and back is more than a request may wait for keys, less than the start of a member.
  proxy.setDelay(400)
  const load = steadyConnects([stack.nats.url], { token }, 4)
  await stack.startService()
  await load.stop()
  assert.ok(load.admitted > 0)
  assert.equal(load.refused, 0)
})
