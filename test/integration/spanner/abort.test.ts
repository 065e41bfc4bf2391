import { randomUUID } from 'node:crypto'
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { systemClock } from '../../../src/service/clock.ts'
import { createPolicyAdmin } from '../../../src/spanner/policy-admin.ts'
import { aDeny, anEntry, anId, aNewGrant } from '../../contract/stored-rows.ts'
import { createTestDatabase, inMs, startOwnEmulator, openDecisionLog } from '../../support/spanner.ts'
import type { TestDatabase } from '../../support/spanner.ts'
import { removeGrant } from '../../support/policy.ts'
import { adding } from '../../../src/service/policy-edit.ts'

let emulator: SpannerEmulator
let connection: TestDatabase

before(async () => {
  emulator = await startOwnEmulator({ faultInjection: true })
  connection = await createTestDatabase(emulator.host)
})

after(async () => {
  await connection[Symbol.asyncDispose]()
  await emulator.stop()
})

test('aborted commits lose no decision and store none twice', async () => {
  const log = openDecisionLog(connection.database)
  const count = 400
  const ids = Array.from({ length: count }, (_, index) => anId(index.toString(16)))
  const next = ids.values()
  const worker = async (): Promise<void> => {
    for (const id of next) await log.append([anEntry(aDeny({ id }))], inMs(10_000))
  }
  await Promise.all(Array.from({ length: 8 }, worker))
  const [row] = await connection.database.query('SELECT COUNT(*) FROM Decisions', {}, inMs(10_000))
  assert.equal(row?.[0]?.stringValue, String(count))
})

test('aborted edits are all applied, each with its record', async () => {
  const { database } = connection
  const admin = createPolicyAdmin({ database, clock: systemClock, newId: randomUUID })
  for (let index = 0; index < 40; index++) await admin.edit(adding('grant', aNewGrant({ id: `g${index}` })))
  for (let index = 0; index < 40; index++) await removeGrant(admin, `g${index}`)
  const sql = 'SELECT COUNTIF(Actor = "ann"), COUNTIF(Actor = "bob") FROM PolicyEdits'
  const [row] = await database.query(sql, {}, inMs(10_000))
  assert.deepEqual(
    row?.map((value) => value.stringValue),
    ['40', '40'],
  )
})
