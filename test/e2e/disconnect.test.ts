import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { startLocalStack, type LocalStack } from '../../src/dev/stack.ts'
import { decisionsOf, isAdmitted, metric } from '../support/clients.ts'
import { until } from '../support/spanner.ts'

const NAME = 'outlives-an-outage'
const RECOVERED_WITHIN_MS = 30_000

let stack: LocalStack
let token: string

before(async () => {
  stack = await startLocalStack({
    editConfig: (yaml) =>
      yaml.replace(
        'password_file: secrets/auth.password',
        '$&, system: { user: sys, password_file: secrets/sys.password }',
      ),
  })
  token = await stack.provider.clientCredentials('orders-service')
})
after(() => stack?.[Symbol.asyncDispose]())

/** With the defaults of the library, but for its patience with a server that says nothing, which is 20 s. */
function connectDefaultClient(): Promise<NatsConnection> {
  return connect({ servers: stack.nats.url, token, name: NAME, timeout: 2500, reconnectTimeWait: 100 })
}

suite('with a user of the system account', () => {
  test('a default client outlives an outage of Spanner in which it is refused three times', async () => {
    await until('the service is connected to the system account', 5000, async () => {
      return (await metric(stack.service, 'nats_callout_system_connected')) === 1
    })
    const disconnects = (): Promise<number> => metric(stack.service, 'nats_callout_refusals_total{way="disconnect"}')
    await using client = await connectDefaultClient()
    stack.emulator.signal('SIGSTOP')
    try {
      await client.reconnect()
      await until('it is refused three times', RECOVERED_WITHIN_MS, async () => (await disconnects()) >= 3)
    } finally {
      stack.emulator.signal('SIGCONT')
    }
    await until('it is back', RECOVERED_WITHIN_MS, () =>
      client.flush().then(
        () => true,
        () => false,
      ),
    )
    assert.equal(client.isClosed(), false)
  })

  test('a client is refused on the merits as ever', async () => {
    const name = 'refused-on-the-merits'
    assert.equal(await isAdmitted(stack, { token: 'not.a.token', name }), false)
    assert.equal((await decisionsOf(stack, name))[0]?.reason, 'token_malformed')
  })
})

test('an address that presents bad tokens again and again is refused early, and let in with a good one after a while', async () => {
  await using other = await startLocalStack()
  const service = await other.startService()
  const tooMany = (): Promise<number> =>
    metric(service, 'nats_callout_decisions_total{outcome="deny",reason="too_many_failures"}')
  await until('it is refused early', RECOVERED_WITHIN_MS, async () => {
    await Promise.all(Array.from({ length: 20 }, () => isAdmitted(other, { token: 'not.a.token' })))
    return (await tooMany()) > 0
  })
  await service.process.stop()
  const good = await other.provider.clientCredentials('orders-service')
  await until('a good token is let in', RECOVERED_WITHIN_MS, () => isAdmitted(other, { token: good }))
})
