import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { before, suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

const ROOT = path.resolve(import.meta.dirname, '../..')
const MAIN = path.join(ROOT, 'src/dev/main.ts')
const WITHIN_MS = 60_000
const FIRST_STEP = /^ {2}ok {2}orders-service /m
const UP = /stays up until you press Ctrl-C/

/** Three base64url parts: what no output may hold. */
const TOKEN = /eyJ[\w-]+\.[\w-]+\.[\w-]+/

const EXPECTED_ROWS = [
  'ALLOW - client:local:orders-service APP orders-service',
  'ALLOW - client:local:orders-service APP orders-service-2',
  'ALLOW - user:local:alice APP alice',
  'ALLOW - client:local:observer APP observer',
  'DENY token_expired - - expired',
  'DENY audience_mismatch - - other-audience',
  'DENY signature_invalid - - forged',
  'DENY token_missing - - no-token',
  'DENY no_grants user:local:bob - bob',
  'DENY locked user:local:mallory - mallory',
]

const NO_CURL = spawnSync('curl', ['--version']).status === 0 ? false : 'curl is not there'

/** A demo as a process of its own, with a temporary directory that is empty but for what the demo puts there. */
function startDemo(...args: readonly string[]) {
  const temporary = mkdtempSync(path.join(tmpdir(), 'demo-test-'))
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const pids = new Set<number>()
  let output = ''
  const collect = (chunk: string): void => void (output += chunk)
  child.stdout.setEncoding('utf8').on('data', collect)
  child.stderr.setEncoding('utf8').on('data', collect)
  const exited = once(child, 'close').then(([code]) => code as number | null)
  const children = (): { pid: number; command: string }[] => {
    const found = childrenOf(child.pid ?? 0)
    for (const { pid } of found) pids.add(pid)
    return found
  }
  return {
    output: () => output,
    exited,
    children,
    async shows(text: RegExp): Promise<void> {
      const deadline = performance.now() + WITHIN_MS
      while (!text.test(output)) {
        if (child.exitCode !== null || performance.now() > deadline) assert.fail(`never showed ${text}:\n${output}`)
        await delay(5)
      }
    },
    signal: (name: NodeJS.Signals) => child.kill(name),
    kill(part: string): void {
      const found = children().filter(({ command }) => command.includes(part))
      assert.equal(found.length, 1, `one ${part}`)
      for (const { pid } of found) process.kill(pid, 'SIGKILL')
    },
    /** Processes that were seen as its children and still run, and files that it left. */
    leftBehind: () => [...[...pids].filter(isAlive), ...(existsSync(temporary) ? readdirSync(temporary) : [])],
    async [Symbol.asyncDispose](): Promise<void> {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
      await exited
      rmSync(temporary, { recursive: true, force: true })
    },
  }
}

function childrenOf(parent: number): { pid: number; command: string }[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' })
  return table.split('\n').flatMap((line) => {
    const [, pid, ppid, command = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []
    return Number(ppid) === parent ? [{ pid: Number(pid), command }] : []
  })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

suite('two demos side by side, one with nats-server in operator mode', () => {
  const outputs: string[] = []
  const codes: (number | null)[] = []
  const leftBehind: unknown[] = []

  before(async () => {
    await using one = startDemo('--once')
    await using other = startDemo('--once', '--operator')
    for (const demo of [one, other]) {
      await demo.shows(FIRST_STEP)
      demo.children()
    }
    codes.push(...(await Promise.all([one.exited, other.exited])))
    for (const demo of [one, other]) {
      outputs.push(demo.output())
      leftBehind.push(...demo.leftBehind())
    }
  })

  test('both exit with 0', () => {
    assert.deepEqual(codes, [0, 0])
    for (const output of outputs) assert.match(output, /^All \d+ steps went as expected\.$/m)
  })

  test('leave no process and no file behind', () => {
    assert.deepEqual(leftBehind, [])
  })

  test('show a row for every client that was tried, with the reason', () => {
    for (const output of outputs) {
      const rows = output.matchAll(/^ {2}[\d:.]+ +(ALLOW|DENY) +(\S+) +(\S+) +(\S+) +(\S+) +…[0-9a-f]{8}$/gm)
      assert.deepEqual(
        Array.from(rows, ([, ...cells]) => cells.join(' ')),
        EXPECTED_ROWS,
      )
    }
  })

  test('print no token and no colour code', () => {
    for (const output of outputs) {
      assert.doesNotMatch(output, TOKEN)
      assert.ok(!output.includes('\u001b'))
    }
  })

  test('fit in 100 lines of 120 columns', () => {
    for (const output of outputs) {
      const lines = output.split('\n')
      assert.ok(lines.length < 100, `${lines.length} lines`)
      assert.deepEqual(
        lines.filter((line) => line.length > 120),
        [],
      )
    }
  })
})

suite('the demo that ends after the transcript', () => {
  test('exits with 1 when steps do not go as expected, and says what happened', async () => {
    await using demo = startDemo('--once')
    await demo.shows(FIRST_STEP)
    demo.kill('nats-server.conf')
    assert.equal(await demo.exited, 1)
    assert.match(demo.output(), /NOT AS EXPECTED {2}alice .*\n {6}expected: .*\n {6}happened: error: /)
    assert.match(demo.output(), /^\d+ of \d+ steps NOT AS EXPECTED, see above\.$/m)
    assert.deepEqual(demo.leftBehind(), [])
  })

  test('exits with 1 when the service dies before the end', async () => {
    await using demo = startDemo('--once')
    await demo.shows(FIRST_STEP)
    demo.kill('main.ts serve')
    assert.equal(await demo.exited, 1)
    assert.match(demo.output(), /NOT AS EXPECTED: the service has ended, by SIGKILL/)
    assert.deepEqual(demo.leftBehind(), [])
  })

  test('ends in order on Ctrl-C in the middle of the start', async () => {
    await using demo = startDemo()
    await demo.shows(/starting the callout service/)
    assert.notDeepEqual(demo.children(), [])
    demo.signal('SIGINT')
    assert.equal(await demo.exited, 0)
    assert.deepEqual(demo.leftBehind(), [])
  })

  test('with --once that is interrupted does not claim success', async () => {
    await using demo = startDemo('--once')
    await demo.shows(/looking for nats-server/)
    demo.signal('SIGTERM')
    assert.equal(await demo.exited, 1)
    assert.deepEqual(demo.leftBehind(), [])
  })

  test('prints its usage for an option that it does not know', async () => {
    await using demo = startDemo('--twice')
    assert.equal(await demo.exited, 2)
    assert.match(demo.output(), /^usage: /)
  })
})

suite('the demo that stays up', () => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    test(`ends with 0 on ${signal} and leaves no process and no file behind`, async () => {
      await using demo = startDemo()
      await demo.shows(UP)
      assert.notDeepEqual(demo.children(), [])
      demo.signal(signal)
      assert.equal(await demo.exited, 0)
      assert.deepEqual(demo.leftBehind(), [])
    })
  }

  test('ends with 1 when the service dies, and shows the end of its log', async () => {
    await using demo = startDemo()
    await demo.shows(UP)
    demo.kill('main.ts serve')
    assert.equal(await demo.exited, 1)
    assert.match(demo.output(), /the service has ended, by SIGKILL\. The end of its log:\n\{.*"event":"decision"/)
    assert.deepEqual(demo.leftBehind(), [])
  })

  test('prints commands that work when they are pasted', { skip: NO_CURL }, async () => {
    await using demo = startDemo()
    await demo.shows(UP)
    const guide = demo.output().slice(demo.output().indexOf('Your turn'))
    const shown = (from: RegExp, to: RegExp): string => {
      const rest = guide.slice(from.exec(guide)?.index)
      return rest.slice(0, to.exec(rest)?.index)
    }
    const variables = shown(/^ {2}export NATS_URL/m, /^$/m)
    const token = shown(/^ {2}export TOKEN=.*client\.secret/m, /^$/m)
    const grants = shown(/^ {2}npm run/m, /^ {2}npm run .* add/m)
    const script = `${variables}\n${token}\nprintf %s "$TOKEN" | cut -d. -f2 | wc -c\n${grants}`
    const { stdout } = await promisify(execFile)('sh', ['-ec', script], { cwd: ROOT })
    const [claimCharacters = '', ...table] = stdout.split('\n')
    assert.ok(Number(claimCharacters) > 100, 'the token has claims')
    assert.ok(table.some((line) => line.startsWith('sample-engineering-watch ')))
    assert.doesNotMatch(demo.output(), TOKEN)
  })
})
