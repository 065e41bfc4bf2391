import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { systemClock } from '../../../src/service/clock.ts'
import { StoreHealth } from '../../../src/spanner/health.ts'
import { createTestDatabase, inMs, openDatabase, startOwnEmulator, until } from '../../support/spanner.ts'
import type { TestDatabase } from '../../support/spanner.ts'

let emulator: SpannerEmulator
let connection: TestDatabase

before(async () => {
  emulator = await startOwnEmulator()
  connection = await createTestDatabase(emulator.host)
})

afterEach(() => emulator.signal('SIGCONT'))
after(async () => {
  await connection[Symbol.asyncDispose]()
  await emulator.stop()
})

function startHealth(): StoreHealth {
  const { database } = connection
  return new StoreHealth({ database, clock: systemClock, instanceId: 'instance-1', version: '0.1.0' })
}

function isReady(health: StoreHealth): boolean {
  return health.probe().every(({ ready }) => ready)
}

test('says that nothing is ready before it was tried', async () => {
  await using health = startHealth()
  assert.deepEqual(health.probe(), [
    { part: 'store_read', ready: false, why: 'not tried yet' },
    { part: 'store_write', ready: false, why: 'not tried yet' },
  ])
})

test('follows the store down and up again, and says why', async () => {
  await using health = startHealth()
  await until('ready', 5000, async () => isReady(health))
  emulator.signal('SIGSTOP')
  await until('not ready', 10_000, async () => health.probe().every(({ ready }) => !ready))
  assert.match(health.probe()[1]?.why ?? '', /no answer from Spanner before the deadline/)
  emulator.signal('SIGCONT')
  await until('ready again', 10_000, async () => isReady(health))
})

test('keeps a row that shows which instance runs', async () => {
  await using health = startHealth()
  await until('ready', 5000, async () => isReady(health))
  const sql = 'SELECT InstanceId, Version FROM Instances WHERE SeenAt >= StartedAt'
  const rows = await connection.database.query(sql, {}, inMs(5000))
  assert.deepEqual(
    rows.map((row) => row.map((value) => value.stringValue)),
    [['instance-1', '0.1.0']],
  )
})

test('calls nobody but the emulator: no metadata server, no monitoring', async () => {
  const sockets: Socket[] = []
  const seen = (message: unknown): void => void sockets.push((message as { socket: Socket }).socket)
  subscribe('net.client.socket', seen)
  await using fresh = openDatabase(emulator.host, connection.name)
  await fresh.database.query('SELECT 1', {}, inMs(5000))
  unsubscribe('net.client.socket', seen)
  assert.deepEqual(
    sockets.map(({ remoteAddress, remotePort }) => `${remoteAddress}:${remotePort}`),
    [emulator.host],
  )
})
