import { randomUUID } from 'node:crypto'
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { systemClock } from '../../../src/service/clock.ts'
import type { PolicyAdmin, PolicyReader } from '../../../src/service/ports.ts'
import { createPolicyAdmin } from '../../../src/spanner/policy-admin.ts'
import { createPolicyReader } from '../../../src/spanner/policy-store.ts'
import { aNewGrant } from '../../contract/stored-rows.ts'
import { NOW_MS } from '../../support/builders.ts'
import { createTestDatabase, inMs, startOwnEmulator } from '../../support/spanner.ts'
import type { TestDatabase } from '../../support/spanner.ts'
import { adding, removing } from '../../../src/service/policy-edit.ts'

let emulator: SpannerEmulator
let connection: TestDatabase
let admin: PolicyAdmin
let reader: PolicyReader

before(async () => {
  emulator = await startOwnEmulator()
  connection = await createTestDatabase(emulator.host)
  admin = createPolicyAdmin({ database: connection.database, clock: systemClock, newId: randomUUID })
  reader = createPolicyReader(connection.database)
})

beforeEach(async () => {
  const tables = ['Grants', 'RoleBindings', 'Locks', 'Roles', 'PolicyEdits']
  const empty = tables.map((table) => ({ delete: { table, keySet: { all: true } } }))
  await connection.database.commit(empty, { repeatable: true }, inMs(5000))
})

after(async () => {
  await connection[Symbol.asyncDispose]()
  await emulator.stop()
})

async function sql(statement: string): Promise<void> {
  await connection.database.transact((transaction) => transaction.query(statement, {}), inMs(5000))
}

test('an admin can add a grant with plain SQL', async () => {
  await sql(`INSERT INTO Grants (Principal, Account, Effect, Action, Subject, Reason, CreatedBy, CreatedAt)
    VALUES ('group:corp:ops', 'APP', 'ALLOW', 'PUBLISH', 'ops.>', 'on call', 'ann', PENDING_COMMIT_TIMESTAMP())`)
  const { grants } = await reader.read(['group:corp:ops'], inMs(5000))
  assert.deepEqual(
    grants.map(({ id: _id, ...rest }) => rest),
    [{ principal: 'group:corp:ops', account: 'APP', effect: 'allow', action: 'publish', subject: 'ops.>' }],
  )
})

test('a window finer than a millisecond is narrowed, never widened', async () => {
  await admin.edit(adding('grant', aNewGrant()))
  await admin.edit(adding('lock', { id: 'l', target: 'user:corp:alice', reason: 'r', createdBy: 'ann' }))
  const from = '2023-11-14T22:13:20.000000001Z'
  const until = '2023-11-14T22:13:20.001999999Z'
  await sql(`UPDATE Grants SET ValidFrom = '${from}', ValidUntil = '${until}' WHERE TRUE`)
  await sql(`UPDATE Locks SET ExpiresAt = '${from}' WHERE TRUE`)
  const { grants, locks } = await reader.read(['user:corp:alice'], inMs(5000))
  assert.deepEqual(
    [grants[0]?.validFromMs, grants[0]?.validUntilMs, locks[0]?.expiresAtMs],
    [NOW_MS + 1, NOW_MS + 1, NOW_MS + 1],
  )
})

test('the ends of time are read as what they are', async () => {
  await admin.edit(adding('grant', aNewGrant()))
  await sql(
    `UPDATE Grants SET ValidFrom = '0001-01-01T00:00:00Z', ValidUntil = '9999-12-31T23:59:59.999999Z' WHERE TRUE`,
  )
  const [grant] = (await reader.read(['user:corp:alice'], inMs(5000))).grants
  assert.deepEqual([grant?.validFromMs, grant?.validUntilMs], [-62_135_596_800_000, 253_402_300_799_999])
})

test('each edit leaves a record of who, when and why, at the time of what it wrote', async () => {
  await admin.edit(adding('grant', aNewGrant()))
  const [stored] = await admin.listGrants({}, 1)
  assert.ok(stored)
  await admin.edit({
    ...removing('grant', { actor: 'bob', reason: 'left', source: 'plan' }, stored),
    approvedBy: 'cid',
  })
  const rows = await connection.database.query(
    `SELECT Source, Actor, ApprovedBy, Reason, EditedAt FROM PolicyEdits ORDER BY EditedAt`,
    {},
    inMs(5000),
  )
  const [added, taken] = rows.map((row) => row.map((value) => value.stringValue))
  assert.deepEqual(added, ['command', 'ann', undefined, 'ticket OPS-1', stored.createdAt])
  assert.deepEqual(taken?.slice(0, 4), ['plan', 'bob', 'cid', 'left'])
})

test('grants, locks and bindings are of one moment, while they are being changed', async () => {
  await admin.edit(adding('grant', aNewGrant({ principal: 'role:reader' })))
  const stop = new AbortController()
  const change = async (): Promise<void> => {
    const statements = [
      `INSERT INTO RoleBindings (Member, Role, Reason, CreatedBy, CreatedAt)
         VALUES ('user:corp:alice', 'role:reader', 'r', 'ann', PENDING_COMMIT_TIMESTAMP())`,
      `DELETE FROM RoleBindings WHERE TRUE`,
      `DELETE FROM Locks WHERE TRUE`,
      `INSERT INTO Locks (Target, LockId, Reason, CreatedBy, CreatedAt)
         VALUES ('user:corp:alice', 'l', 'r', 'ann', PENDING_COMMIT_TIMESTAMP())`,
    ]
    const edit = (chosen: readonly string[]): Promise<void> =>
      connection.database.transact(async (transaction) => {
        for (const statement of chosen) await transaction.query(statement, {})
      }, inMs(5000))
    const [bind = '', unbind = '', unlock = '', lock = ''] = statements
    await edit([lock])
    while (!stop.signal.aborted) {
      await edit([unlock, bind])
      await edit([unbind, lock])
    }
  }
  const changing = change()
  try {
    for (let round = 0; round < 100; round++) {
      const { bindings, locks, grants } = await reader.read(['user:corp:alice'], inMs(5000))
      assert.ok(bindings.length + locks.length <= 1, 'bound and locked at once')
      assert.equal(grants.length, bindings.length)
    }
  } finally {
    stop.abort()
    await changing
  }
})

test('more rows than a decision can hold are an error, not a part of them', async () => {
  const bounded = createPolicyReader(connection.database, 3)
  await admin.edit(adding('grant', ...['g1', 'g2', 'g3'].map((id) => aNewGrant({ id }))))
  assert.equal((await bounded.read(['user:corp:alice'], inMs(5000))).grants.length, 3)
  await admin.edit(adding('grant', aNewGrant({ id: 'g4' })))
  await assert.rejects(bounded.read(['user:corp:alice'], inMs(5000)), { code: 'ERR_STORE_REFUSED' })
})

test('the reason of a refusal holds nothing of the row', async () => {
  const grant = aNewGrant({ principal: 'user:corp:s3cret-name', subject: 'a..b' })
  await assert.rejects(admin.edit(adding('grant', grant)), {
    message: 'commit: the database refused the row: constraint CK_Grants_Subject',
  })
})

test('a text that is not Unicode is refused, not stored as another', async () => {
  await assert.rejects(admin.edit(adding('grant', aNewGrant({ reason: 'because \ud800' }))), {
    code: 'ERR_STORE_REFUSED',
  })
})
