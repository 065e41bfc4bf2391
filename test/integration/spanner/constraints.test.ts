import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { problemOfLockTarget } from '../../../src/core/locks.ts'
import { parsePrincipal } from '../../../src/core/principal.ts'
import { parseSubjectPattern, problemOfQueue } from '../../../src/core/subject.ts'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { insertion } from '../../../src/spanner/mutation.ts'
import {
  COMMIT_TIMESTAMP,
  int64Value,
  RowReader,
  stringsValue,
  stringValue,
  timestampValue,
} from '../../../src/spanner/values.ts'
import type { Value } from '../../../src/spanner/values.ts'
import { NOW_MS } from '../../support/builders.ts'
import { createTestDatabase, inMs, startOwnEmulator } from '../../support/spanner.ts'
import type { TestDatabase } from '../../support/spanner.ts'

let emulator: SpannerEmulator
let connection: TestDatabase

before(async () => {
  emulator = await startOwnEmulator()
  connection = await createTestDatabase(emulator.host)
})

after(async () => {
  await connection[Symbol.asyncDispose]()
  await emulator.stop()
})

type Cells = Readonly<Record<string, Value>>

const s = (text: string): Value => stringValue(text)
const at = (ms: number): Value => timestampValue(ms)
const NONE: Value = { nullValue: 'NULL_VALUE' }
const LIST: Value = { listValue: { values: [] } }
const list = (...texts: readonly string[]): Value => stringsValue(texts)

const ORIGIN = { Reason: s('r'), CreatedBy: s('ann'), CreatedAt: COMMIT_TIMESTAMP }
const NOTES = { Scope: s('team-a.b_c'), Labels: list('env=prod') }
const GRANT: Cells = {
  Principal: s('user:corp:alice'),
  GrantId: s('g'),
  Account: s('APP'),
  Effect: s('ALLOW'),
  Action: s('SUBSCRIBE'),
  Subject: s('orders.>'),
  QueueGroup: s('workers'),
  ValidFrom: at(NOW_MS),
  ValidUntil: at(NOW_MS + 1),
  ConnectionTypes: list('STANDARD', 'WEBSOCKET', 'LEAFNODE', 'MQTT'),
  SourceCidrs: list('0.0.0.0/0', '255.249.199.99/32', '2001:db8::/32', '::FFFF:10.0.0.0/128'),
  Tls: s('MUTUAL'),
  ResponseMax: int64Value(1),
  ResponseTtlMs: int64Value(1000),
  ...NOTES,
  ...ORIGIN,
}
const BINDING: Cells = {
  Member: s('group:corp:ops'),
  Role: s('role:reader'),
  ValidFrom: at(NOW_MS),
  ValidUntil: at(NOW_MS + 1),
  ...NOTES,
  ...ORIGIN,
}
const LOCK: Cells = { Target: s('user:corp:alice'), LockId: s('l'), ...NOTES, ...ORIGIN }
const ROLE: Cells = { Role: s('role:reader'), SessionMaxSeconds: int64Value(1), ...NOTES, ...ORIGIN }
const EDIT: Cells = {
  EditId: s('e'),
  EditedAt: COMMIT_TIMESTAMP,
  Source: s('command'),
  Actor: s('ann'),
  ApprovedBy: s('bob'),
  Reason: s('r'),
}
const HISTORY: Cells = {
  TableName: s('Grants'),
  EntityKey: s('["user:corp:alice","g"]'),
  CommittedAt: at(NOW_MS),
  TransactionId: s('t'),
  RecordSequence: s('1'),
  ModIndex: int64Value(0),
  Change: s('CHANGED'),
  Principal: s('user:corp:alice'),
  EntityId: s('g'),
  Source: s('sql'),
  BeforeRow: s('{}'),
  AfterRow: s('{}'),
}
const PROPOSAL: Cells = {
  ProposalId: s('p'),
  State: s('OPEN'),
  Plan: s('{}'),
  ProposedBy: s('ann'),
  ProposedAt: COMMIT_TIMESTAMP,
  Reason: s('r'),
}
const CHANGE: Cells = {
  GrantId: s('g'),
  ChangedAt: COMMIT_TIMESTAMP,
  Change: s('ADDED'),
  Principal: s('user:corp:alice'),
  ChangedBy: s('ann'),
  Reason: s('r'),
  GrantRow: s('{}'),
}
const DECISION: Cells = {
  Shard: int64Value(1),
  DecidedAt: at(NOW_MS),
  DecisionId: s('018bcfe5-6800-7000-8000-000000000001'),
  CommittedAt: COMMIT_TIMESTAMP,
  Outcome: s('ALLOW'),
  Principal: s('user:corp:alice'),
  Account: s('APP'),
  Permissions: s('{}'),
  SessionExpiresAt: at(NOW_MS),
  GrantsReadAt: at(NOW_MS),
  GroupNames: LIST,
  GrantIds: LIST,
  LockIds: LIST,
  SkippedGrants: s('[]'),
  UserNkey: s('U'),
  ServerId: s('N'),
  ServerName: s('n1'),
  ClientHost: s('127.0.0.1'),
  ClientKind: s('Client'),
  InstanceId: s('i'),
  ServiceVersion: s('1'),
  ElapsedMicros: int64Value(1),
}
const MIGRATION: Cells = {
  Version: int64Value(1000),
  Name: s('later'),
  Checksum: s('c'),
  State: s('APPLIED'),
  AppliedBy: s('ann'),
  StartedAt: at(NOW_MS),
}

const GOOD: Readonly<Record<string, Cells>> = {
  Grants: GRANT,
  RoleBindings: BINDING,
  Roles: ROLE,
  Locks: LOCK,
  PolicyEdits: EDIT,
  PolicyHistory: HISTORY,
  Proposals: PROPOSAL,
  GrantChanges: CHANGE,
  Decisions: DECISION,
  SchemaMigrations: MIGRATION,
}

function scopeAndLabels(table: string): Readonly<Record<string, readonly Cells[]>> {
  return {
    [`CK_${table}_Scope`]: ['', 'A', '.a', 'a b', 'a/b'].map((text) => ({ Scope: s(text) })),
    [`CK_${table}_Labels`]: [{ Labels: list(...Array.from({ length: 33 }, (_, index) => `l=${index}`)) }],
  }
}

/** Constraint → the changes of the good row that each violate it. */
const BAD: Readonly<Record<string, readonly Cells[]>> = {
  CK_Grants_Principal: [
    'alice',
    'user:alice',
    'user:corp:',
    'user:Corp:alice',
    'user:-corp:alice',
    `user:${'c'.repeat(64)}:alice`,
    'robot:corp:alice',
    'issuer:corp:alice',
    'issuer:',
    'role:',
    'role:.hidden',
    'role:a b',
    `role:${'r'.repeat(129)}`,
    'user:corp:a\u0000b',
    'user:corp:a\nb',
    'user:corp:a\u0085b',
    ' user:corp:alice',
    'user:corp:alice\n',
  ].map((text) => ({ Principal: s(text) })),
  CK_Grants_GrantId: ['', 'a b', 'ä', 'a/b'].map((text) => ({ GrantId: s(text) })),
  CK_Grants_Account: ['', 'A B', 'A\n', '\u0000'].map((text) => ({ Account: s(text) })),
  CK_Grants_Effect: ['allow', 'GRANT', ''].map((text) => ({ Effect: s(text) })),
  CK_Grants_KnownAction: ['subscribe', 'REQUEST', 'STREAM_DELETE', ''].map((text) => ({
    Action: s(text),
    ResponseMax: NONE,
    ResponseTtlMs: NONE,
    QueueGroup: NONE,
    Subject: s('ORDERS'),
  })),
  CK_Grants_Resource: [
    ...['ORDERS.A', '*', '>', 'ORDERS/worker', 'Ä', '{{team}}.a'].map((text) => ({ Subject: s(text) })),
    { Subject: s('ORDERS'), Effect: s('DENY'), Tls: NONE },
    { Subject: s('ORDERS'), Action: s('CONSUMER_USE') },
    { Subject: s('ORDERS/a/b'), Action: s('CONSUMER_USE') },
  ].map((cells) => ({ Action: s('STREAM_READ'), QueueGroup: NONE, ResponseMax: NONE, ResponseTtlMs: NONE, ...cells })),
  CK_Grants_Response: [
    { ResponseMax: NONE },
    { ResponseTtlMs: NONE },
    { ResponseMax: int64Value(0) },
    { ResponseMax: int64Value(1_000_001) },
    { ResponseTtlMs: int64Value(0) },
    { ResponseTtlMs: int64Value(86_400_001) },
    { Effect: s('DENY'), Tls: NONE },
    { Action: s('PUBLISH'), QueueGroup: NONE },
    { Action: s('SERVICE_CALL'), QueueGroup: NONE, Subject: s('orders') },
  ],
  ...scopeAndLabels('Grants'),
  ...scopeAndLabels('Roles'),
  ...scopeAndLabels('RoleBindings'),
  ...scopeAndLabels('Locks'),
  CK_Roles_Role: ['reader', 'user:corp:alice', 'role:', 'role:a:b'].map((text) => ({ Role: s(text) })),
  CK_Roles_SessionMax: [0, -1, 31_536_001].map((seconds) => ({ SessionMaxSeconds: int64Value(seconds) })),
  CK_Roles_Reason: [{ Reason: s('') }],
  CK_Roles_CreatedBy: [{ CreatedBy: s('') }],
  CK_Locks_SourceCidr: [
    { Target: s('address') },
    { SourceCidr: s('10.0.0.0/8') },
    { Target: s('address'), SourceCidr: s('10.0.0.0') },
    { Target: s('address'), SourceCidr: s('any') },
  ],
  CK_PolicyEdits_Actor: [{ Actor: s(' ') }],
  CK_PolicyEdits_ApprovedBy: [{ ApprovedBy: s('ann') }, { ApprovedBy: s(' ') }],
  CK_PolicyEdits_Reason: [{ Reason: s('') }],
  CK_PolicyHistory_Change: [
    { BeforeRow: NONE },
    { AfterRow: NONE },
    { Change: s('ADDED') },
    { Change: s('REMOVED') },
    { Change: s('TOUCHED') },
    { Change: s('GAP') },
  ],
  CK_Proposals_State: [
    { State: s('DONE') },
    { State: s('APPLIED') },
    { State: s('REJECTED') },
    { State: s('APPLIED'), DecidedBy: s('ann') },
    { DecidedBy: s('bob') },
  ],
  CK_Proposals_ProposedBy: [{ ProposedBy: s('') }],
  CK_Proposals_Reason: [{ Reason: s('') }],
  CK_Grants_Subject: [
    '',
    '.',
    'a.',
    '.a',
    'a..b',
    'a b',
    'a\tb',
    'a\u00a0b',
    'a\ufeffb',
    'a\u2028b',
    'a\u0000b',
    'a\u0085b',
    'a.>.b',
    '>.a',
    'a>',
    'a*',
    'foo.b*r',
    '**',
    '>>',
    '{{team}',
    '{team}',
    'a{{team}}',
    '{{team}}{{team}}',
    '{{Team}}',
    '{{}}',
    `{{${'t'.repeat(65)}}}`,
    'a\n',
  ].map((text) => ({ Subject: s(text) })),
  CK_Grants_QueueGroup: ['', 'a b', 'a..b', '{{team}}', 'a*', '>.a'].map((text) => ({ QueueGroup: s(text) })),
  CK_Grants_QueueOnSubscribe: [{ Action: s('PUBLISH'), ResponseMax: NONE, ResponseTtlMs: NONE }],
  CK_Grants_Window: [{ ValidUntil: at(NOW_MS) }, { ValidUntil: at(NOW_MS - 1) }],
  CK_Grants_ConnectionTypes: [
    LIST,
    list(''),
    list('standard'),
    list('MQTT_WS'),
    list('MQTT', 'MQTT', 'MQTT', 'MQTT', 'MQTT'),
    { listValue: { values: [s('MQTT'), NONE] } },
  ].map((types) => ({ ConnectionTypes: types })),
  CK_Grants_SourceCidrs: [
    LIST,
    ...['', '10.0.0.0', '10.0.0.0/33', '10.0.0.256/32', '010.0.0.0/8', '10.0.0/8', '::/129', '::/01', 'fe80::%1/64']
      .concat(['10.0.0.0/8,', 'localhost/8', ' ::/0', '::/0\n'])
      .map((text) => list(text)),
    list('10.0.0.0/8', 'any'),
    list(...Array.from({ length: 65 }, (_, index) => `10.0.0.${index}/32`)),
    { listValue: { values: [NONE] } },
  ].map((cidrs) => ({ SourceCidrs: cidrs })),
  CK_Grants_Tls: [{ Tls: s('mutual') }, { Tls: s('') }, { Effect: s('DENY'), ResponseMax: NONE, ResponseTtlMs: NONE }],
  CK_Grants_Reason: [{ Reason: s('') }, { Reason: s('  ') }],
  CK_Grants_CreatedBy: [{ CreatedBy: s('') }, { CreatedBy: s(' ') }],
  CK_RoleBindings_Member: ['role:reader', 'alice', 'user:corp:'].map((text) => ({ Member: s(text) })),
  CK_RoleBindings_Role: ['reader', 'user:corp:alice', 'role:', 'role:a:b'].map((text) => ({ Role: s(text) })),
  CK_RoleBindings_Window: [{ ValidUntil: at(NOW_MS) }],
  CK_RoleBindings_Reason: [{ Reason: s('') }],
  CK_RoleBindings_CreatedBy: [{ CreatedBy: s('') }],
  CK_Locks_KnownTarget: [
    'alice',
    'user:corp:',
    '*',
    'role:reader',
    'account:',
    'account:A B',
    'account:A\ufeff',
    `account:${'a'.repeat(129)}`,
    'token:corp:',
    'token:x',
    'Everyone',
    'address:10.0.0.0/8',
  ].map((text) => ({ Target: s(text) })),
  CK_Locks_LockId: [{ LockId: s('') }, { LockId: s('a b') }],
  CK_Locks_Reason: [{ Reason: s('') }],
  CK_Locks_CreatedBy: [{ CreatedBy: s('') }],
  CK_GrantChanges_Change: [{ Change: s('EDITED') }],
  CK_GrantChanges_ChangedBy: [{ ChangedBy: s('') }],
  CK_GrantChanges_Reason: [{ Reason: s('') }],
  CK_SchemaMigrations_State: [{ State: s('HALF') }],
}

function tableOf(constraint: string): string {
  return constraint.split('_')[1] ?? ''
}

async function insert(table: string, cells: Cells): Promise<void> {
  const mutation = insertion(table, Object.keys(cells), [Object.values(cells)])
  await connection.database.commit([mutation], { repeatable: false }, inMs(5000))
}

for (const [table, cells] of Object.entries(GOOD)) {
  test(`${table} takes a good row`, async () => {
    await insert(table, cells)
    await connection.database.commit([{ delete: { table, keySet: { all: true } } }], { repeatable: true }, inMs(5000))
  })
}

for (const [constraint, changes] of Object.entries(BAD)) {
  test(`${constraint} refuses what it is there for`, async () => {
    for (const change of changes) {
      const row = { ...GOOD[tableOf(constraint)], ...change }
      await assert.rejects(
        insert(tableOf(constraint), row),
        { code: 'ERR_STORE_REFUSED', message: `commit: the database refused the row: constraint ${constraint}` },
        JSON.stringify(change),
      )
    }
  })
}

test('every constraint of the database has a row above that it refuses', async () => {
  const sql = `SELECT CONSTRAINT_NAME FROM INFORMATION_SCHEMA.CHECK_CONSTRAINTS
    WHERE STARTS_WITH(CONSTRAINT_NAME, 'CK_') AND NOT STARTS_WITH(CONSTRAINT_NAME, 'CK_IS_NOT_NULL_')`
  const rows = await connection.database.query(sql, {}, inMs(5000))
  const names = rows.map((row) => new RowReader('CHECK_CONSTRAINTS', ['CONSTRAINT_NAME'], row).string())
  assert.deepEqual(new Set(names), new Set(Object.keys(BAD)))
})

test('a text that is too long or missing is refused with the name of its column', async () => {
  const tooLong = { ...GRANT, GrantId: s('long'), Subject: s('s'.repeat(1025)) }
  await assert.rejects(insert('Grants', tooLong), { message: /Grants\.Subject is too long/ })
  await assert.rejects(insert('Grants', { ...GRANT, GrantId: s('missing'), Reason: NONE }), {
    message: /Grants\.Reason is missing/,
  })
})

/** Evaluates the condition of one CHECK constraint for each text, in the database. */
async function accepted(constraint: string, column: string, texts: readonly string[]): Promise<string[]> {
  const { database } = connection
  const [row] = await database.query(
    'SELECT CHECK_CLAUSE FROM INFORMATION_SCHEMA.CHECK_CONSTRAINTS WHERE CONSTRAINT_NAME = @name',
    { name: { value: s(constraint), type: 'STRING' } },
    inMs(5000),
  )
  const clause = new RowReader(constraint, ['CHECK_CLAUSE'], row ?? []).string()
  const sql = `SELECT ${column} FROM UNNEST(JSON_VALUE_ARRAY(PARSE_JSON(@texts))) AS ${column} WITH OFFSET WHERE ${clause}
    ORDER BY OFFSET`
  const rows = await database.query(sql, { texts: { value: s(JSON.stringify(texts)), type: 'STRING' } }, inMs(20_000))
  return rows.map((found) => found[0]?.stringValue ?? '')
}

/** Texts near the grammar: pieces that mean something, with a stray character now and then. */
const nearGrammar = fc
  .array(
    fc.oneof(
      fc.constantFrom('.', '.', '*', '>', '{{team}}', '{{', '}}', ':', 'user:', 'role:', 'group:', 'corp', 'a', 'A-1'),
      fc.string({ unit: 'grapheme', maxLength: 2 }),
      fc.constantFrom('\u0000', '\u0085', '\u00a0', '\u200b', '\u2028', '\ufeff', '\u3000', '\u180e', '\n', '日'),
    ),
    { maxLength: 8 },
  )
  .map((pieces) => pieces.join(''))
  .filter((text) => text.isWellFormed())

const SAMPLES = 1500

test('the database and the code agree on which subjects are well formed', async () => {
  const texts = fc.sample(nearGrammar, SAMPLES)
  const expected = texts.filter((text) => 'pattern' in parseSubjectPattern(text))
  assert.deepEqual(await accepted('CK_Grants_Subject', 'Subject', texts), expected)
})

test('the database and the code agree on which queue groups are well formed', async () => {
  const texts = fc.sample(nearGrammar, SAMPLES)
  const expected = texts.filter((text) => problemOfQueue(text) === undefined)
  assert.deepEqual(await accepted('CK_Grants_QueueGroup', 'QueueGroup', texts), expected)
})

test('the database and the code agree on which principals are well formed', async () => {
  const prefixed = fc
    .tuple(fc.constantFrom('user:corp:', 'client:corp:', 'group:a-1:', 'issuer:', 'role:', ''), nearGrammar)
    .map((parts) => parts.join(''))
  const texts = fc.sample(prefixed, SAMPLES)
  const expected = texts.filter((text) => 'principal' in parsePrincipal(text))
  assert.deepEqual(await accepted('CK_Grants_Principal', 'Principal', texts), expected)
})

test('the database and the code agree on what a lock can be on', async () => {
  const kinds = ['user:corp:', 'group:a-1:', 'issuer:', 'account:', 'token:corp:', 'token:', 'address', 'everyone', '']
  const prefixed = fc
    .tuple(fc.constantFrom(...kinds), fc.oneof(fc.constant(''), nearGrammar))
    .map((parts) => parts.join(''))
  const texts = fc.sample(prefixed, SAMPLES)
  const expected = texts.filter((text) => problemOfLockTarget(text) === undefined)
  assert.deepEqual(await accepted('CK_Locks_KnownTarget', 'Target', texts), expected)
})
