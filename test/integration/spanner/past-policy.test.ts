import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import type { Policy } from '../../../src/core/grant.ts'
import type { PolicyChange, PolicyRow } from '../../../src/core/policy-row.ts'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { systemClock as clock } from '../../../src/service/clock.ts'
import { readPastPolicy, type PastRows } from '../../../src/service/past-policy.ts'
import { createPastRows } from '../../../src/spanner/past-rows.ts'
import { createPolicyReader } from '../../../src/spanner/policy-store.ts'
import { aNewGrant } from '../../contract/stored-rows.ts'
import { policyTables, startHistoryWriter } from '../../support/history.ts'
import type { PolicyTables, TestMember } from '../../support/history.ts'
import { createTestDatabase, inMs, startOwnEmulator, until } from '../../support/spanner.ts'
import type { TestDatabase } from '../../support/spanner.ts'

const ORIGIN = { reason: 'r', createdBy: 'ann' }
let emulator: SpannerEmulator
let connection: TestDatabase
let member: TestMember
let tables: PolicyTables
let past: PastRows

before(async () => {
  emulator = await startOwnEmulator()
})
beforeEach(async () => {
  connection = await createTestDatabase(emulator.host)
  tables = policyTables(connection)
  member = startHistoryWriter(emulator.host, connection.name)
  past = createPastRows({ database: connection.database, clock })
})
afterEach(async () => {
  await member[Symbol.asyncDispose]()
  await connection[Symbol.asyncDispose]()
})
after(() => emulator.stop())

/** A store that keeps nothing but the rows of the end of the history. */
function forgetful(): PastRows {
  return { ...past, policyAt: async () => undefined }
}

async function edit(...rows: readonly PolicyRow[]): Promise<void> {
  const changes = rows.map(({ kind, row }) => ({ kind, after: row }) as PolicyChange)
  await tables.admin.edit({ source: 'command', actor: 'ann', reason: 'r', changes })
}

/** The time of a strong read. */
async function nowInStore(): Promise<string> {
  return (await createPolicyReader(connection.database).read([], inMs(5000))).readTimestamp
}

async function recordedUntil(time: string): Promise<void> {
  await until(`everything until ${time} is recorded`, 10_000, async () => {
    const { recordedUntil: reached } = await tables.history.reach()
    return Date.parse(reached) > Date.parse(time)
  })
}

function comparable({ grants, bindings, locks, roles }: Policy) {
  const sorted = (rows: readonly object[]): string[] => rows.map((row) => JSON.stringify(row)).sort()
  return [grants, bindings, locks, roles].map(sorted)
}

const KEYS = ['user:corp:alice', 'group:corp:ops', 'issuer:corp', 'everyone', 'address', 'account:APP']

test('the history folded back is what Spanner keeps of every moment, whatever was done', async () => {
  const moments: string[] = []
  const done = async (...statements: readonly string[]): Promise<void> => {
    await tables.sql(...statements)
    moments.push(await nowInStore())
  }
  moments.push(await nowInStore())
  await edit(
    { kind: 'grant', row: aNewGrant({ id: 'own', subject: 'a.{{subject}}', validUntilMs: Date.parse('2099-01-01') }) },
    { kind: 'grant', row: aNewGrant({ id: 'of-role', principal: 'role:reader', subject: 'b' }) },
    { kind: 'role', row: { role: 'role:reader', sessionMaxMs: 60_000, ...ORIGIN } },
    { kind: 'binding', row: { member: 'group:corp:ops', role: 'role:reader', ...ORIGIN } },
    { kind: 'lock', row: { id: 'l1', target: 'address', sourceCidr: '10.0.0.0/8', message: 'm', ...ORIGIN } },
    { kind: 'grant', row: aNewGrant({ id: 'other', principal: 'user:corp:bob' }) },
  )
  moments.push(await nowInStore())
  await done(`UPDATE Grants SET Subject = 'c', SourceCidrs = ['10.0.0.0/8'] WHERE GrantId = 'own'`)
  await done(
    `UPDATE Grants SET Subject = 'd' WHERE GrantId = 'own'`,
    `UPDATE Grants SET Subject = 'e' WHERE GrantId = 'own'`,
    `DELETE FROM Locks WHERE LockId = 'l1'`,
  )
  await done(`DELETE FROM RoleBindings WHERE Role = 'role:reader'`)
  await done(`DELETE FROM Grants WHERE GrantId = 'of-role'`, `UPDATE Roles SET SessionMaxSeconds = 5 WHERE TRUE`)
  await done(`DELETE FROM Grants WHERE TRUE`)
  await recordedUntil(await nowInStore())

  for (const moment of moments) {
    const kept = await readPastPolicy(KEYS, moment, past)
    const folded = await readPastPolicy(KEYS, moment, forgetful())
    assert.ok('policy' in kept && 'policy' in folded, JSON.stringify([kept, folded]))
    assert.deepEqual([kept.source, folded.source], ['snapshot', 'history'])
    assert.deepEqual(comparable(folded.policy), comparable(kept.policy), moment)
  }
  const [first, second] = moments
  const at = async (moment = '') => (await readPastPolicy(KEYS, moment, forgetful())) as { policy: Policy }
  assert.equal((await at(first)).policy.grants.length, 0)
  assert.deepEqual((await at(second)).policy.grants.map(({ id }) => id).sort(), ['of-role', 'own'])
})

test('a moment before the history began is unknown, and it says since when it is known', async () => {
  const unknown = await readPastPolicy(KEYS, '2020-01-01T00:00:00Z', past)
  assert.ok('unknown' in unknown)
  assert.equal(unknown.unknown.why, 'before_history')
  assert.ok(Math.abs(Date.parse(unknown.unknown.detail) - clock.nowMs()) < 60_000)
})

test('a moment after the end of the history is unknown', async () => {
  await member[Symbol.asyncDispose]()
  const moment = await nowInStore()
  const unknown = await readPastPolicy(KEYS, moment, forgetful())
  assert.ok('unknown' in unknown)
  assert.equal(unknown.unknown.why, 'not_recorded')
})

test('a moment before the end of a gap is unknown, and one after it is not', async () => {
  const before = await nowInStore()
  await recordedUntil(before)
  const gapEnd = await nowInStore()
  await tables.sql(`INSERT INTO PolicyHistory (TableName, EntityKey, CommittedAt, TransactionId, RecordSequence, ModIndex,
    Change, Principal, EntityId, Source) VALUES ('', '[]', '${gapEnd}', 'x', '0', 0, 'GAP', '', '', 'history')`)
  const later = await nowInStore()
  await recordedUntil(later)
  const unknown = await readPastPolicy(KEYS, before, forgetful())
  assert.deepEqual(unknown, { unknown: { why: 'gap', detail: gapEnd } })
  assert.ok('policy' in (await readPastPolicy(KEYS, later, forgetful())))
})

test('a history that does not lead to the rows is not believed', async () => {
  const before = await nowInStore()
  await edit({ kind: 'grant', row: aNewGrant({ id: 'own' }) })
  await recordedUntil(await nowInStore())
  const forged = { Principal: 'user:corp:alice', GrantId: 'own', Account: 'APP', Effect: 'ALLOW', Action: 'PUBLISH' }
  const row = JSON.stringify({ ...forged, Subject: 'forged' })
  await tables.sql(`UPDATE PolicyHistory SET AfterRow = JSON '${row}' WHERE EntityId = 'own'`)
  const unknown = await readPastPolicy(KEYS, before, forgetful())
  assert.deepEqual(unknown, { unknown: { why: 'inconsistent', detail: 'grant user:corp:alice own' } })
})

test('a row of the history that holds nonsense is an error, and is not repaired', async () => {
  const before = await nowInStore()
  await edit({ kind: 'grant', row: aNewGrant({ id: 'own' }) })
  await recordedUntil(await nowInStore())
  for (const row of ['{}', '[]', '"x"', '{"Principal":7}', '{"Principal":{"a":1}}']) {
    await tables.sql(`UPDATE PolicyHistory SET AfterRow = JSON '${row}' WHERE EntityId = 'own'`)
    await assert.rejects(readPastPolicy(KEYS, before, forgetful()), { code: 'ERR_STORE_REFUSED' }, row)
  }
  await tables.sql(`DELETE FROM PolicyHistory WHERE TRUE`)
  for (const key of ['no json', '{}', '[7]', '"x"']) {
    await tables.sql(`INSERT INTO PolicyHistory (TableName, EntityKey, CommittedAt, TransactionId, RecordSequence, ModIndex, Change,
      Principal, EntityId, Source, AfterRow) VALUES ('Grants', '${key}', TIMESTAMP_ADD('${before}', INTERVAL 1 MICROSECOND), 'x', '0', 0,
      'ADDED', 'user:corp:alice', 'x', 'sql', JSON '{}')`)
    await assert.rejects(readPastPolicy(KEYS, before, forgetful()), { code: 'ERR_STORE_REFUSED' }, key)
    await assert.rejects(tables.history.list({}, 10), { code: 'ERR_STORE_REFUSED' }, key)
    await tables.sql(`DELETE FROM PolicyHistory WHERE TRUE`)
  }
})
