import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { createEmulatorDatabase } from '../../../src/dev/emulator-database.ts'
import { systemClock } from '../../../src/service/clock.ts'
import { DatabaseAdmin } from '../../../src/spanner/database-admin.ts'
import { SpannerDatabase } from '../../../src/spanner/database.ts'
import {
  applyMigrations,
  MIGRATIONS,
  outstandingSchema,
  requireKnownSchema,
  schemaStatus,
} from '../../../src/spanner/migrations.ts'
import { roles } from '../../../src/spanner/migrations/0010-roles.ts'
import { encodeDecision } from '../../../src/spanner/decision-row.ts'
import { POLICY_TABLES } from '../../../src/spanner/policy-tables.ts'
import { deletion, insertion, upsertion } from '../../../src/spanner/mutation.ts'
import * as schema from '../../../src/spanner/schema.ts'
import { int64Value, NULL, RowReader, stringValue, timestampValue } from '../../../src/spanner/values.ts'
import { anAllow, anEntry, anId } from '../../contract/stored-rows.ts'
import { startGrpcProxy } from '../../support/grpc-proxy.ts'
import { createTestDatabase, inMs, openDatabase, startOwnEmulator } from '../../support/spanner.ts'

let emulator: SpannerEmulator

before(async () => {
  emulator = await startOwnEmulator()
})

after(async () => {
  await emulator.stop()
})

interface Applied {
  readonly versions: readonly number[]
  readonly progress: readonly string[]
}

async function apply(name: string, holder: string, leaseMs?: number): Promise<Applied> {
  await using connection = openDatabase(emulator.host, name)
  await using admin = new DatabaseAdmin({ database: name, emulatorHost: emulator.host, clock: systemClock })
  const progress: string[] = []
  const versions = await applyMigrations({
    database: connection.database,
    admin,
    clock: systemClock,
    holder,
    progress: (line) => progress.push(line),
    ...(leaseMs !== undefined && { leaseMs }),
  })
  return { versions, progress }
}

async function record(
  database: SpannerDatabase,
  change: { readonly Version: number; readonly Name?: string },
): Promise<void> {
  const row = { Name: 'policy', Checksum: 'x', State: 'APPLIED', AppliedBy: 'x', ...change }
  const cells = Object.values(row).map((cell) => (typeof cell === 'number' ? int64Value(cell) : stringValue(cell)))
  const columns = [...Object.keys(row), 'StartedAt']
  const mutation = upsertion(schema.SCHEMA_MIGRATIONS, columns, [[...cells, timestampValue(0)]])
  await database.commit([mutation], { repeatable: true }, inMs(5000))
}

test('an empty database is refused, brought up to date, and then accepted', async () => {
  const name = await createEmulatorDatabase(emulator.host)
  await using connection = openDatabase(emulator.host, name)
  await assert.rejects(requireKnownSchema(connection.database, inMs(5000)), {
    code: 'ERR_SCHEMA_VERSION',
    message: 'the schema of the database is at version 0, this release needs 11: run "callout schema apply"',
  })
  assert.deepEqual(await apply(name, 'one'), {
    versions: [1, 2, 3, 4, 5, 6, 7, 8, 9, 11],
    progress: [
      'creating the tables that record migrations',
      'applying migration 0001 policy',
      'applying migration 0002 decisions',
      'applying migration 0003 delegation',
      'applying migration 0004 conditions',
      'applying migration 0005 model',
      'applying migration 0006 history',
      'applying migration 0007 proposals',
      'applying migration 0008 inputs',
      'applying migration 0009 evidence',
      'leaving out migration 0010 roles: the emulator has no database roles',
      'applying migration 0011 spooled',
      'the schema is at version 11',
    ],
  })
  await requireKnownSchema(connection.database, inMs(5000))
})

test('applying again does nothing', async () => {
  await using connection = await createTestDatabase(emulator.host)
  assert.deepEqual(await apply(connection.name, 'two'), { versions: [], progress: ['the schema is at version 11'] })
})

test('of several runners at once each migration is applied by one', async () => {
  const name = await createEmulatorDatabase(emulator.host)
  const runs = await Promise.all(['a', 'b', 'c', 'd'].map((holder) => apply(name, holder)))
  const versions = runs.flatMap((run) => run.versions).sort((a, b) => a - b)
  assert.deepEqual(
    versions,
    MIGRATIONS.filter(({ needs }) => needs === undefined).map(({ version }) => version),
  )
  await using connection = openDatabase(emulator.host, name)
  await requireKnownSchema(connection.database, inMs(5000))
})

test('the work of a runner that was killed is finished by another when its lease has run out', async () => {
  const name = await createEmulatorDatabase(emulator.host)
  const runner = spawn(
    process.execPath,
    [new URL('killed-migration-runner.ts', import.meta.url).pathname, emulator.host, name],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const exited = once(runner, 'exit')
  const [line] = (await once(runner.stdout, 'data')) as [Buffer]
  assert.equal(String(line), 'half-way\n')
  runner.kill('SIGKILL')
  await exited

  await using connection = openDatabase(emulator.host, name)
  await assert.rejects(requireKnownSchema(connection.database, inMs(5000)), {
    code: 'ERR_SCHEMA_VERSION',
    message: /^migration 0001 policy of the schema is not finished/,
  })
  const { versions, progress } = await apply(name, 'survivor')
  assert.deepEqual(versions, [1, 2, 3, 4, 5, 6, 7, 8, 9, 11])
  assert.equal(progress[0], 'waiting for victim, who is applying migrations')
  await requireKnownSchema(connection.database, inMs(5000))
})

test('a schema with a migration that this release does not know is refused and left alone', async () => {
  await using connection = await createTestDatabase(emulator.host)
  await record(connection.database, { Version: 12, Name: 'later' })
  const refusal = {
    code: 'ERR_SCHEMA_VERSION',
    message: /holds migration 0012 later, which this release does not know/,
  }
  await assert.rejects(requireKnownSchema(connection.database, inMs(5000)), refusal)
  await assert.rejects(apply(connection.name, 'one'), refusal)
})

test('a schema that was applied with other statements is refused and left alone', async () => {
  await using connection = await createTestDatabase(emulator.host)
  await record(connection.database, { Version: 1 })
  const refusal = { code: 'ERR_SCHEMA_VERSION', message: /^migration 0001 policy was applied with other statements/ }
  await assert.rejects(requireKnownSchema(connection.database, inMs(5000)), refusal)
  await assert.rejects(apply(connection.name, 'one'), refusal)
})

test('an older schema is refused, and the missing migrations are applied, also one that stopped before it was recorded', async () => {
  await using connection = await createTestDatabase(emulator.host)
  const forget = [4, 5, 6, 7, 8, 9, 10, 11].map((version) => deletion(schema.SCHEMA_MIGRATIONS, [int64Value(version)]))
  await connection.database.commit(forget, { repeatable: true }, inMs(5000))
  await assert.rejects(requireKnownSchema(connection.database, inMs(5000)), { message: /is at version 3, .* needs 11/ })
  assert.deepEqual((await apply(connection.name, 'one')).versions, [4, 5, 6, 7, 8, 9, 11])
})

/** Columns that came after the first release. */
const ADDED_SINCE = [
  'DisplayName',
  'Actors',
  'Attributes',
  'WantedAccount',
  'HasVerifiedCertificate',
  'ClientCertificateSha256',
  'StageMicros',
  'PermissionsSha256',
  'GrantSetId',
  'RepeatCount',
  'RepeatedSince',
] as const

test('a release from before a migration goes on recording, and rows of both stay', async () => {
  const name = await createEmulatorDatabase(emulator.host)
  await using connection = openDatabase(emulator.host, name)
  await using admin = new DatabaseAdmin({ database: name, emulatorHost: emulator.host, clock: systemClock })
  const [policy, decisions] = MIGRATIONS
  await admin.updateSchema([...(policy?.statements ?? []), ...(decisions?.statements ?? [])], async () => {})
  const insertAsBefore = async (id: string): Promise<void> => {
    const cells = new Map(
      schema.DECISION_COLUMNS.map((column, index) => [column, encodeDecision(anEntry(anAllow({ id })))[index]]),
    )
    for (const added of ADDED_SINCE) cells.delete(added)
    const row = insertion(schema.DECISIONS, [...cells.keys()], [[...cells.values()].map((cell) => cell ?? NULL)])
    await connection.database.commit([row], { repeatable: true }, inMs(5000))
  }
  await insertAsBefore(anId('1'))
  assert.deepEqual((await apply(name, 'newer release')).versions, [1, 2, 3, 4, 5, 6, 7, 8, 9, 11])
  await insertAsBefore(anId('2'))
  const rows = await connection.database.query(
    'SELECT COUNT(*) FROM Decisions WHERE Actors IS NULL AND DisplayName IS NULL',
    {},
    inMs(5000),
  )
  assert.deepEqual(rows, [[{ kind: 'stringValue', stringValue: '2' }]])
})

test('the status tells who applied what and when', async () => {
  await using connection = await createTestDatabase(emulator.host)
  const { version, needed, migrations } = await schemaStatus(connection.database, inMs(5000))
  const holder = `test ${process.pid}`
  const applied = `applied by ${holder}`
  assert.deepEqual(
    [version, needed, migrations.map(({ state, appliedBy }) => `${state} by ${appliedBy}`)],
    [11, 11, [...Array(9).fill(applied), `skipped by ${holder}`, applied]],
  )
  for (const { appliedAt } of migrations) assert.match(appliedAt ?? '', /^20\d\d-.*Z$/)
})

/** Where the emulator lacks something, what is asked of it is what Spanner would be asked. */
class DatabaseWithRoles extends SpannerDatabase {
  override readonly isEmulated = false
}

test('a database that has roles gets those that were left out, without what a killed runner made of them', async () => {
  await using connection = await createTestDatabase(emulator.host)
  const row = (name: string) => ({ values: [{ kind: 'stringValue', stringValue: name }] })
  await using proxy = await startGrpcProxy(emulator.host, (_name, { sql }) =>
    String(sql).includes('INFORMATION_SCHEMA.ROLES') ? { rows: [row('public'), row('callout_service')] } : undefined,
  )
  const { name, events } = connection
  const place = { database: name, emulatorHost: proxy.host, clock: systemClock, events }
  await using database = new DatabaseWithRoles(place)
  await requireKnownSchema(database, inMs(5000))
  assert.deepEqual(await outstandingSchema(database, inMs(5000)), [
    {
      title: 'migration 0010 roles',
      statements: roles.statements.filter((statement) => statement !== 'CREATE ROLE callout_service'),
    },
  ])
})

test('the emulator parses the statements about roles, and says that it cannot run them', async () => {
  await using connection = await createTestDatabase(emulator.host)
  await using admin = new DatabaseAdmin({ database: connection.name, emulatorHost: emulator.host, clock: systemClock })
  for (const statement of roles.statements)
    await assert.rejects(
      admin.updateSchema([statement], async () => {}),
      /Unsupported ddl statement|does not yet support column level access/,
      statement,
    )
  await assert.rejects(
    admin.updateSchema(['GRANT SELECT ON TABLES Grants TO ROLE callout_service'], async () => {}),
    /Syntax error/,
  )
})

test('the names that the code uses are those of the database', async () => {
  await using connection = await createTestDatabase(emulator.host)
  const names = async (sql: string): Promise<Set<string>> => {
    const rows = await connection.database.query(sql, {}, inMs(5000))
    return new Set(rows.map((row) => new RowReader('INFORMATION_SCHEMA', ['NAME'], row).string()))
  }
  const columns = await names(
    `SELECT CONCAT(TABLE_NAME, '.', COLUMN_NAME) FROM INFORMATION_SCHEMA.COLUMNS
     WHERE TABLE_SCHEMA = ''
       AND TABLE_NAME NOT IN (SELECT TABLE_NAME FROM INFORMATION_SCHEMA.VIEWS WHERE TABLE_SCHEMA = '')`,
  )
  const policy = Object.values(POLICY_TABLES).map(({ table, columns }) => [table, columns] as const)
  const GRANT_CHANGE_COLUMNS = ['GrantId', 'ChangedAt', 'Change', 'Principal', 'ChangedBy', 'Reason', 'GrantRow']
  const tables: Readonly<Record<string, readonly string[]>> = {
    ...Object.fromEntries(policy),
    [schema.GRANT_CHANGES]: GRANT_CHANGE_COLUMNS,
    [schema.POLICY_EDITS]: schema.POLICY_EDIT_COLUMNS,
    [schema.POLICY_HISTORY]: schema.POLICY_HISTORY_COLUMNS,
    [schema.CHANGE_STREAM_READERS]: schema.CHANGE_STREAM_READER_COLUMNS,
    [schema.PROPOSALS]: schema.PROPOSAL_COLUMNS,
    [schema.DECISIONS]: schema.STORED_DECISION_COLUMNS,
    [schema.GRANT_SET_MEMBERS]: schema.GRANT_SET_MEMBER_COLUMNS,
    [schema.AUDIT_CHECKPOINTS]: schema.AUDIT_CHECKPOINT_COLUMNS,
    [schema.AUDIT_READS]: schema.AUDIT_READ_COLUMNS,
    [schema.INSTANCES]: schema.INSTANCE_COLUMNS,
    [schema.SCHEMA_MIGRATIONS]: schema.SCHEMA_MIGRATION_COLUMNS,
    [schema.SCHEMA_LOCK]: schema.SCHEMA_LOCK_COLUMNS,
  }
  const used = Object.entries(tables).flatMap(([table, own]) => own.map((column) => `${table}.${column}`))
  assert.deepEqual(columns, new Set(used))

  const indexes = await names(
    `SELECT INDEX_NAME FROM INFORMATION_SCHEMA.INDEXES WHERE TABLE_SCHEMA = '' AND INDEX_TYPE = 'INDEX'`,
  )
  assert.deepEqual(
    indexes,
    new Set([
      schema.GRANTS_BY_ID,
      schema.GRANTS_BY_SUBJECT,
      schema.GRANTS_BY_SCOPE,
      schema.ROLES_BY_SCOPE,
      schema.ROLE_BINDINGS_BY_SCOPE,
      schema.LOCKS_BY_SCOPE,
      schema.ROLE_BINDINGS_BY_ROLE,
      schema.LOCKS_BY_ID,
      schema.GRANT_CHANGES_BY_PRINCIPAL,
      schema.POLICY_HISTORY_BY_PRINCIPAL,
      schema.POLICY_HISTORY_BY_ID,
      schema.POLICY_HISTORY_BY_TIME,
      schema.POLICY_HISTORY_BY_EDIT,
      schema.POLICY_HISTORY_BY_TRANSACTION,
      schema.PROPOSALS_BY_STATE,
      schema.DECISIONS_BY_PRINCIPAL,
      schema.DECISIONS_DENIED,
      schema.DECISIONS_BY_TOKEN,
      schema.DECISIONS_BY_ADDRESS,
      schema.DECISIONS_BY_SERVER,
      schema.DECISIONS_BY_GRANT_SET,
      schema.DECISIONS_SPOOLED,
      schema.AUDIT_CHECKPOINTS_BY_TIME,
      schema.AUDIT_READS_BY_TIME,
    ]),
  )
})
