import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import type { HistoryEntry } from '../../../src/service/history.ts'
import { entriesOf, insertGrantSql, policyTables, startHistoryWriter } from '../../support/history.ts'
import type { PolicyTables, TestMember } from '../../support/history.ts'
import { createTestDatabase, startOwnEmulator, until } from '../../support/spanner.ts'
import type { TestDatabase } from '../../support/spanner.ts'
import { callout as runCallout, type CommandResult } from '../../unit/cli/recorded-io.ts'
import { configWith } from '../../unit/config/config-text.ts'

let emulator: SpannerEmulator
let connection: TestDatabase
let member: TestMember
let tables: PolicyTables
let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'callout-history-'))
  emulator = await startOwnEmulator()
  connection = await createTestDatabase(emulator.host)
  tables = policyTables(connection)
  member = startHistoryWriter(emulator.host, connection.name)
  const store = { 'store.url': `spanner://${connection.name}` }
  await writeFile(join(dir, 'callout.yaml'), configWith(store))
  await writeFile(join(dir, 'two.yaml'), configWith({ ...store, grants: { approval: 'two_persons' } }))
})
after(async () => {
  await member?.[Symbol.asyncDispose]()
  await connection?.[Symbol.asyncDispose]()
  await emulator?.stop()
  await rm(dir, { recursive: true, force: true })
})

function callout(...argv: string[]): Promise<CommandResult> {
  return runCallout(argv, { CALLOUT_CONFIG: join(dir, 'callout.yaml'), SPANNER_EMULATOR_HOST: emulator.host })
}

const WHY = ['--reason', 'mistake', '--actor', 'eve']

/** A grant that a command added, with the entry that it made. */
async function added(subject: string): Promise<HistoryEntry & { readonly id: string }> {
  const argv = ['--principal', 'user:corp:alice', '--account', 'APP', '--publish', subject, '--reason', 'T-1']
  const { stdout, stderr } = await callout('grants', 'add', ...argv, '--actor', 'ann', '--output', 'json')
  assert.doesNotMatch(stderr, /refused/)
  const [{ id = '' } = {}] = JSON.parse(stdout) as { id?: string }[]
  const [entry] = await entriesOf(tables.history, id, 1)
  assert.ok(entry !== undefined)
  return { ...entry, id }
}

test('history shows who changed what and why, newest first, and how far it reaches', async () => {
  const { id } = await added('a.one')
  await callout('grants', 'remove', id, ...WHY)
  await entriesOf(tables.history, id, 2)
  const { exitCode, stdout, stderr } = await callout('history', '--grant', id, '--output', 'json')
  assert.equal(exitCode, 0, stderr)
  const entries = JSON.parse(stdout) as HistoryEntry[]
  assert.deepEqual(
    entries.map(({ change, actor, reason }) => [change, actor, reason]),
    [
      ['removed', 'eve', 'mistake'],
      ['added', 'ann', 'T-1'],
    ],
  )
  assert.match(stderr, /^callout: every change until \d{4}-.*Z is recorded \(\d+\.\d s ago\)\n$/)
})

test('history of a principal, of a role and of a time holds nothing else', async () => {
  const { committedAt } = await added('a.two')
  const role = { role: 'role:ops', reason: 'r', createdBy: 'ann' }
  await tables.admin.edit({ source: 'command', actor: 'ann', reason: 'r', changes: [{ kind: 'role', after: role }] })
  await tables.sql(insertGrantSql('last'))
  await entriesOf(tables.history, 'last', 1)
  const of = async (...argv: string[]) =>
    JSON.parse((await callout('history', ...argv, '--output', 'json')).stdout) as HistoryEntry[]
  const kindsOfRole = (await of('--role', 'ops')).map(({ kind }) => kind)
  assert.deepEqual(kindsOfRole, ['role'])
  assert.ok((await of('--principal', 'user:corp:alice')).every(({ principal }) => principal === 'user:corp:alice'))
  assert.equal(
    (await of('--until', committedAt)).some((entry) => entry.committedAt >= committedAt),
    false,
  )
  assert.equal((await of('--since=-1h', '--limit', '1'))[0]?.key[1], 'last')
})

test('blame says of each row of a principal who wrote it last, and what it was before', async () => {
  await tables.sql(insertGrantSql('blamed', 'a.b'))
  await tables.sql(`UPDATE Grants SET Subject = 'c.d' WHERE GrantId = 'blamed'`)
  await entriesOf(tables.history, 'blamed', 2)
  const { exitCode, stdout, stderr } = await callout('blame', 'user:corp:alice')
  assert.equal(exitCode, 0, stderr)
  assert.match(stdout, /^grant +user:corp:alice blamed .* bob +sql +by hand +Subject: a\.b → c\.d$/m)
})

test('revert takes back what a command did, and its own edit can be reverted too', async () => {
  const { id, editId = '' } = await added('a.three')
  const reverted = await callout('revert', editId, ...WHY)
  assert.equal(reverted.exitCode, 0, reverted.stderr)
  assert.match(reverted.stdout, /^remove +grant +user:corp:alice /m)
  assert.equal(await tables.admin.findGrant(id), undefined)
  const [entry] = await entriesOf(tables.history, id, 2)
  assert.deepEqual([entry?.source, entry?.actor], ['revert', 'eve'])
  const again = await callout('revert', entry?.editId ?? '', ...WHY)
  assert.equal(again.exitCode, 0, again.stderr)
  assert.equal((await tables.admin.findGrant(id))?.subject, 'a.three')
})

test('revert takes back a transaction of plain SQL', async () => {
  await tables.sql(insertGrantSql('by-sql', 'a.b'))
  await tables.sql(`UPDATE Grants SET Subject = '>' WHERE GrantId = 'by-sql'`)
  const [entry] = await entriesOf(tables.history, 'by-sql', 2)
  const { exitCode, stderr } = await callout('revert', '--transaction', entry?.transactionId ?? '', ...WHY)
  assert.equal(exitCode, 0, stderr)
  const grant = await tables.admin.findGrant('by-sql')
  assert.deepEqual([grant?.subject, grant?.createdBy], ['a.b', 'eve'])
})

test('revert refuses when a row was changed since, says which, and changes nothing', async () => {
  const { id, editId = '' } = await added('a.four')
  await tables.sql(`UPDATE Grants SET Subject = 'a.five' WHERE GrantId = '${id}'`)
  const { exitCode, stdout, stderr } = await callout('revert', editId, ...WHY)
  assert.equal(exitCode, 3)
  assert.equal(stdout, '')
  assert.match(stderr, new RegExp(`the grant user:corp:alice ${id} was changed by ann since\n`))
  assert.equal((await tables.admin.findGrant(id))?.subject, 'a.five')
})

test('revert with --dry-run shows what it would do and does nothing', async () => {
  const { id, editId = '' } = await added('a.six')
  const { exitCode, stdout } = await callout('revert', editId, ...WHY, '--dry-run')
  assert.equal(exitCode, 0)
  assert.match(stdout, /^remove +grant /m)
  assert.ok((await tables.admin.findGrant(id)) !== undefined)
})

test('revert of an edit that is not there exits with 3, and of none with 2', async () => {
  const unknown = await callout('revert', 'nothing', ...WHY)
  assert.deepEqual([unknown.exitCode, unknown.stderr], [3, 'callout: the history has no such edit\n'])
  const none = await callout('revert', ...WHY)
  assert.equal(none.exitCode, 2)
})

test('revert changes nothing on the word of one person where two are asked for, and says what to do', async () => {
  const { id, editId = '' } = await added('a.seven')
  const { exitCode, stdout, stderr } = await callout('revert', editId, ...WHY, '--config', join(dir, 'two.yaml'))
  assert.deepEqual([exitCode, stdout], [1, ''])
  assert.match(stderr, /somebody else has to approve this .*"callout grants propose"/)
  assert.ok((await tables.admin.findGrant(id)) !== undefined)
})

test('revert brings back a lock on the word of one person, as one may add a lock, and takes none away', async () => {
  const lock = { id: 'l1', target: 'user:corp:mallory', reason: 'INC-7', createdBy: 'ann' }
  const author = { source: 'command', actor: 'ann', reason: 'INC-7' } as const
  await tables.admin.edit({ ...author, changes: [{ kind: 'lock', after: lock }] })
  const stored = await tables.admin.findLock('l1')
  assert.ok(stored)
  await tables.admin.edit({ ...author, changes: [{ kind: 'lock', before: stored }] })
  const [removal, addition] = await lockEntries(2)
  const two = ['--config', join(dir, 'two.yaml')]
  const back = await callout('revert', removal?.editId ?? '', ...WHY, ...two)
  assert.equal(back.exitCode, 0, back.stderr)
  assert.equal((await tables.admin.findLock('l1'))?.createdBy, 'eve')
  const [again] = await lockEntries(3)
  assert.equal((await callout('revert', again?.editId ?? '', ...WHY, ...two)).exitCode, 1)
  assert.equal((await callout('revert', addition?.editId ?? '', ...WHY, ...two)).exitCode, 3)
  assert.ok(await tables.admin.findLock('l1'))
})

/** The entries of the lock on mallory once there are so many, newest first. */
async function lockEntries(count: number): Promise<readonly HistoryEntry[]> {
  let entries: readonly HistoryEntry[] = []
  await until(`the lock has ${count} entries`, 5000, async () => {
    entries = await tables.history.list({ principal: 'user:corp:mallory' }, 10)
    return entries.length >= count
  })
  return entries
}
