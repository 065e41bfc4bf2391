import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startLocalStack, type LocalStack, type RunningService } from '../../src/dev/stack.ts'
import { isAdmitted } from '../support/clients.ts'
import { inMs, until } from '../support/spanner.ts'
import { callout as runCallout, type CommandResult } from '../unit/cli/recorded-io.ts'

let dir = ''
let stack: LocalStack
/** Of what a service left that was stopped, and of that along with what one left that was killed. */
let stopped: CommandResult
let killed: CommandResult
let service: RunningService

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'callout-evidence-'))
  const key = await runCallout(['audit', 'key', '--name', 'test/audit', '--out', join(dir, 'audit.key')], {})
  assert.equal(key.exitCode, 0, key.stderr)
  const checkpoints = JSON.stringify({ key_file: join(dir, 'audit.key'), file: join(dir, 'checkpoints.jsonl') })
  stack = await startLocalStack({ editConfig: (yaml) => `${yaml}\naudit: { checkpoints: ${checkpoints} }\n` })
  stopped = await afterStop()
  service = await stack.startService()
  killed = await afterKill()
})
after(async () => {
  await stack?.[Symbol.asyncDispose]()
  await rm(dir, { recursive: true, force: true })
})

function verify(): Promise<CommandResult> {
  const argv = ['audit', 'verify', '--from', '-1h', '--checkpoints', join(dir, 'checkpoints.jsonl')]
  return runCallout(argv, { CALLOUT_CONFIG: stack.configFile, SPANNER_EMULATOR_HOST: stack.emulator.host })
}

async function clients(count: number): Promise<void> {
  const token = await stack.provider.clientCredentials('orders-service')
  const attempts = Array.from({ length: count }, (_, index) =>
    isAdmitted(stack, { token: index % 4 === 3 ? 'none' : token }),
  )
  await Promise.all(attempts)
}

async function afterStop(): Promise<CommandResult> {
  await clients(40)
  stack.service.process.signal('SIGTERM')
  assert.equal((await stack.service.process.exited).code, 0)
  return verify()
}

async function afterKill(): Promise<CommandResult> {
  await clients(20)
  const signed = async (): Promise<boolean> => service.process.log().includes('"event":"audit_checkpoint"')
  await until('the first rows are signed for', 5000, signed)
  await clients(20)
  service.process.signal('SIGKILL')
  await service.process.exited
  return verify()
}

test('what a service recorded until it was stopped is signed to the last row, and stands up to verification', () => {
  const { exitCode, stderr } = stopped
  assert.equal(exitCode, 0, stderr)
  assert.match(stderr, /\d+ rows in 1 chains, \d+ checkpoints\ncallout: nothing was changed\n$/)
  assert.doesNotMatch(stderr, /after the last checkpoint/)
})

test('a service that is killed leaves a few rows that nobody signed for, and no finding', () => {
  const { exitCode, stderr } = killed
  assert.equal(exitCode, 0, stderr)
  assert.match(stderr, /rows in 2 chains/)
})

test('the log is a copy of what was signed as well', async () => {
  const log = await readFile(service.logFile, 'utf8')
  const notes = log
    .split('\n')
    .flatMap((line) => (line.includes('"note"') ? [JSON.parse(line) as { note: string }] : []))
  const stored = await stack.database.query('SELECT Note FROM AuditCheckpoints', {}, inMs(5000))
  const texts = new Set(stored.map(([note]) => note?.stringValue))
  assert.ok(notes.length > 0)
  for (const { note } of notes) assert.ok(texts.has(note))
})

test('one row that somebody changes with plain SQL is found', async () => {
  const changed = await stack.database.query(
    "SELECT Shard, DecidedAt, DecisionId FROM Decisions WHERE Outcome = 'ALLOW' LIMIT 1",
    {},
    inMs(5000),
  )
  const key = changed[0] ?? []
  const values = [...key, { stringValue: 'user:local:somebody-else' }]
  const columns = ['Shard', 'DecidedAt', 'DecisionId', 'Principal']
  const update = { update: { table: 'Decisions', columns, values: [{ values: [...values] }] } }
  await stack.database.commit([update], { repeatable: true }, inMs(5000))
  const { exitCode, stdout } = await verify()
  assert.equal(exitCode, 2)
  assert.match(stdout, new RegExp(`^row_edited .*${key[2]?.stringValue}`, 'm'))
})
