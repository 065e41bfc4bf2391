import assert from 'node:assert/strict'
import { after, afterEach, before, suite, test } from 'node:test'
import { grpc } from 'google-gax'
import { startLocalStack, type LocalStack, type RunningService } from '../../src/dev/stack.ts'
import { DECISIONS } from '../../src/spanner/schema.ts'
import { unaudited, watchConnections } from '../support/audited-connections.ts'
import { isAdmitted, metric, notReady } from '../support/clients.ts'
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
  proxy.status = grpc.status.UNAVAILABLE
})
after(async () => {
  await stack?.[Symbol.asyncDispose]()
  await proxy?.[Symbol.asyncDispose]()
})

const spooled = (): Promise<number> => metric(service, 'nats_callout_audit_spool_rows')

const refusals = (): Promise<number> =>
  metric(service, 'nats_callout_decisions_total{outcome="deny",reason="audit_unavailable"}')

async function count(where: string): Promise<number> {
  const [row] = await stack.database.query(`SELECT COUNT(*) FROM Decisions WHERE ${where}`, {}, inMs(10_000))
  return Number(row?.[0]?.stringValue)
}

suite('while Spanner takes no row of the audit', () => {
  test('clients get in, with their rows on the disk, and the rows are in Spanner when it takes them again', async () => {
    const [before, spooledBefore] = [await count("Outcome = 'ALLOW'"), await count('Spooled')]
    const directBefore = before - spooledBefore
    proxy.isRefusing = true
    for (let client = 0; client < 10; client += 1) assert.equal(await isAdmitted(stack, { token }), true)
    assert.equal(await count("Outcome = 'ALLOW'"), before)
    assert.equal(await spooled(), 10)
    proxy.isRefusing = false
    await until('the spool is empty', 10_000, async () => (await spooled()) === 0)
    assert.equal(await count("Outcome = 'ALLOW'"), before + 10)
    assert.equal(await count('Spooled'), spooledBefore + 10)
    assert.equal(await isAdmitted(stack, { token }), true)
    assert.equal(await count("Outcome = 'ALLOW' AND Spooled IS NULL"), directBefore + 1)
  })

  test('nobody gets in whose row is forbidden, and it is not kept on the disk', async () => {
    proxy.status = grpc.status.PERMISSION_DENIED
    proxy.isRefusing = true
    const refusedBefore = await refusals()
    assert.equal(await isAdmitted(stack, { token }), false)
    assert.equal((await refusals()) - refusedBefore, 1)
    assert.equal(await spooled(), 0)
    assert.match(service.process.log(), /"code":"ERR_STORE_FORBIDDEN"[^\n]*a privilege is missing in Spanner/)
    proxy.isRefusing = false
    await until('clients get in again', 10_000, () => isAdmitted(stack, { token }))
  })

  for (const [what, status] of [
    ['forbidden', grpc.status.PERMISSION_DENIED],
    ['refused', grpc.status.FAILED_PRECONDITION],
  ] as const) {
    test(`nobody gets in any more once the rows on the disk turn out to be ${what}`, async () => {
      proxy.isRefusing = true
      assert.equal(await isAdmitted(stack, { token }), true)
      proxy.status = status
      await until('readiness says so', 10_000, async () =>
        (await notReady(service)).join().includes('audit_spool: 1 row of the audit on the disk'),
      )
      assert.equal(await isAdmitted(stack, { token }), false)
      assert.equal(await spooled(), 1)
      proxy.isRefusing = false
      await until('the spool is empty', 10_000, async () => (await spooled()) === 0)
      assert.equal(await isAdmitted(stack, { token }), true)
    })
  }

  test('a service that starts says how many rows of the one before wait, and serves when they are in Spanner', async () => {
    proxy.isRefusing = true
    for (let client = 0; client < 3; client += 1) assert.equal(await isAdmitted(stack, { token }), true)
    service.process.signal('SIGKILL')
    await service.process.exited
    service = await stack.startService(['audit_spool', 'nats', 'subscription'])
    await until('the rows were tried', 10_000, async () => (await notReady(service)).join().includes('status 14'))
    assert.match(
      (await notReady(service)).join('\n'),
      /^\[-\] audit_spool: 3 rows of the audit on the disk wait for the database: /m,
    )
    proxy.isRefusing = false
    await until('it serves', 10_000, async () => (await notReady(service)).length === 0)
    assert.equal(await isAdmitted(stack, { token }), true)
  })

  test('kill -9 loses no row of a client that got in, and the next process brings them before it serves', async () => {
    await using watch = await watchConnections(stack)
    const spooledBefore = await count('Spooled')
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
    assert.ok((await count('Spooled')) > spooledBefore + 20)
  })
})
