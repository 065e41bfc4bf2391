import assert from 'node:assert/strict'
import { after, afterEach, beforeEach, test } from 'node:test'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { systemClock } from '../../../src/service/clock.ts'
import { upsertion } from '../../../src/spanner/mutation.ts'
import { createPolicyReader } from '../../../src/spanner/policy-store.ts'
import { COMMIT_TIMESTAMP, stringValue, timestampValue } from '../../../src/spanner/values.ts'
import { aDeny, anEntry, anId } from '../../contract/stored-rows.ts'
import {
  createTestDatabase,
  inMs,
  openDatabase,
  recreateDatabase,
  startOwnEmulator,
  until,
  openDecisionLog,
} from '../../support/spanner.ts'
import type { TestDatabase } from '../../support/spanner.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'
import type { TcpProxy } from '../../support/tcp-proxy.ts'

const DEADLINE_MS = 400
/** Two cores shared with other work; what a broken bound costs is seconds. */
const SLACK_MS = 300
const RECOVERY_MS = 2000

let emulator: SpannerEmulator
let proxy: TcpProxy
let connection: TestDatabase
const emulators: SpannerEmulator[] = []

beforeEach(async () => {
  emulator = await startOwnEmulator()
  emulators.push(emulator)
  proxy = await startTcpProxy(emulator.host)
  const direct = await createTestDatabase(emulator.host)
  await direct[Symbol.asyncDispose]()
  connection = openDatabase(proxy.host, direct.name)
  await Promise.all(operations(connection).map(([, run]) => run(inMs(5000))))
})

afterEach(async () => {
  emulator.signal('SIGCONT')
  await connection[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
  await emulator.stop()
})

after(async () => {
  for (const started of emulators) await started.stop()
})

type Run = (deadlineMs: number) => Promise<unknown>

function operations({ database }: TestDatabase): readonly (readonly [string, Run])[] {
  const row = [stringValue('i'), timestampValue(0), COMMIT_TIMESTAMP, stringValue('1')]
  const heartbeat = upsertion('Instances', ['InstanceId', 'StartedAt', 'SeenAt', 'Version'], [row])
  const own = { table: 'Instances', columns: ['InstanceId'], prefixes: [[stringValue('i')]], limit: 1 }
  return [
    ['read', (deadlineMs) => database.read(own, 'strong', deadlineMs)],
    ['commit', (deadlineMs) => database.commit([heartbeat], { repeatable: true }, deadlineMs)],
    ['query', (deadlineMs) => database.query('SELECT 1', {}, deadlineMs)],
    ['transaction', (deadlineMs) => database.transact((open) => open.query('SELECT 1', {}), deadlineMs)],
  ]
}

async function assertBounded(run: Run): Promise<void> {
  const startedMs = performance.now()
  await assert.rejects(run(inMs(DEADLINE_MS)), { code: 'ERR_STORE_UNAVAILABLE' })
  const tookMs = performance.now() - startedMs
  assert.ok(tookMs < DEADLINE_MS + SLACK_MS, `took ${tookMs.toFixed(0)} ms`)
}

async function assertAllBounded(): Promise<void> {
  const cpu = process.cpuUsage()
  const startedMs = performance.now()
  for (const [, run] of operations(connection)) await assertBounded(run)
  const { user, system } = process.cpuUsage(cpu)
  const busy = (user + system) / 1000 / (performance.now() - startedMs)
  assert.ok(busy < 0.5, `kept a core ${(busy * 100).toFixed(0)} % busy while waiting`)
}

async function assertRecovers(): Promise<void> {
  const [, run] = operations(connection)[0] ?? assert.fail()
  const works = async (): Promise<boolean> => {
    try {
      await run(inMs(DEADLINE_MS))
      return true
    } catch {
      return false
    }
  }
  await until('the store recovers', RECOVERY_MS, works)
  for (const [, again] of operations(connection)) await again(inMs(5000))
}

test('a frozen server: every operation ends at its deadline, and works again when the server does', async () => {
  emulator.signal('SIGSTOP')
  await assertAllBounded()
  emulator.signal('SIGCONT')
  await assertRecovers()
})

test('a killed server: every operation ends at its deadline, and works again when it is back with its database', async () => {
  emulator.signal('SIGKILL')
  await assertAllBounded()
  await emulator.restart()
  await recreateDatabase(emulator.host, connection.name)
  await assertRecovers()
})

test('a server that loses its sessions only costs a call a new session', async () => {
  await emulator.restart()
  await recreateDatabase(emulator.host, connection.name)
  for (const [, run] of operations(connection)) await run(inMs(5000))
})

test('a connection that died in silence is replaced', async () => {
  proxy.silenceConnections()
  const [, read] = operations(connection)[0] ?? assert.fail()
  await assertBounded(read)
  await assertRecovers()
  assert.equal(proxy.connections(), 2)
})

test('a black hole: every operation ends at its deadline, and works again when the path is back', async () => {
  proxy.silenceEverything()
  await assertAllBounded()
  await assertAllBounded()
  proxy.restore()
  await assertRecovers()
})

test('a slow server: a call with a short deadline ends there, one with a long deadline succeeds', async () => {
  proxy.setDelay(DEADLINE_MS * 0.6)
  for (const [name, run] of operations(connection)) {
    if (name === 'read' || name === 'commit') await assertBounded(run)
  }
  for (const [, run] of operations(connection)) await run(inMs(10_000))
})

test('a first call to a server that is not there ends at its deadline, and a later one works', async () => {
  emulator.signal('SIGKILL')
  await using cold = openDatabase(proxy.host, connection.name)
  const [, read] = operations(cold)[0] ?? assert.fail()
  await assertBounded(read)
  await emulator.restart()
  await recreateDatabase(emulator.host, connection.name)
  await read(inMs(RECOVERY_MS))
})

test('many calls on a frozen server end at their deadline together', async () => {
  emulator.signal('SIGSTOP')
  const [, read] = operations(connection)[0] ?? assert.fail()
  const calls = Array.from({ length: 200 }, () => assertBounded(read))
  await Promise.all(calls)
})

test('a call whose deadline has passed fails without being made', async () => {
  for (const [, run] of operations(connection)) {
    await assert.rejects(run(inMs(-1)), { code: 'ERR_STORE_UNAVAILABLE' })
  }
})

test('the ports report an outage under their own codes', async () => {
  emulator.signal('SIGSTOP')
  const { database } = connection
  await assert.rejects(createPolicyReader(database).read(['user:corp:alice'], inMs(DEADLINE_MS)), {
    code: 'ERR_GRANTS_UNAVAILABLE',
  })
  await assert.rejects(openDecisionLog(database).append([anEntry(aDeny())], inMs(DEADLINE_MS)), {
    code: 'ERR_AUDIT_UNAVAILABLE',
  })
})

test('an outage and its end are reported once each for an operation', async () => {
  emulator.signal('SIGSTOP')
  const [, read] = operations(connection)[0] ?? assert.fail()
  await assertBounded(read)
  emulator.signal('SIGCONT')
  await read(inMs(5000))
  await read(inMs(5000))
  const { faults, recoveries } = connection.events
  assert.deepEqual(
    [faults.map(({ operation, code }) => `${operation} ${code}`), recoveries],
    [['read ERR_STORE_UNAVAILABLE'], ['read']],
  )
})

test('a commit that the server took before it froze is recognised when it is tried again', async () => {
  const log = openDecisionLog(connection.database)
  const entries = [anEntry(aDeny({ id: anId('a1') })), anEntry(aDeny({ id: anId('a2') }))]
  await log.append(entries, inMs(5000))
  emulator.signal('SIGSTOP')
  await assert.rejects(log.append(entries, inMs(DEADLINE_MS)), { code: 'ERR_AUDIT_UNAVAILABLE' })
  emulator.signal('SIGCONT')
  await log.append(entries, inMs(5000))
  const [row] = await connection.database.query('SELECT COUNT(*) FROM Decisions', {}, inMs(5000))
  assert.equal(row?.[0]?.stringValue, '2')
})

test('closing during an outage ends soon', async () => {
  emulator.signal('SIGSTOP')
  const startedMs = systemClock.monotonicMs()
  await connection[Symbol.asyncDispose]()
  assert.ok(systemClock.monotonicMs() - startedMs < 1000)
})
