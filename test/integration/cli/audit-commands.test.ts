import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import type { AuditEntry } from '../../../src/core/audit-entry.ts'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { systemClock } from '../../../src/service/clock.ts'
import type { DecisionCount, DecisionRecord } from '../../../src/service/decision-search.ts'
import { DatabaseAdmin } from '../../../src/spanner/database-admin.ts'
import { replacement } from '../../../src/spanner/mutation.ts'
import { int64Value, stringValue, timestampValue } from '../../../src/spanner/values.ts'
import { anEntry, aDeny, anAllow } from '../../contract/stored-rows.ts'
import { createDice } from '../../fuzz/dice.ts'
import { anyEntry, idsOf } from '../../support/decisions.ts'
import {
  createTestDatabase,
  inMs,
  openDecisionLog,
  startOwnEmulator,
  until,
  type TestDatabase,
} from '../../support/spanner.ts'
import { callout as runCallout, type CommandResult } from '../../unit/cli/recorded-io.ts'
import { configWith } from '../../unit/config/config-text.ts'

/** A test has an hour of the past of its own, so that it sees nothing of the others. */
const HOUR_MS = 3_600_000
const START_MS = Date.parse('2025-03-01T00:00:00Z')
let hours = 0
let emulator: SpannerEmulator
let connection: TestDatabase
let folder = ''

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callout-audit-'))
  emulator = await startOwnEmulator()
  connection = await createTestDatabase(emulator.host)
  await configure('callout.yaml', connection.name)
})
after(async () => {
  await connection?.[Symbol.asyncDispose]()
  await emulator?.stop()
  await rm(folder, { recursive: true, force: true })
})

async function configure(file: string, database: string): Promise<void> {
  await writeFile(join(folder, file), configWith({ 'store.url': `spanner://${database}` }))
}

function environment(file = 'callout.yaml'): Record<string, string> {
  return { CALLOUT_CONFIG: join(folder, file), SPANNER_EMULATOR_HOST: emulator.host }
}

function callout(...argv: string[]): Promise<CommandResult> {
  return runCallout([...argv, '--actor', 'ann'], environment())
}

interface Hour {
  readonly fromMs: number
  readonly range: readonly string[]
}

function anHour(): Hour {
  const fromMs = START_MS + hours++ * HOUR_MS
  const at = (ms: number): string => new Date(ms).toISOString()
  return { fromMs, range: ['--since', at(fromMs), '--until', at(fromMs + HOUR_MS)] }
}

async function write(...entries: readonly AuditEntry[]): Promise<void> {
  await openDecisionLog(connection.database).append(entries, inMs(20_000))
}

async function someDecisions({ fromMs }: Hour, count: number, seed = fromMs): Promise<readonly AuditEntry[]> {
  const dice = createDice(seed)
  const entries = Array.from({ length: count }, () => anyEntry(dice, fromMs, fromMs + 1000))
  await write(...entries)
  return entries
}

interface Page {
  readonly decisions: readonly DecisionRecord[]
  readonly next?: string
}

async function pageOf(...argv: string[]): Promise<Page> {
  const { exitCode, stdout, stderr } = await callout('audit', 'search', ...argv, '--output', 'json')
  assert.equal(exitCode, 0, stderr)
  return JSON.parse(stdout) as Page
}

test('search goes through all pages by their cursors', async () => {
  const hour = anHour()
  const entries = await someDecisions(hour, 25)
  const found: string[] = []
  let cursor: readonly string[] = []
  for (;;) {
    const { decisions, next } = await pageOf(...hour.range, '--limit', '10', ...cursor)
    found.push(...idsOf(decisions))
    if (next === undefined) break
    cursor = ['--cursor', next]
  }
  assert.equal(found.length, 25)
  assert.deepEqual(found.toSorted(), entries.map(({ decision }) => decision.id).toSorted())
})

test('search takes every filter as an option, and a time before now', async () => {
  const hour = anHour()
  const ids = { id: '', decidedAtMs: hour.fromMs }
  const [id, other] = [idAt(hour.fromMs, 1), idAt(hour.fromMs, 2)]
  await write(anEntry(anAllow({ ...ids, id })), anEntry(aDeny({ ...ids, id: other })))
  const both = ['--principal', 'user:corp:alice', '--issuer', 'corp', '--subject', 'alice', '--token-id', 'token-1']
  const where = ['--address', '127.0.0.1', '--server', 'n1']
  const allowed = ['--outcome', 'allow', '--account', 'APP', '--grant', 'g1']
  assert.deepEqual(idsOf((await pageOf(...hour.range, ...both, ...where, ...allowed)).decisions), [id])
  const denied = ['--outcome', 'deny', '--reason', 'locked']
  assert.deepEqual(idsOf((await pageOf(...hour.range, ...both, ...where, ...denied)).decisions), [other])
  assert.deepEqual((await pageOf(...hour.range, '--address', '127.0.0.2')).decisions, [])
  const recent = await callout('audit', 'search', '--since', '-1m', '--principal', 'user:corp:nobody')
  assert.match(recent.stderr, /^callout: nothing since 20.*Z; see --since\n$/)
})

test('search refuses what no decision can hold, and a cursor that no search has shown', async () => {
  const hostile = [
    ['--cursor', "' OR TRUE --"],
    ['--cursor', 'x'.repeat(10_000)],
    ['--principal', 'alice'],
    ['--reason', 'no_such_reason'],
    ['--reason', 'locked', '--outcome', 'allow'],
    ['--subject', ''],
    ['--address', '\u001b[2J'],
    ['--limit', '1001'],
    ['--since', 'yesterday'],
    ['--since', '-1h', '--until', '-2h'],
  ]
  for (const argv of hostile) {
    const { exitCode, stdout, stderr } = await callout('audit', 'search', ...argv)
    assert.deepEqual([exitCode, stdout], [2, ''], stderr)
  }
})

test('what a client sent breaks neither terminal nor spreadsheet, in no format', async () => {
  const hour = anHour()
  const id = idAt(hour.fromMs, 3)
  await write(anEntry(aDeny({ id, decidedAtMs: hour.fromMs })))
  const hostile = '=cmd|\' /C calc\'!A0\n\u001b]0;owned\u0007\u001b[2J\u202eevil\u2066,"x";\r\n+1'
  // As no service writes it: who can write to the database must not reach the terminal of who looks into it either.
  const columns = ['Shard', 'DecidedAt', 'DecisionId', 'Subject', 'ClientHost', 'ClientName'] as const
  const key = [int64Value(3), timestampValue(hour.fromMs), stringValue(id)]
  const row = [...key, stringValue(hostile), stringValue(hostile), stringValue(hostile)]
  await connection.database.commit([replacement('Decisions', columns, [row])], { repeatable: true }, inMs(5000))

  for (const format of ['table', 'json', 'jsonl', 'yaml', 'csv']) {
    const commands = [
      ['audit', 'search', ...hour.range, '--output', format],
      ['audit', 'show', id, '--output', format],
    ]
    if (format !== 'json' && format !== 'yaml')
      commands.push(['audit', 'tail', ...hour.range, '--output', format, '--subject', 'x'])
    for (const argv of commands) {
      const { exitCode, stdout, stderr } = await callout(...argv)
      assert.equal(exitCode, 0, stderr)
      const lines = stdout.replaceAll('\r\n', '\n').replaceAll('\n', '')
      assert.doesNotMatch(lines, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, `${argv.join(' ')}: ${stdout}`)
    }
  }
  const csv = await callout('audit', 'search', ...hour.range, '--output', 'csv')
  assert.equal(csv.stdout.split('\r\n').length, 3)
  assert.match(csv.stdout, /"'=cmd\|/)
  assert.doesNotMatch(csv.stdout, /(?:^|,)"?[=+@]/m)
  const { decisions } = await pageOf(...hour.range)
  assert.equal(decisions[0]?.['Subject'], hostile)
})

test('show says everything of one decision, found by its id alone', async () => {
  const hour = anHour()
  const id = idAt(hour.fromMs, 10)
  await write(anEntry(anAllow({ id, decidedAtMs: hour.fromMs })))
  const text = await callout('audit', 'show', id.toUpperCase())
  assert.match(text.stdout, /^Principal +user:corp:alice$/m)
  assert.match(text.stdout, /^Permissions +\{"publish":/m)
  assert.match(text.stdout, /^RowHash +[0-9a-f]{64}$/m)
  const json = await callout('audit', 'show', id, '--output', 'json')
  assert.deepEqual((JSON.parse(json.stdout) as DecisionRecord)['GrantIds'], ['g1'])
})

test('show of what is not there exits with 3, and of what is no id with 2', async () => {
  const none = await callout('audit', 'show', '018bcfe5-6800-7000-8000-00000000dead')
  assert.deepEqual([none.exitCode, none.stdout, none.stderr], [3, '', 'callout: no decision has this id\n'])
  assert.equal((await callout('audit', 'show', 'alice')).exitCode, 2)
})

test('stats counts by outcome, reason, account and issuer, and says where it stopped', async () => {
  const hour = anHour()
  const entries = await someDecisions(hour, 60)
  const all = await callout('audit', 'stats', ...hour.range, '--output', 'json')
  const counts = JSON.parse(all.stdout) as DecisionCount[]
  const expected = Map.groupBy(entries, ({ decision, issuerId }) =>
    [
      decision.outcome.toUpperCase(),
      decision.outcome === 'deny' ? decision.reason : '',
      decision.outcome === 'allow' ? decision.account : '',
      issuerId ?? '',
    ].join(' '),
  )
  assert.deepEqual(
    counts
      .map(
        ({ outcome, reason = '', account = '', issuer = '', rows }) =>
          `${outcome} ${reason} ${account} ${issuer} ${rows}`,
      )
      .toSorted(),
    [...expected].map(([kind, { length }]) => `${kind} ${length}`).toSorted(),
  )
  assert.equal(all.stderr, '')
  const part = await callout('audit', 'stats', ...hour.range, '--limit', '16', '--output', 'json')
  const counted = (JSON.parse(part.stdout) as DecisionCount[]).reduce((sum, { rows }) => sum + rows, 0)
  assert.ok(counted <= 16)
  assert.match(
    part.stderr,
    /^callout: warning: there is more than --limit 16: earlier decisions than those of 2025-.*Z are/,
  )
})

test('stats counts refusals that are told by the row of another', async () => {
  const hour = anHour()
  const deny = aDeny({ id: idAt(hour.fromMs, 4), decidedAtMs: hour.fromMs })
  await write(anEntry(deny, { repeats: { count: 7, sinceMs: hour.fromMs } }))
  const { stdout } = await callout('audit', 'stats', ...hour.range)
  assert.match(stdout, /^DENY +locked +corp +8 +1$/m)
})

test('each command records who reads and what is asked for, and reads shows it', async () => {
  const hour = anHour()
  const id = idAt(hour.fromMs, 5)
  await write(anEntry(anAllow({ id, decidedAtMs: hour.fromMs })))
  const reader = `auditor ${hour.fromMs}`
  const by = (...argv: string[]): Promise<CommandResult> =>
    runCallout(['audit', ...argv, '--actor', reader], environment())
  await by('search', ...hour.range, '--principal', 'user:corp:alice', '--limit', '5')
  await by('show', id)
  await by('tail', ...hour.range)
  await by('stats', ...hour.range)
  const { stdout } = await by('reads', '--output', 'json')
  const reads = (JSON.parse(stdout) as { reader: string; command: string; query: Record<string, unknown> }[]).filter(
    (read) => read.reader === reader,
  )
  assert.deepEqual(
    reads.map(({ command }) => command),
    ['audit reads', 'audit stats', 'audit tail', 'audit show', 'audit search'],
  )
  assert.deepEqual(reads.at(-1)?.query, {
    since: hour.range[1]?.replace('.000Z', 'Z'),
    until: hour.range[3]?.replace('.000Z', 'Z'),
    principal: 'user:corp:alice',
    limit: 5,
  })
  assert.deepEqual(reads.at(-2)?.query, { id })
})

test('nothing is shown when the read cannot be recorded', async () => {
  await using other = await createTestDatabase(emulator.host)
  await using admin = new DatabaseAdmin({ database: other.name, emulatorHost: emulator.host, clock: systemClock })
  const id = idAt(START_MS, 6)
  await openDecisionLog(other.database).append([anEntry(anAllow({ id, decidedAtMs: START_MS }))], inMs(10_000))
  await admin.updateSchema(['DROP INDEX AuditReadsByTime', 'DROP TABLE AuditReads'], async () => {})
  await configure('unread.yaml', other.name)
  const since = ['--since', new Date(START_MS).toISOString()]
  const exporting = ['export', '--from', new Date(START_MS).toISOString()]
  for (const argv of [
    ['search', ...since],
    ['show', id],
    ['tail', ...since],
    ['stats', ...since],
    ['reads'],
    exporting,
  ]) {
    const { exitCode, stdout, stderr } = await runCallout(['audit', ...argv], environment('unread.yaml'))
    assert.equal(stdout, '')
    assert.notEqual(exitCode, 0)
    assert.match(stderr, /AuditReads/)
  }
})

interface FollowedTail {
  readonly process: ChildProcess
  /** Ids that it has shown, in its order. */
  readonly shown: readonly string[]
  /** Writes decisions of the last seconds to its server, and says their ids. */
  write(count: number): Promise<readonly string[]>
  ended(): Promise<number | null>
}

/** The command in a process of its own; returns when it follows. */
async function followTail({ fromMs }: Hour): Promise<FollowedTail> {
  const name = `n-${fromMs}`
  const argv = ['src/main.ts', 'audit', 'tail', '--follow', '--server', name, '--output', 'jsonl']
  const env = { ...process.env, ...environment() }
  const child = spawn(process.execPath, argv, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const shown: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    shown.push(String((JSON.parse(line) as DecisionRecord)['DecisionId']))
  })
  const dice = createDice(fromMs)
  const tail: FollowedTail = {
    process: child,
    shown,
    async write(count) {
      const nowMs = Math.floor(systemClock.nowMs())
      const entries = Array.from({ length: count }, () => {
        const entry = anyEntry(dice, nowMs - 5000, nowMs)
        return { ...entry, request: { ...entry.request, server: { ...entry.request.server, name } } }
      })
      await write(...entries)
      return entries.map(({ decision }) => decision.id)
    },
    ended: async () => ((await exited) as [number | null])[0],
  }
  const first = await tail.write(1)
  await until('the first decision is shown', 60_000, async () => shown.length === first.length)
  return tail
}

test('tail --follow shows each new decision once, and ends with 0 at Ctrl-C', async () => {
  const tail = await followTail(anHour())
  const written: string[] = []
  for (let round = 0; round < 5; round++) written.push(...(await tail.write(5)))
  await until('every decision is shown', 60_000, async () => tail.shown.length > written.length)
  tail.process.kill('SIGINT')
  assert.equal(await tail.ended(), 0)
  assert.deepEqual(tail.shown.slice(1).toSorted(), written.toSorted())
})

test('tail --follow ends with 0 when nobody reads it any more', async () => {
  const tail = await followTail(anHour())
  tail.process.stdout?.destroy()
  await tail.write(3)
  assert.equal(await tail.ended(), 0)
})

/** A UUIDv7 of this time in this shard. */
function idAt(ms: number, shard: number): string {
  const time = ms.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-00000000000${shard.toString(16)}`
}
