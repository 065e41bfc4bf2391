import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, suite, test } from 'node:test'
import { grpc } from 'google-gax'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { systemClock } from '../../../src/service/clock.ts'
import { createDice } from '../../fuzz/dice.ts'
import { anyEntry } from '../../support/decisions.ts'
import { startGrpcProxy, type GrpcProxy } from '../../support/grpc-proxy.ts'
import {
  createTestDatabase,
  inMs,
  openDecisionLog,
  startOwnEmulator,
  until,
  type TestDatabase,
} from '../../support/spanner.ts'
import { configWith } from '../../unit/config/config-text.ts'

/** Longer than the twenty seconds after which a read is given up. */
const NOTICED_WITHIN_MS = 60_000

let emulator: SpannerEmulator
let connection: TestDatabase
let proxy: GrpcProxy
/** What the store answers to whoever comes through the proxy; undefined: what it has to say. */
let answer: { readonly code: grpc.status; readonly details: string } | undefined
let folder = ''
const running = new Set<ChildProcess>()

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callout-follow-'))
  emulator = await startOwnEmulator()
  connection = await createTestDatabase(emulator.host)
  proxy = await startGrpcProxy(emulator.host, () =>
    answer === undefined
      ? undefined
      : Object.assign(new Error(answer.details), answer, { metadata: new grpc.Metadata() }),
  )
  await writeFile(join(folder, 'callout.yaml'), configWith({ 'store.url': `spanner://${connection.name}` }))
})
afterEach(() => {
  answer = undefined
  emulator.signal('SIGCONT')
  for (const child of running) child.kill('SIGKILL')
})
after(async () => {
  await proxy?.[Symbol.asyncDispose]()
  await connection?.[Symbol.asyncDispose]()
  await emulator?.stop()
  await rm(folder, { recursive: true, force: true })
})

interface Follower {
  readonly child: ChildProcess
  readonly exited: Promise<[number | null]>
  /** Ids of decisions in the order in which they came. */
  shown(): readonly string[]
  stderr(): string
}

const COMMANDS = {
  'audit export': ['--from', '-10m'],
  'audit tail': ['--output', 'jsonl'],
}
type CommandName = keyof typeof COMMANDS
const NAMES = Object.keys(COMMANDS) as CommandName[]

/** A command as a process of its own, of the decisions at one server. */
function follow(name: CommandName, server: string, host = emulator.host): Follower {
  const argv = [...name.split(' '), ...COMMANDS[name], '--server', server, '--actor', 'ann', '--follow']
  const child = spawn(process.execPath, ['src/main.ts', ...argv], {
    env: { ...process.env, CALLOUT_CONFIG: join(folder, 'callout.yaml'), SPANNER_EMULATOR_HOST: host },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const exited = once(child, 'exit') as Promise<[number | null]>
  let [stdout, stderr] = ['', '']
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  return {
    child,
    exited,
    shown: () =>
      stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as { DecisionId: string }).DecisionId),
    stderr: () => stderr,
  }
}

let writes = 0
/** Some decisions of this moment. */
async function write(server: string): Promise<readonly string[]> {
  const nowMs = Math.floor(systemClock.nowMs())
  const dice = createDice(nowMs + writes++)
  const entries = Array.from({ length: 5 }, () => {
    const entry = anyEntry(dice, nowMs - 1000, nowMs)
    return { ...entry, request: { ...entry.request, server: { ...entry.request.server, name: server } } }
  })
  await openDecisionLog(connection.database).append(entries, inMs(20_000))
  return entries.map(({ decision }) => decision.id)
}

async function untilShown(follower: Follower, ids: readonly string[]): Promise<void> {
  await until(`all are shown: ${follower.stderr()}`, 60_000, async () => {
    const shown = new Set(follower.shown())
    return ids.every((id) => shown.has(id))
  })
}

suite('what is followed', () => {
  test('waits for a store that is frozen, and has every decision once', async () => {
    const server = 'frozen'
    const followers = NAMES.map((name) => follow(name, server))
    const written = [...(await write(server))]
    for (const follower of followers) await untilShown(follower, written)
    emulator.signal('SIGSTOP')
    for (const follower of followers) {
      await until('the outage is noticed', NOTICED_WITHIN_MS, async () => follower.stderr() !== '')
      assert.match(
        follower.stderr(),
        /^callout: warning: the store is away, and is waited for: [^\n]*deadline[^\n]*\n$/,
      )
    }
    emulator.signal('SIGCONT')
    written.push(...(await write(server)))
    for (const follower of followers) {
      await untilShown(follower, written)
      follower.child.kill('SIGTERM')
      const [code] = await follower.exited
      assert.equal(code, 0, follower.stderr())
      assert.deepEqual(follower.shown().toSorted(), written.toSorted())
      assert.match(follower.stderr(), /^[^\n]* is away, [^\n]*\ncallout: the store is back, after \d+ s\n$/)
    }
  })

  for (const name of NAMES) {
    test(`ends at once at SIGINT while the store gives no answer: ${name}`, async () => {
      const follower = follow(name, `interrupted by ${name}`)
      await untilShown(follower, await write(`interrupted by ${name}`))
      emulator.signal('SIGSTOP')
      // Time for it to be in the middle of the next look.
      await until('a look begins', 10_000, isLaterBy(2000))
      const beganMs = systemClock.monotonicMs()
      follower.child.kill('SIGINT')
      const [code] = await follower.exited
      assert.deepEqual([code, follower.stderr()], [0, ''])
      assert.ok(systemClock.monotonicMs() - beganMs < 5000)
    })

    test(`ends with the reason when it is not permitted any more: ${name}`, async () => {
      const follower = follow(name, `forbidden ${name}`, proxy.host)
      await untilShown(follower, await write(`forbidden ${name}`))
      answer = { code: grpc.status.PERMISSION_DENIED, details: 'no SELECT on Decisions' }
      const [code] = await follower.exited
      assert.equal(code, 1)
      assert.match(follower.stderr(), /^callout: [^\n]*no SELECT on Decisions \(store\.role[^\n]*README\.md[^\n]*\n$/)
    })

    test(`ends with the reason when the table is gone: ${name}`, async () => {
      const follower = follow(name, `refused ${name}`, proxy.host)
      await untilShown(follower, await write(`refused ${name}`))
      answer = { code: grpc.status.NOT_FOUND, details: 'Table not found: Decisions' }
      const [code] = await follower.exited
      assert.equal(code, 3)
      assert.match(follower.stderr(), /^callout: [^\n]*Table not found: Decisions[^\n]*\n$/)
    })
  }
})

function isLaterBy(ms: number): () => Promise<boolean> {
  const laterMs = systemClock.monotonicMs() + ms
  return async () => systemClock.monotonicMs() >= laterMs
}
