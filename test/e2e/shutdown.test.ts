import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { startLocalStack, type LocalStack } from '../../src/dev/stack.ts'
import { seeded, unaudited, watchConnections } from '../support/audited-connections.ts'
import { isAdmitted } from '../support/clients.ts'
import { inMs, until } from '../support/spanner.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

let stack: LocalStack
let token: string

before(async () => {
  stack = await startLocalStack()
  token = await stack.provider.clientCredentials('orders-service')
})
after(() => stack?.[Symbol.asyncDispose]())

/** Keeps `lanes` clients connecting one after the other until told to stop; counts what became of them. */
function steadyConnects(lanes: number): { stop(): Promise<{ admitted: number; refused: number }> } {
  const stopping = new AbortController()
  let admitted = 0
  let refused = 0
  const lane = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      if (await isAdmitted(stack, { token }).catch(() => false)) admitted += 1
      else refused += 1
    }
  }
  const running = Promise.all(Array.from({ length: lanes }, lane))
  return {
    async stop() {
      stopping.abort()
      await running
      return { admitted, refused }
    },
  }
}

suite('SIGTERM', () => {
  test('under load loses no request, answers what is in flight and exits 0', async () => {
    const other = await stack.startService()
    const load = steadyConnects(8)
    await until('connects are under way', 5000, async () => (await rows()) > 40)
    other.process.signal('SIGTERM')
    const { code } = await other.process.exited
    const seen = await rows()
    await until('the other member goes on', 5000, async () => (await rows()) > seen + 20)
    const { admitted, refused } = await load.stop()
    assert.equal(code, 0)
    assert.equal(refused, 0, `${admitted} admitted; refused by us: ${JSON.stringify(await denials())}`)
    assert.match(other.process.log(), /"event":"stopped"/)
  })

  test('that comes twice, as Ctrl-C does under npm, is one: the service drains and exits 0', async () => {
    const other = await stack.startService()
    // With Spanner frozen the end takes long enough for the second signal to find the service at it.
    stack.emulator.signal('SIGSTOP')
    other.process.signal('SIGINT')
    await until('it is stopping', 5000, async () => other.process.log().includes('"event":"stopping"'))
    other.process.signal('SIGINT')
    const { code, signal } = await other.process.exited
    stack.emulator.signal('SIGCONT')
    await until('the first member serves again', 10_000, () => isAdmitted(stack, { token }))
    assert.deepEqual([code, signal], [0, null])
  })

  test('during the start ends the start', async () => {
    stack.emulator.signal('SIGSTOP')
    const service = await stack.startService(['schema', 'nats', 'subscription'])
    service.process.signal('SIGTERM')
    assert.equal((await service.process.exited).code, 0)
    stack.emulator.signal('SIGCONT')
    await until('the first member serves again', 10_000, () => isAdmitted(stack, { token }))
  })
})

suite(`kill -9 at any instant (SEED=${SEED})`, () => {
  test('leaves no connection without a durable ALLOW row', async () => {
    const random = seeded(SEED)
    await using watch = await watchConnections(stack)
    const load = steadyConnects(8)
    for (let round = 0; round < 4; round += 1) {
      const victim = await stack.startService()
      const waitUntil = watch.connected.size + 5 + Math.floor(random() * 40)
      await until('clients connect', 10_000, async () => watch.connected.size >= waitUntil)
      victim.process.signal('SIGKILL')
      await victim.process.exited
    }
    await load.stop()
    await watch.flush()
    assert.ok(watch.connected.size > 20, `${watch.connected.size} connections seen`)
    assert.deepEqual(await unaudited(watch, stack.database), [])
  })
})

async function rows(): Promise<number> {
  const [row] = await stack.database.query('SELECT COUNT(*) FROM Decisions', {}, inMs(10_000))
  return Number(row?.[0]?.stringValue)
}

async function denials(): Promise<unknown> {
  const found = await stack.database.query(
    "SELECT Reason, ReasonDetail FROM Decisions WHERE Outcome = 'DENY'",
    {},
    inMs(10_000),
  )
  return found.map((row) => row.map((value) => value.stringValue))
}
