import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { startLocalStack } from '../../src/dev/stack.ts'
import { judged, metric, notReady } from '../support/clients.ts'

/** A short memory, so that the test need not wait for a long one. */
const CACHE = '100ms'

function withIntrospection(yaml: string): string {
  const introspection = `{ client_id: reporting, client_secret_file: client.secret, cache: ${CACHE}, negative_cache: 0s }`
  return yaml
    .replace('algorithms: [RS256]', `algorithms: [RS256]\n    introspection: ${introspection}`)
    .replace('identity: {', 'identity: { subject: { first_of: [[sub], [client_id]] },')
}

suite('with introspection', () => {
  test('a client with an opaque token gets in, until the token is revoked', async () => {
    await using stack = await startLocalStack({ editConfig: withIntrospection })
    const { provider, service } = stack
    assert.deepEqual(await notReady(service), [])
    const token = await provider.clientCredentials('orders-service', { opaque: true })
    const before = await judged(stack, { token })
    assert.equal(before.admitted, true)
    assert.deepEqual(
      before.rows.map((row) => [row.outcome, row.principal]),
      [['ALLOW', 'client:local:orders-service']],
    )

    await provider.revoke('orders-service', token)
    let after = await judged(stack, { token })
    const giveUpMs = performance.now() + 5000
    while (after.admitted && performance.now() < giveUpMs) after = await judged(stack, { token })
    assert.deepEqual(
      after.rows.map((row) => [row.outcome, row.reason]),
      [['DENY', 'token_inactive']],
    )
    assert.ok((await metric(service, 'nats_callout_introspections_total{issuer="local",result="active"}')) >= 1)
    assert.ok(!service.process.log().includes(token) && !service.process.log().includes(provider.clientSecret))

    await provider.stop()
    const gone = await judged(stack, { token: 'an-opaque-token-that-nobody-can-be-asked-about' })
    assert.deepEqual(
      gone.rows.map((row) => [row.outcome, row.reason]),
      [['DENY', 'issuer_unavailable']],
    )
  })
})
