import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { adding, removing } from '../../../src/service/policy-edit.ts'
import { aNewGrant } from '../../contract/stored-rows.ts'
import { entriesOf, grantOf, insertGrantSql, policyTables, startHistoryWriter } from '../../support/history.ts'
import type { PolicyTables, TestMember } from '../../support/history.ts'
import { createTestDatabase, startOwnEmulator, until } from '../../support/spanner.ts'
import type { TestDatabase } from '../../support/spanner.ts'

let emulator: SpannerEmulator
let connection: TestDatabase
let member: TestMember
let tables: PolicyTables

before(async () => {
  emulator = await startOwnEmulator()
  connection = await createTestDatabase(emulator.host)
  tables = policyTables(connection)
  member = startHistoryWriter(emulator.host, connection.name)
})
after(async () => {
  await member?.[Symbol.asyncDispose]()
  await connection?.[Symbol.asyncDispose]()
  await emulator?.stop()
})

const AUTHOR = { actor: 'ann', reason: 'ticket 7' }

test('an edit of a command is recorded with its actor, approver, reason and source', async () => {
  const edit = { source: 'plan' as const, ...AUTHOR, approvedBy: 'eve' }
  await tables.admin.edit({ ...edit, changes: [grantOf('by-command')] })
  const [entry] = await entriesOf(tables.history, 'by-command', 1)
  const { change, source, actor, approvedBy, reason, before: old, editId } = entry ?? {}
  assert.deepEqual(
    { change, source, actor, approvedBy, reason, old, hasEdit: editId !== undefined },
    { change: 'added', ...edit, old: undefined, hasEdit: true },
  )
})

test('a row that a command removed is there as it was, with who removed it', async () => {
  await tables.admin.edit(adding('grant', aNewGrant({ id: 'removed' })))
  const grant = await tables.admin.findGrant('removed')
  assert.ok(grant !== undefined)
  await tables.admin.edit(removing('grant', { actor: 'eve', reason: 'left' }, grant))
  const [entry] = await entriesOf(tables.history, 'removed', 2)
  assert.equal(entry?.change, 'removed')
  assert.deepEqual([entry.actor, entry.reason, entry.source], ['eve', 'left', 'command'])
  assert.equal(entry.before?.['Subject'], grant.subject)
})

test('a row inserted with plain SQL is recorded as such, with what it claims of its author', async () => {
  await tables.sql(insertGrantSql('inserted'))
  const [entry] = await entriesOf(tables.history, 'inserted', 1)
  const { change, source, actor, reason, editId } = entry ?? {}
  assert.deepEqual(
    { change, source, actor, reason, editId },
    { change: 'added', source: 'sql', actor: 'bob', reason: 'by hand', editId: undefined },
  )
})

test('a row updated with plain SQL is recorded with all its columns before and after', async () => {
  await tables.sql(insertGrantSql('updated', 'a.b'))
  await tables.sql(`UPDATE Grants SET Subject = 'c.d' WHERE GrantId = 'updated'`)
  const [entry] = await entriesOf(tables.history, 'updated', 2)
  assert.equal(entry?.change, 'changed')
  assert.deepEqual([entry.before?.['Subject'], entry.after?.['Subject']], ['a.b', 'c.d'])
  assert.deepEqual([entry.before?.['Account'], entry.after?.['Account']], ['APP', 'APP'])
})

test('a row deleted with plain SQL has nobody who did it, and not its own author either', async () => {
  await tables.sql(insertGrantSql('deleted'))
  await tables.sql(`DELETE FROM Grants WHERE GrantId = 'deleted'`)
  const [entry] = await entriesOf(tables.history, 'deleted', 2)
  const { change, source, actor, reason } = entry ?? {}
  assert.deepEqual(
    { change, source, actor, reason },
    { change: 'removed', source: 'sql', actor: undefined, reason: undefined },
  )
})

test('a statement that writes what is there is no change', async () => {
  await tables.sql(insertGrantSql('same', 'a.b'))
  await tables.sql(`UPDATE Grants SET Subject = 'a.b' WHERE GrantId = 'same'`)
  await tables.sql(`UPDATE Grants SET Subject = 'a.c' WHERE GrantId = 'same'`)
  const entries = await entriesOf(tables.history, 'same', 2)
  assert.deepEqual(
    entries.map(({ change }) => change),
    ['changed', 'added'],
  )
})

test('rows of all kinds that one edit changed are recorded under its id', async () => {
  const changes = [
    grantOf('together'),
    { kind: 'role' as const, after: { role: 'role:reader', ...origin() } },
    { kind: 'binding' as const, after: { member: 'group:corp:ops', role: 'role:reader', ...origin() } },
    { kind: 'lock' as const, after: { id: 'lock-1', target: 'user:corp:bob', ...origin() } },
  ]
  await tables.admin.edit({ source: 'command', ...AUTHOR, changes })
  const [entry] = await entriesOf(tables.history, 'together', 1)
  const together = await tables.history.changesOf({ editId: entry?.editId ?? '' })
  assert.deepEqual(new Set(together.map(({ kind }) => kind)), new Set(['binding', 'grant', 'lock', 'role']))
  assert.equal(together.length, 4)
  assert.deepEqual(await tables.history.changesOf({ transactionId: entry?.transactionId ?? '' }), together)
})

function origin() {
  return { reason: 'ticket 7', createdBy: 'ann' }
}

test('what is changed is in the history within a second', async (t) => {
  const latencies: number[] = []
  for (let index = 0; index < 20; index++) {
    await tables.sql(insertGrantSql(`soon-${index}`))
    const startedMs = performance.now()
    await entriesOf(tables.history, `soon-${index}`, 1)
    latencies.push(performance.now() - startedMs)
  }
  latencies.sort((a, b) => a - b)
  const [median = Infinity] = latencies.slice(10)
  t.diagnostic(`p50 ${median.toFixed(0)} ms, max ${latencies.at(-1)?.toFixed(0)} ms`)
  // Changes that waited for a heartbeat would take a second each, since each is made when the one before has come.
  assert.ok(median < 1000)
})

test('the history knows how far it reaches while nothing happens', async () => {
  const { recordedUntil } = await tables.history.reach()
  await until('it reaches further', 8000, async () => (await tables.history.reach()).recordedUntil > recordedUntil)
  assert.deepEqual(member.events.historyFailures, [])
})
