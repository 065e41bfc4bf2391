import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { startLocalStack, type LocalStack } from '../../src/dev/stack.ts'
import { systemClock } from '../../src/service/clock.ts'
import { DatabaseAdmin } from '../../src/spanner/database-admin.ts'
import { isAdmitted, metric, notReady } from '../support/clients.ts'
import { entriesOf, insertGrantSql, policyTables } from '../support/history.ts'
import type { PolicyTables } from '../support/history.ts'
import { openDatabase, until } from '../support/spanner.ts'
import type { TestDatabase } from '../support/spanner.ts'
import { callout } from '../unit/cli/recorded-io.ts'

let stack: LocalStack
let connection: TestDatabase
let tables: PolicyTables

before(async () => {
  stack = await startLocalStack({})
  connection = openDatabase(stack.emulator.host, stack.database.name)
  tables = policyTables(connection)
  await until('a member writes the history', 10_000, async () => {
    return (await metric(stack.service, 'nats_callout_history_writer')) === 1
  })
})
after(async () => {
  await connection?.[Symbol.asyncDispose]()
  await stack?.[Symbol.asyncDispose]()
})

suite('while the service runs, the history has', () => {
  test('what a command changed, and who, and why', async () => {
    const env = { CALLOUT_CONFIG: stack.configFile, SPANNER_EMULATOR_HOST: stack.emulator.host }
    const grant = ['--principal', 'user:corp:zoe', '--account', 'APP', '--publish', 'a.b', '--output', 'json']
    const added = await callout(['grants', 'add', ...grant, '--reason', 'T-9', '--actor', 'ann'], env)
    assert.equal(added.exitCode, 0, added.stderr)
    const [{ id = '' } = {}] = JSON.parse(added.stdout) as { id?: string }[]
    const [entry] = await entriesOf(tables.history, id, 1)
    assert.deepEqual([entry?.source, entry?.actor, entry?.reason], ['command', 'ann', 'T-9'])
  })

  test('what plain SQL changed, as such', async () => {
    await tables.sql(insertGrantSql('by-sql'))
    const [entry] = await entriesOf(tables.history, 'by-sql', 1)
    assert.deepEqual([entry?.change, entry?.source], ['added', 'sql'])
  })
})

test('a history that cannot be written is counted, costs no client anything, and is made up for', async () => {
  const token = await stack.provider.clientCredentials('orders-service')
  await using schema = new DatabaseAdmin({
    database: stack.database.name,
    emulatorHost: stack.emulator.host,
    clock: systemClock,
  })
  const failures = 'nats_callout_history_failures_total{code="ERR_STORE_REFUSED"}'
  const full = `ALTER TABLE PolicyHistory ADD CONSTRAINT CK_Full CHECK (EntityId != 'refused')`
  await schema.updateSchema([full], async () => {})
  await tables.sql(insertGrantSql('refused'))
  await until('the failure is counted', 10_000, async () => (await metric(stack.service, failures)) > 0)
  assert.equal(await isAdmitted(stack, { token }), true)
  assert.deepEqual(await notReady(stack.service), [])
  await schema.updateSchema(['ALTER TABLE PolicyHistory DROP CONSTRAINT CK_Full'], async () => {})
  await entriesOf(tables.history, 'refused', 1, 30_000)
})
