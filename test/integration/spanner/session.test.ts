import { randomUUID } from 'node:crypto'
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { grpc } from 'google-gax'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { systemClock } from '../../../src/service/clock.ts'
import { SpannerDatabase } from '../../../src/spanner/database.ts'
import { MIGRATIONS } from '../../../src/spanner/migrations.ts'
import { createPolicyAdmin } from '../../../src/spanner/policy-admin.ts'
import { createPolicyReader } from '../../../src/spanner/policy-store.ts'
import { anEntry, aNewGrant } from '../../contract/stored-rows.ts'
import { startGrpcProxy } from '../../support/grpc-proxy.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'
import { startMultiplexingProxy } from '../../support/multiplexing-proxy.ts'
import { createTestDatabase, inMs, openDatabase, startOwnEmulator, openDecisionLog } from '../../support/spanner.ts'
import type { TestDatabase } from '../../support/spanner.ts'
import { removeGrant } from '../../support/policy.ts'
import { adding } from '../../../src/service/policy-edit.ts'

let emulator: SpannerEmulator

before(async () => {
  emulator = await startOwnEmulator()
})

after(async () => {
  await emulator.stop()
})

/** Everything that the service and an admin do, on a fresh database. */
async function useEverything({ database }: TestDatabase): Promise<void> {
  const admin = createPolicyAdmin({ database, clock: systemClock, newId: randomUUID })
  await admin.edit(adding('grant', aNewGrant()))
  const { grants } = await createPolicyReader(database).read(['user:corp:alice'], inMs(5000))
  assert.equal(grants.length, 1)
  await openDecisionLog(database).append([anEntry()], inMs(5000))
  await removeGrant(admin, 'g1')
}

test('everything works over one multiplexed session, precommit tokens included', async () => {
  const direct = await createTestDatabase(emulator.host)
  await direct[Symbol.asyncDispose]()
  await using proxy = await startMultiplexingProxy(emulator.host)
  await using connection = openDatabase(proxy.host, direct.name)
  await useEverything(connection)
  assert.equal(proxy.calls.filter((name) => name === 'createSession').length, 1)
  assert.equal(proxy.calls.filter((name) => name === 'commit').length, 4)
  assert.ok(!proxy.calls.includes('deleteSession'))
})

test('everything works with a server that knows no multiplexed sessions', async () => {
  await using connection = await createTestDatabase(emulator.host)
  await useEverything(connection)
})

test('many first calls share one session', async () => {
  const direct = await createTestDatabase(emulator.host)
  await direct[Symbol.asyncDispose]()
  await using proxy = await startMultiplexingProxy(emulator.host)
  await using connection = openDatabase(proxy.host, direct.name)
  const { database } = connection
  await Promise.all(Array.from({ length: 20 }, () => database.query('SELECT 1', {}, inMs(5000))))
  assert.equal(proxy.calls.filter((name) => name === 'createSession').length, 1)
})

test('transactions at the same time do not end one another on a plain session', async () => {
  await using connection = await createTestDatabase(emulator.host)
  const { database } = connection
  const admin = createPolicyAdmin({ database, clock: systemClock, newId: randomUUID })
  const ids = Array.from({ length: 8 }, (_, index) => `g${index}`)
  await admin.edit(adding('grant', ...ids.map((id) => aNewGrant({ id }))))
  await Promise.all(ids.map((id) => removeGrant(admin, id)))
  assert.deepEqual(await admin.listGrants({}, 10), [])
})

test('what the work of a transaction throws is passed on, and nothing of it is applied', async () => {
  await using connection = await createTestDatabase(emulator.host)
  const { database } = connection
  const work = database.transact(async (transaction) => {
    await transaction.query('SELECT 1', {})
    transaction.buffer({ delete: { table: 'SchemaMigrations', keySet: { all: true } } })
    throw new TypeError('changed my mind')
  }, inMs(5000))
  await assert.rejects(work, new TypeError('changed my mind'))
  const [row] = await database.query('SELECT COUNT(*) FROM SchemaMigrations', {}, inMs(5000))
  assert.equal(row?.[0]?.stringValue, String(MIGRATIONS.length))
})

test('a closed connection refuses calls at once', async () => {
  const connection = await createTestDatabase(emulator.host)
  await connection[Symbol.asyncDispose]()
  // Whoever waited for this deadline would outlast the test.
  await assert.rejects(connection.database.query('SELECT 1', {}, inMs(600_000)), { code: 'ERR_STORE_UNAVAILABLE' })
})

for (const [what, method, details] of [
  [
    'a role that the account may not take',
    'createSession',
    'Caller is missing IAM permission spanner.databaseRoles.use',
  ],
  ['a role that lacks a privilege', 'executeSql', 'Role callout_service does not have required privileges'],
] as const) {
  test(`${what} is told by its name`, async () => {
    const code = grpc.status.PERMISSION_DENIED
    const denied = Object.assign(new Error('no'), { code, details, metadata: new grpc.Metadata() })
    await using proxy = await startGrpcProxy(emulator.host, (name) => (name === method ? denied : undefined))
    await using connection = await createTestDatabase(emulator.host)
    const events = new RecordedEvents()
    const options = {
      database: connection.name,
      role: 'callout_service',
      emulatorHost: proxy.host,
      clock: systemClock,
      events,
    }
    await using database = new SpannerDatabase(options)
    await assert.rejects(database.query('SELECT 1', {}, inMs(5000)), {
      code: 'ERR_STORE_FORBIDDEN',
      message: new RegExp(`: ${details} \\(the database role is callout_service; `),
    })
    assert.deepEqual(
      events.faults.map(({ code: fault }) => fault),
      ['ERR_STORE_FORBIDDEN'],
    )
  })
}
