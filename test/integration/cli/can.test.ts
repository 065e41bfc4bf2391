import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createEmulatorDatabase } from '../../../src/dev/emulator-database.ts'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { startOwnEmulator } from '../../support/spanner.ts'
import { callout as runCallout, type CommandResult } from '../../unit/cli/recorded-io.ts'
import { configWith } from '../../unit/config/config-text.ts'

let emulator: SpannerEmulator
let dir = ''
let env: Record<string, string> = {}

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'callout-can-'))
  emulator = await startOwnEmulator()
  const config = join(dir, 'callout.yaml')
  const database = await createEmulatorDatabase(emulator.host)
  await writeFile(config, configWith({ 'store.url': `spanner://${database}` }))
  env = { CALLOUT_CONFIG: config, SPANNER_EMULATOR_HOST: emulator.host }
  const grant = ['grants', 'add', '--account', 'APP', '--reason', 'OPS-1', '--actor', 'ann', '--principal']
  for (const argv of [
    ['schema', 'apply'],
    [...grant, 'user:corp:alice', '--publish', 'orders.{{subject}}.>'],
    [...grant, 'group:corp:ops', '--subscribe', 'jobs.>', '--queue', 'workers'],
    [...grant, 'group:corp:ops', '--publish', 'orders.alice.secret', '--deny'],
    [...grant, 'group:corp:near', '--publish', 'near.>', '--source-cidr', '10.0.0.0/8'],
    ['lock', 'add', 'user:corp:mallory', '--reason', 'INC-7', '--actor', 'ann', '--message', 'lost laptop'],
    [...grant, 'user:corp:mallory', '--publish', 'orders.>'],
  ]) {
    const { exitCode, stderr } = await callout(...argv)
    assert.equal(exitCode, 0, stderr)
  }
})

after(async () => {
  await emulator.stop()
  await rm(dir, { recursive: true, force: true })
})

function callout(...argv: string[]): Promise<CommandResult> {
  return runCallout(argv, env)
}

async function answer(...argv: string[]): Promise<{ exitCode: number; first: string | undefined }> {
  const { exitCode, stdout, stderr } = await callout('can', ...argv)
  assert.equal(stderr, '')
  return { exitCode, first: stdout.split('\n')[0] }
}

test('a grant with a variable allows its own principal, and no other', async () => {
  assert.deepEqual(await answer('user:corp:alice', 'publish', 'orders.alice.new'), {
    exitCode: 0,
    first: 'yes, in account APP',
  })
  assert.deepEqual(await answer('user:corp:alice', 'publish', 'orders.bob.new'), {
    exitCode: 1,
    first: 'no, in account APP',
  })
})

test('groups of the token count', async () => {
  const asked = ['user:corp:alice', 'publish', 'orders.alice.secret']
  assert.equal((await answer(...asked)).exitCode, 0)
  assert.deepEqual(await answer(...asked, '--group', 'ops'), { exitCode: 1, first: 'no, in account APP' })
})

test('what is denied in part is told apart', async () => {
  const asked = ['user:corp:alice', 'publish', 'orders.alice.>', '--group', 'ops']
  assert.deepEqual(await answer(...asked), { exitCode: 1, first: 'in part, in account APP' })
})

test('a grant for a queue group is for its members', async () => {
  const asked = ['user:corp:bob', 'subscribe', 'jobs.new', '--group', 'ops']
  assert.equal((await answer(...asked)).exitCode, 1)
  assert.equal((await answer(...asked, '--queue', 'workers')).exitCode, 0)
})

test('a condition holds only for a connection that is told', async () => {
  const asked = ['user:corp:bob', 'publish', 'near.a', '--group', 'near']
  assert.deepEqual(await answer(...asked), { exitCode: 1, first: 'no: refused with conditions_unmet' })
  assert.equal((await answer(...asked, '--address', '10.1.2.3')).exitCode, 0)
})

test('a locked principal may nothing, and the lock is named', async () => {
  const { exitCode, first } = await answer('user:corp:mallory', 'publish', 'orders.new')
  assert.deepEqual([exitCode, first], [1, 'no: refused with locked (user:corp:mallory: lost laptop)'])
})

test('the grants that decided are named, for programs too', async () => {
  const { stdout } = await callout('can', 'user:corp:alice', 'publish', 'orders.alice.new', '--output', 'json')
  const { verdict, because } = JSON.parse(stdout) as {
    verdict: string
    because: { entry: string; grant: { principal: string } }[]
  }
  assert.equal(verdict, 'yes')
  assert.deepEqual(
    because.map(({ entry, grant }) => [entry, grant.principal]),
    [['orders.alice.>', 'user:corp:alice']],
  )
})

test('who can is everybody with a grant that covers the subject, by a role too, and who may not', async () => {
  const run = async (...argv: string[]): Promise<void> => {
    const { exitCode, stderr } = await callout(...argv, '--reason', 'OPS-2', '--actor', 'ann')
    assert.equal(exitCode, 0, stderr)
  }
  await run('grants', 'add', '--account', 'APP', '--principal', 'role:reader', '--subscribe', 'stock.>')
  await run('grants', 'add', '--account', 'APP', '--principal', 'role:nobody', '--subscribe', 'stock.>')
  await run('grants', 'add', '--account', 'OPS', '--principal', 'user:corp:sam', '--subscribe', 'stock.{{subject}}')
  await run('grants', 'add', '--account', 'APP', '--principal', 'user:corp:eve', '--subscribe', 'stock.a', '--deny')
  await run('grants', 'add', '--account', 'APP', '--principal', 'user:corp:kim', '--publish', 'stock.a')
  await run('roles', 'bind', 'group:corp:clerks', 'role:reader')
  const { exitCode, stdout } = await callout('who-can', 'subscribe', 'stock.a', '--output', 'json')
  assert.equal(exitCode, 0)
  assert.deepEqual(
    (JSON.parse(stdout) as Record<string, string>[]).map(({ principal, effect, role }) => [principal, effect, role]),
    [
      ['group:corp:clerks', 'allow', 'role:reader'],
      ['user:corp:eve', 'deny', undefined],
      ['user:corp:sam', 'allow', undefined],
    ],
  )
  assert.equal((await callout('who-can', 'subscribe', 'stock.a', '--account', 'OPS')).exitCode, 0)
  assert.equal((await callout('who-can', 'subscribe', 'stock.>', '--account', 'OPS')).exitCode, 1)
})

test('who can use a thing is asked by its subjects', async () => {
  const add = [
    'grants',
    'add',
    '--account',
    'APP',
    '--principal',
    'client:corp:kv',
    '--reason',
    'OPS-3',
    '--actor',
    'ann',
  ]
  assert.equal((await callout(...add, '--allow', 'kv:write prices')).exitCode, 0)
  assert.match((await callout('who-can', 'publish', '$KV.prices.eur')).stdout, /client:corp:kv/)
  assert.equal((await callout('who-can', 'subscribe', '$KV.prices.eur')).exitCode, 1)
})

test('a question that cannot be asked is wrong usage', async () => {
  for (const argv of [
    ['group:corp:ops', 'publish', 'a'],
    ['user:corp:alice', 'request', 'a'],
    ['user:corp:alice', 'publish', 'a..b'],
    ['user:corp:alice', 'publish', 'a', '--queue', 'q'],
    ['user:corp:alice', 'publish', '{{subject}}'],
    ['user:corp:alice', 'publish', 'a', '--attribute', 'team'],
  ]) {
    assert.equal((await callout('can', ...argv)).exitCode, 2, argv.join(' '))
  }
})
