import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { after, before, suite, test } from 'node:test'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { startLocalStack, type LocalStack } from '../../src/dev/stack.ts'
import { isAdmitted, metric } from '../support/clients.ts'
import { connectHerd } from '../support/herd.ts'
import { until } from '../support/spanner.ts'

const HERD = 500
const AT_ONCE = 25
/** Four seconds on a machine with little else to do: a client waits two to four before it tries again. */
const BACK_WITHIN_MS = 60_000
/** With default settings a client that was disconnected while it connected waits out 20 s: four such waves. */
const DEFAULT_HERD = 200
const WAVES_WITHIN_MS = 90_000
const KNOWN_WITHIN_MS = 15_000
const ADVISED = { ignoreAuthErrorAbort: true, maxReconnectAttempts: -1, reconnectJitter: 2000 }

let stack: LocalStack
let token: string

before(async () => {
  stack = await startLocalStack({
    editConfig: (yaml) => yaml.replace(/^nats: \{/m, '$& system: { user: sys, password_file: secrets/sys.password },'),
  })
  token = await stack.provider.clientCredentials('orders-service')
})
after(() => stack?.[Symbol.asyncDispose]())

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
    const herd: NatsConnection[] = []
    context.after(() => Promise.all(herd.map((client) => client.close())))
    const join = (): Promise<NatsConnection> =>
      connect({ servers: stack.nats.url, token, ...ADVISED, waitOnFirstConnect: true })
    while (herd.length < HERD) herd.push(...(await Promise.all(Array.from({ length: AT_ONCE }, join))))
    await until('the clients of before are gone', BACK_WITHIN_MS, async () => (await admittedSince(0)) === HERD)
    const reloadMs = Date.now()
    stack.nats.signal('SIGHUP')
    await until('every client is back', BACK_WITHIN_MS, async () => (await admittedSince(reloadMs)) === HERD)
    context.diagnostic(`all back after ${Date.now() - reloadMs} ms`)
    assert.equal(herd.filter((client) => client.isClosed()).length, 0)
  })
})

suite(
  `a reload of nats-server, which disconnects all of ${DEFAULT_HERD} clients with the default settings of nats.js,`,
  () => {
    test('brings every one back, and none is closed for good', async (context) => {
      const herd = await connectHerd(DEFAULT_HERD, { port: stack.nats.port, token })
      context.after(() => herd.close())
      const { counts, failures } = herd
      const disconnectedBefore = await metric(stack.service, 'nats_callout_refusals_total{way="disconnect"}')
      const reloadMs = Date.now()
      stack.nats.signal('SIGHUP')
      await until('every client is disconnected or lost', WAVES_WITHIN_MS, () =>
        Promise.resolve(counts.connected < DEFAULT_HERD),
      )
      await until('every client is back or lost', WAVES_WITHIN_MS, () =>
        Promise.resolve(counts.connected + counts.closedForGood === DEFAULT_HERD),
      )
      const disconnected =
        (await metric(stack.service, 'nats_callout_refusals_total{way="disconnect"}')) - disconnectedBefore
      context.diagnostic(`back after ${Date.now() - reloadMs} ms, ${disconnected} KICKs; failed: ${failures.join()}`)
      assert.equal(counts.closedForGood, 0)
    })
  },
)

test('a reload of nats-server that misspells the queue group puts the service out, and the right one lets it in again', async () => {
  const { nats, service } = stack
  const right = await readFile(nats.configFile, 'utf8')
  const isReady = async (): Promise<boolean> => (await fetch(`${service.httpUrl}/readyz`)).ok
  const isMember = async (): Promise<boolean> => (await metric(service, 'nats_callout_group_member')) === 1
  const isInGroup = async (): Promise<boolean> => (await isReady()) && (await isMember())
  await until('the service is in the group', KNOWN_WITHIN_MS, isInGroup)

  await writeFile(nats.configFile, right.replace('"$SYS.REQ.USER.AUTH callout"', '"$SYS.REQ.USER.AUTH calout"'))
  nats.signal('SIGHUP')
  const isOut = async (): Promise<boolean> => !(await isReady()) && !(await isMember())
  await until('the service says that it is out', KNOWN_WITHIN_MS, isOut)

  await writeFile(nats.configFile, right)
  nats.signal('SIGHUP')
  await until('the service is in the group again', KNOWN_WITHIN_MS, isInGroup)
  assert.equal(await isAdmitted(stack, { token }), true)
})
