import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { startLocalStack, type LocalStack } from '../../src/dev/stack.ts'
import { until } from '../support/spanner.ts'

const HERD = 500
const AT_ONCE = 25
/** Four seconds on a machine with little else to do: a client waits two to four before it tries again. */
const BACK_WITHIN_MS = 60_000
const ADVISED = { ignoreAuthErrorAbort: true, maxReconnectAttempts: -1, reconnectJitter: 2000, timeout: 3000 }

let stack: LocalStack
const herd: NatsConnection[] = []

before(async () => {
  stack = await startLocalStack({
    editConfig: (yaml) => yaml.replace(/^nats: \{/m, '$& system: { user: sys, password_file: secrets/sys.password },'),
  })
  const token = await stack.provider.clientCredentials('orders-service')
  const join = (): Promise<NatsConnection> =>
    connect({ servers: stack.nats.url, token, ...ADVISED, waitOnFirstConnect: true })
  while (herd.length < HERD) herd.push(...(await Promise.all(Array.from({ length: AT_ONCE }, join))))
})
after(async () => {
  await Promise.all(herd.map((client) => client.close()))
  await stack?.[Symbol.asyncDispose]()
})

/** Clients that nats-server has admitted, by the time of their connection. */
async function admittedSince(sinceMs: number): Promise<number> {
  const answer = await fetch(`${stack.nats.monitorUrl}/connz?auth=true&limit=${2 * HERD}`)
  const { connections } = (await answer.json()) as {
    connections: readonly { authorized_user?: string; start: string }[]
  }
  const clients = connections.filter(({ authorized_user: user }) => user === 'client:local:orders-service')
  return clients.filter(({ start }) => Date.parse(start) >= sinceMs).length
}

suite(`a reload of nats-server, which disconnects all of ${HERD} clients with the settings of the README,`, () => {
  test('brings every one back, and none is closed for good', async (context) => {
    assert.equal(await admittedSince(0), HERD)
    const reloadMs = Date.now()
    stack.nats.signal('SIGHUP')
    await until('every client is back', BACK_WITHIN_MS, async () => (await admittedSince(reloadMs)) === HERD)
    context.diagnostic(`all back after ${Date.now() - reloadMs} ms`)
    assert.equal(herd.filter((client) => client.isClosed()).length, 0)
  })
})
