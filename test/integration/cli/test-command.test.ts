import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { createTestDatabase, startOwnEmulator } from '../../support/spanner.ts'
import type { TestDatabase } from '../../support/spanner.ts'
import { callout as runCallout, type CommandResult } from '../../unit/cli/recorded-io.ts'
import { configWith } from '../../unit/config/config-text.ts'

const EXAMPLES = join(import.meta.dirname, '../../../deploy')

let emulator: SpannerEmulator
let connection: TestDatabase
let dir = ''

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'callout-test-'))
  emulator = await startOwnEmulator()
  connection = await createTestDatabase(emulator.host)
  await writeFile(join(dir, 'callout.yaml'), configWith({ 'store.url': `spanner://${connection.name}` }))
  const plan = join(dir, 'plan.json')
  const planned = await callout('grants', 'plan', join(EXAMPLES, 'grants'), '--out', plan)
  assert.equal(planned.exitCode, 10, planned.stderr)
  const applied = await callout('grants', 'apply', plan, '--reason', 'OPS-1', '--actor', 'ann')
  assert.equal(applied.exitCode, 0, applied.stderr)
})
after(async () => {
  await connection?.[Symbol.asyncDispose]()
  await emulator?.stop()
  await rm(dir, { recursive: true, force: true })
})

function callout(...argv: string[]): Promise<CommandResult> {
  return runCallout(argv, { CALLOUT_CONFIG: join(dir, 'callout.yaml'), SPANNER_EMULATOR_HOST: emulator.host })
}

suite('test by the rows of the database', () => {
  test('finds of applied documents what it finds of the documents themselves', async () => {
    const argv = ['test', join(EXAMPLES, 'grants.tests.yaml'), '--output', 'json']
    const byRows = await callout(...argv)
    const byDocuments = await callout(...argv, '--documents', join(EXAMPLES, 'grants'))
    assert.deepEqual([byRows.exitCode, byRows.stderr], [0, ''])
    assert.deepEqual(JSON.parse(byRows.stdout), JSON.parse(byDocuments.stdout))
  })

  test('exits with 1 when a client may what it is not expected to', async () => {
    const file = join(dir, 'wrong.yaml')
    const client = '{ principal: client:corp:orders, publish: { deny: [orders.confirmed.1] } }'
    await writeFile(file, `apiVersion: callout.nats/v1\nkind: Tests\nclients: [${client}]\n`)
    const { exitCode, stdout } = await callout('test', file)
    assert.equal(exitCode, 1)
    assert.match(stdout, /^0 of 1 as expected$/m)
  })

  test('exits with 5 when the database does not answer', async () => {
    const env = { CALLOUT_CONFIG: join(dir, 'callout.yaml'), SPANNER_EMULATOR_HOST: '127.0.0.1:1' }
    const { exitCode, stdout } = await runCallout(['test', join(EXAMPLES, 'grants.tests.yaml')], env)
    assert.deepEqual([exitCode, stdout], [5, ''])
  })
})
