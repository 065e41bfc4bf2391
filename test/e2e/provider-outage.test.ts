import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { startLocalStack } from '../../src/dev/stack.ts'
import { isAdmitted, judged, notReady } from '../support/clients.ts'

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
