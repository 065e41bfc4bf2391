import assert from 'node:assert/strict'
import { after, afterEach, before, suite, test } from 'node:test'
import { startLocalStack, type LocalStack, type RunningService } from '../../src/dev/stack.ts'
import { DECISIONS } from '../../src/spanner/schema.ts'
import { unaudited, watchConnections } from '../support/audited-connections.ts'
import { isAdmitted, metric } from '../support/clients.ts'
import { startRefusingProxy, type RefusingProxy } from '../support/refusing-proxy.ts'
import { inMs, until } from '../support/spanner.ts'

let stack: LocalStack
let proxy: RefusingProxy
let service: RunningService
let token: string

before(async () => {
  stack = await startLocalStack({
    editConfig: (yaml) => `${yaml}\naudit: { on_unavailable: spool, spool: { folder: spool } }\n`,
    spannerFor: async (emulatorHost) => {
      proxy = await startRefusingProxy(emulatorHost, DECISIONS)
      return proxy.host
    },
  })
  service = stack.service
  token = await stack.provider.clientCredentials('orders-service')
  assert.equal(await isAdmitted(stack, { token }), true)
})
afterEach(() => {
  proxy.isRefusing = false
})
after(async () => {
  await stack?.[Symbol.asyncDispose]()
  await proxy?.[Symbol.asyncDispose]()
})

const spooled = (): Promise<number> => metric(service, 'nats_callout_audit_spool_rows')

async function count(where: string): Promise<number> {
  const [row] = await stack.database.query(`SELECT COUNT(*) FROM Decisions WHERE ${where}`, {}, inMs(10_000))
  return Number(row?.[0]?.stringValue)
}

suite('while Spanner takes no row of the audit', () => {
  test('clients get in, with their rows on the disk, and the rows are in Spanner when it takes them again', async () => {
    const before = await count("Outcome = 'ALLOW'")
    proxy.isRefusing = true
    for (let client = 0; client < 10; client += 1) assert.equal(await isAdmitted(stack, { token }), true)
    assert.equal(await count("Outcome = 'ALLOW'"), before)
    assert.equal(await spooled(), 10)
    proxy.isRefusing = false
    await until('the spool is empty', 10_000, async () => (await spooled()) === 0)
    assert.equal(await count("Outcome = 'ALLOW'"), before + 10)
    assert.equal(await count('Spooled'), 10)
    assert.equal(await isAdmitted(stack, { token }), true)
    assert.equal(await count("Outcome = 'ALLOW' AND Spooled IS NULL"), before + 1)
  })

  test('kill -9 loses no row of a client that got in, and the next process brings them before it serves', async () => {
    await using watch = await watchConnections(stack)
    for (let round = 0; round < 3; round += 1) {
      proxy.isRefusing = true
      const [stopping, wanted] = [new AbortController(), watch.connected.size + 10 + round * 7]
      const lanes = Array.from({ length: 4 }, async () => {
        while (!stopping.signal.aborted) await isAdmitted(stack, { token }).catch(() => false)
      })
      await until('clients connect', 20_000, async () => watch.connected.size >= wanted)
      service.process.signal('SIGKILL')
      await service.process.exited
      stopping.abort()
      await Promise.all(lanes)
      await watch.flush()
      proxy.isRefusing = false
      service = await stack.startService()
      assert.deepEqual(await unaudited(watch, stack.database), [])
    }
    assert.ok((await count('Spooled')) > 20)
  })
})
