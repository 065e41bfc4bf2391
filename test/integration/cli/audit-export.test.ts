import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { open, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { AuditEntry } from '../../../src/core/audit-entry.ts'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { systemClock } from '../../../src/service/clock.ts'
import type { DecisionRecord } from '../../../src/service/decision-search.ts'
import { replacement } from '../../../src/spanner/mutation.ts'
import { STORED_DECISION_COLUMNS } from '../../../src/spanner/schema.ts'
import { int64Value, stringValue, timestampValue } from '../../../src/spanner/values.ts'
import { aDeny, anEntry } from '../../contract/stored-rows.ts'
import { createDice } from '../../fuzz/dice.ts'
import { allDecisions, anyEntry, idsOf } from '../../support/decisions.ts'
import { ecsProblems } from '../../support/ecs-fields.ts'
import { grantOf, insertGrantSql, policyTables, startHistoryWriter } from '../../support/history.ts'
import { ocsfProblems } from '../../support/ocsf-schema.ts'
import { writeThroughSpool } from '../../support/spooled-rows.ts'
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
  folder = await mkdtemp(join(tmpdir(), 'callout-export-'))
  emulator = await startOwnEmulator()
  connection = await createTestDatabase(emulator.host)
  await writeFile(join(folder, 'callout.yaml'), configWith({ 'store.url': `spanner://${connection.name}` }))
})
after(async () => {
  await connection?.[Symbol.asyncDispose]()
  await emulator?.stop()
  await rm(folder, { recursive: true, force: true })
})

function environment(): Record<string, string> {
  return { CALLOUT_CONFIG: join(folder, 'callout.yaml'), SPANNER_EMULATOR_HOST: emulator.host }
}

function exporting(...argv: string[]): Promise<CommandResult> {
  return runCallout(['audit', 'export', '--actor', 'ann', ...argv], environment())
}

async function exported(...argv: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await exporting(...argv)
  assert.equal(exitCode, 0, stderr)
  return stdout
}

interface Hour {
  readonly fromMs: number
  readonly from: readonly string[]
  readonly range: readonly string[]
}

function anHour(): Hour {
  const fromMs = START_MS + hours++ * HOUR_MS
  const at = (ms: number): string => new Date(ms).toISOString()
  const from = ['--from', at(fromMs)]
  return { fromMs, from, range: [...from, '--to', at(fromMs + HOUR_MS)] }
}

async function write(...entries: readonly AuditEntry[]): Promise<void> {
  await openDecisionLog(connection.database).append(entries, inMs(20_000))
}

function someEntries({ fromMs }: Hour, count: number, seed = fromMs): readonly AuditEntry[] {
  const dice = createDice(seed)
  return Array.from({ length: count }, () => anyEntry(dice, fromMs, fromMs + 60_000))
}

function linesOf(text: string): readonly DecisionRecord[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as DecisionRecord)
}

/** What is in the table of this hour, oldest first. */
async function storedOf({ fromMs }: Hour): Promise<readonly DecisionRecord[]> {
  const all = await allDecisions(connection.database)
  return all
    .filter(({ DecidedAt: at }) => Date.parse(String(at)) >= fromMs && Date.parse(String(at)) < fromMs + HOUR_MS)
    .toReversed()
}

/** The command as a process of its own. */
function start(argv: readonly string[], stdout: 'pipe' | number): ChildProcess {
  return spawn(process.execPath, ['src/main.ts', 'audit', 'export', ...argv], {
    env: { ...process.env, ...environment() },
    stdio: ['ignore', stdout, 'inherit'],
  })
}

test('every format has every row once, oldest first', async () => {
  const hour = anHour()
  await write(...someEntries(hour, 230))
  const stored = await storedOf(hour)
  const ids = idsOf(stored)
  assert.equal(ids.length, 230)

  assert.deepEqual(linesOf(await exported(...hour.range)), stored)

  const [heading, ...rows] = (await exported(...hour.range, '--format', 'csv')).trimEnd().split('\r\n')
  assert.equal(heading, STORED_DECISION_COLUMNS.join(','))
  assert.deepEqual(
    rows.map((row) => /\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}\b/.exec(row)?.[0]),
    ids,
  )

  const documents = linesOf(await exported(...hour.range, '--format', 'ecs'))
  assert.deepEqual(
    documents.map((document) => (document['event'] as { id: string }).id),
    ids,
  )
  assert.deepEqual(documents.flatMap(ecsProblems), [])

  const events = linesOf(await exported(...hour.range, '--format', 'ocsf'))
  assert.deepEqual(events.flatMap(ocsfProblems), [])
  const idsOfClass = (classUid: number): readonly string[] =>
    events
      .filter((event) => event['class_uid'] === classUid)
      .map((event) => (event['metadata'] as { original_event_uid: string }).original_event_uid)
  assert.deepEqual(idsOfClass(3002), ids)
  assert.deepEqual(idsOfClass(3003), idsOf(stored.filter((record) => record['Outcome'] === 'ALLOW')))
})

test('a filter holds for an export, and the read is recorded with it', async () => {
  const hour = anHour()
  await write(...someEntries(hour, 60))
  const denied = linesOf(await exported(...hour.range, '--outcome', 'deny'))
  const stored = (await storedOf(hour)).filter((record) => record['Outcome'] === 'DENY')
  assert.deepEqual(idsOf(denied), idsOf(stored))
  const { stdout } = await runCallout(['audit', 'reads', '--output', 'json'], environment())
  const reads = JSON.parse(stdout) as { reader: string; command: string; query: Record<string, unknown> }[]
  const read = reads.find(({ query }) => Date.parse(String(query['since'])) === hour.fromMs)
  assert.deepEqual([read?.reader, read?.command], ['ann', 'audit export'])
  assert.deepEqual([read?.query['format'], read?.query['outcome']], ['jsonl', 'deny'])
})

test('an export that is run again by its cursor has neither a row nor its headings twice', async () => {
  const hour = anHour()
  await write(...someEntries(hour, 5))
  const argv = [...hour.range, '--format', 'csv', '--cursor', join(folder, `again-${hour.fromMs}.cursor`)]
  assert.equal((await exported(...argv)).split('\r\n').length, 7)
  assert.equal(await exported(...argv), '')
})

test('a late row of the last hour, and one of the last days that was in a spool, is exported by the next run', async () => {
  const nowMs = Math.floor(systemClock.nowMs())
  const server = `late-${nowMs}`
  const atServer = (entry: AuditEntry): AuditEntry => ({
    ...entry,
    request: { ...entry.request, server: { ...entry.request.server, name: server } },
  })
  const dice = createDice(nowMs)
  const argv = ['--from', '-48h', '--server', server, '--cursor', join(folder, `${server}.cursor`)]
  const first = Array.from({ length: 5 }, () => atServer(anyEntry(dice, nowMs - 1000, nowMs)))
  await write(...first)
  const ids = (entries: readonly AuditEntry[]): readonly string[] =>
    entries.map(({ decision }) => decision.id).toSorted()
  assert.deepEqual(idsOf(linesOf(await exported(...argv))).toSorted(), ids(first))
  const spooled = Array.from({ length: 5 }, () => atServer(anyEntry(dice, nowMs - 40 * HOUR_MS, nowMs - 30 * HOUR_MS)))
  await writeThroughSpool(connection.database, spooled)
  const late = Array.from({ length: 5 }, () => atServer(anyEntry(dice, nowMs - HOUR_MS / 2, nowMs - HOUR_MS / 4)))
  await write(...late)
  assert.deepEqual(idsOf(linesOf(await exported(...argv))).toSorted(), ids([...spooled, ...late]))
  assert.equal(await exported(...argv), '')
})

test('an export that is killed goes on without a gap, time and again', async () => {
  const hour = anHour()
  const entries = someEntries(hour, 700)
  for (let at = 0; at < entries.length; at += 100) await write(...entries.slice(at, at + 100))
  const cursor = join(folder, `killed-${hour.fromMs}.cursor`)
  const file = join(folder, `killed-${hour.fromMs}.jsonl`)
  const argv = [...hour.range, '--cursor', cursor]
  let kills = 0
  for (;;) {
    const output = await open(file, 'a')
    const child = start(argv, output.fd)
    const exited = once(child, 'exit') as Promise<[number | null]>
    const before = await readFile(cursor, 'utf8').catch(() => '')
    // Killed once it has got on, at any point of the part after that.
    const killed = until('the cursor moves or the export ends', 60_000, async () => {
      const now = await readFile(cursor, 'utf8').catch(() => '')
      return child.exitCode !== null || now !== before
    }).then(() => kills++ < 4 && child.kill('SIGKILL'))
    const [code] = await exited
    await killed
    await output.close()
    if (code === 0) break
  }
  const found = idsOf(linesOf(completeLines(await readFile(file, 'utf8'))))
  const distinct = [...new Set(found)]
  assert.deepEqual(distinct, idsOf(await storedOf(hour)))
})

/** A process that is killed may leave a part of a line; the next one goes on with a whole one behind it. */
function completeLines(text: string): string {
  return text
    .split('\n')
    .flatMap((line) => line.split(/(?=\{"Shard":)/))
    .filter((line) => isJson(line))
    .join('\n')
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

test('a cursor of another export, and what is none, are refused', async () => {
  const hour = anHour()
  const file = join(folder, `refused-${hour.fromMs}.cursor`)
  await exported(...hour.range, '--cursor', file)
  for (const other of [
    ['--format', 'csv'],
    ['--server', 'n1'],
    ['--outcome', 'deny'],
  ]) {
    const { exitCode, stdout, stderr } = await exporting(...hour.range, '--cursor', file, ...other)
    assert.deepEqual([exitCode, stdout], [2, ''])
    assert.match(stderr, /is of another export/)
  }
  for (const content of [
    '',
    '{}',
    '[]',
    'null',
    '\u001b[2J',
    JSON.stringify({ version: 'callout audit export 1', sinceMs: 0 }),
  ]) {
    await writeFile(file, content)
    const { exitCode, stdout, stderr } = await exporting(...hour.range, '--cursor', file)
    assert.deepEqual([exitCode, stdout], [2, ''], content)
    assert.match(stderr, /is no cursor of an export/)
  }
  assert.equal((await exporting(...hour.range, '--follow')).exitCode, 2)
  assert.equal((await exporting('--from', 'yesterday')).exitCode, 2)
})

test('an export that is followed has each new decision, and ends with 0 at SIGTERM', async () => {
  const nowMs = Math.floor(systemClock.nowMs())
  const server = `followed-${nowMs}`
  const child = start(['--from', '-10m', '--server', server, '--follow', '--format', 'ecs'], 'pipe')
  const exited = once(child, 'exit') as Promise<[number | null]>
  const shown: string[] = []
  const reading = (async () => {
    let rest = ''
    for await (const chunk of child.stdout?.setEncoding('utf8') ?? []) {
      const lines = (rest + String(chunk)).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) shown.push((JSON.parse(line) as { event: { id: string } }).event.id)
    }
  })()
  const dice = createDice(nowMs)
  const written: string[] = []
  for (let round = 0; round < 4; round++) {
    const atMs = Math.floor(systemClock.nowMs())
    const entries = Array.from({ length: 5 }, () => {
      const entry = anyEntry(dice, atMs - 5000, atMs)
      return { ...entry, request: { ...entry.request, server: { ...entry.request.server, name: server } } }
    })
    await write(...entries)
    written.push(...entries.map(({ decision }) => decision.id))
    await until('all are exported', 60_000, async () => written.every((id) => shown.includes(id)))
  }
  child.kill('SIGTERM')
  const [code] = await exited
  await reading
  assert.equal(code, 0)
  assert.deepEqual(shown.toSorted(), written.toSorted())
})

test('an export whose reader has seen enough ends with 0', async () => {
  const hour = anHour()
  for (let at = 0; at < 3; at++) await write(...someEntries(hour, 100, hour.fromMs + at))
  const child = start(hour.range, 'pipe')
  const exited = once(child, 'exit') as Promise<[number | null]>
  // Leaving the loop closes the pipe, which holds less than there is.
  for await (const chunk of child.stdout ?? []) if (String(chunk) !== '') break
  const [code] = await exited
  assert.equal(code, 0)
})

test('changes of policy are exported in the order of their commits, in every format, and go on by a cursor', async () => {
  await using tables = await createTestDatabase(emulator.host)
  await using _member = startHistoryWriter(emulator.host, tables.name)
  const env = { ...environment(), CALLOUT_CONFIG: join(folder, 'changes.yaml') }
  await writeFile(env.CALLOUT_CONFIG, configWith({ 'store.url': `spanner://${tables.name}` }))
  const policy = policyTables(tables)
  const changes = async (...argv: string[]): Promise<string> => {
    const result = await runCallout(['audit', 'export', '--kind', 'grants', '--actor', 'ann', ...argv], env)
    assert.equal(result.exitCode, 0, result.stderr)
    return result.stdout
  }
  const recordedUntilNow = async (): Promise<void> => {
    const nowMs = systemClock.nowMs()
    const isRecorded = async (): Promise<boolean> => Date.parse((await policy.history.reach()).recordedUntil) > nowMs
    await until('the history has everything', 60_000, isRecorded)
  }
  await policy.sql(insertGrantSql('g1'))
  await policy.admin.edit({
    changes: [grantOf('g2', 'orders.=cmd')],
    source: 'command',
    reason: 'ticket',
    actor: 'ann',
  })
  await recordedUntilNow()
  const cursor = ['--format', 'ocsf', '--cursor', join(folder, 'changes.cursor')]
  const events = linesOf(await changes(...cursor))
  assert.deepEqual(events.flatMap(ocsfProblems), [])
  assert.deepEqual(
    events.map((event) => [event['type_uid'], event['status_code']]),
    [
      [300501, 'grant added'],
      [300501, 'grant added'],
    ],
  )
  const ids = linesOf(await changes()).map((entry) => entry['id'])
  assert.equal(new Set(ids).size, 2)
  assert.equal((await changes('--format', 'csv')).split('\r\n').length, 4)
  assert.deepEqual(linesOf(await changes('--format', 'ecs')).flatMap(ecsProblems), [])
  assert.equal(linesOf(await changes('--grant', 'g2')).length, 1)

  assert.equal(await changes(...cursor), '')
  await policy.sql(`DELETE FROM Grants WHERE GrantId = 'g1'`)
  await recordedUntilNow()
  const more = linesOf(await changes(...cursor))
  assert.deepEqual(
    more.map((event) => [event['type_uid'], event['status_code']]),
    [[300502, 'grant removed']],
  )
  const refused = await runCallout(['audit', 'export', '--kind', 'grants', '--server', 'n1'], env)
  assert.deepEqual([refused.exitCode, refused.stdout], [2, ''])
})

test('hostile text breaks neither terminal nor spreadsheet nor line, in no format', async () => {
  const hour = anHour()
  const time = hour.fromMs.toString(16).padStart(12, '0')
  const id = `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000003`
  await write(anEntry(aDeny({ id, decidedAtMs: hour.fromMs })))
  const hostile = '=cmd|\' /C calc\'!A0\n\u001b]0;owned\u0007\u001b[2J\u202eevil\u2066,"x";\r\n+1'
  const columns = ['Shard', 'DecidedAt', 'DecisionId', 'Principal', 'Subject', 'ClientHost', 'ClientName'] as const
  const key = [int64Value(3), timestampValue(hour.fromMs), stringValue(id)]
  const row = [...key, ...Array.from({ length: 4 }, () => stringValue(hostile))]
  await connection.database.commit([replacement('Decisions', columns, [row])], { repeatable: true }, inMs(5000))
  for (const format of ['jsonl', 'csv', 'ocsf', 'ecs']) {
    const text = await exported(...hour.range, '--format', format)
    const lines = text.replaceAll('\r\n', '\n').trimEnd().split('\n')
    assert.equal(lines.length, format === 'csv' ? 2 : 1)
    assert.doesNotMatch(lines.join(''), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    if (format === 'csv') assert.doesNotMatch(text, /(?:^|,)"?[=+@]/m)
    else assert.ok(JSON.stringify(JSON.parse(text)).includes(JSON.stringify(hostile).slice(1, -1)))
  }
})
