import assert from 'node:assert/strict'
import { once } from 'node:events'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import path from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { upsertion } from '../../../src/spanner/mutation.ts'
import { COMMIT_TIMESTAMP, NULL, stringValue, timestampValue } from '../../../src/spanner/values.ts'
import {
  entriesOf,
  grantOf,
  insertGrantSql,
  policyTables,
  startHistoryWriter,
  TEST_LEASE_MS,
} from '../../support/history.ts'
import type { PolicyTables } from '../../support/history.ts'
import { createTestDatabase, inMs, startOwnEmulator, until } from '../../support/spanner.ts'
import type { TestDatabase } from '../../support/spanner.ts'

let emulator: SpannerEmulator
let connection: TestDatabase
let tables: PolicyTables
const children: ChildProcess[] = []

beforeEach(async () => {
  emulator = await startOwnEmulator()
  connection = await createTestDatabase(emulator.host)
  tables = policyTables(connection)
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  emulator?.signal('SIGCONT')
  await connection?.[Symbol.asyncDispose]()
  await emulator?.stop()
})

function startMemberProcess(): ChildProcess {
  const script = path.join(import.meta.dirname, '../../support/history-member.ts')
  const child = spawn(process.execPath, [script, emulator.host, connection.name], { stdio: 'inherit' })
  children.push(child)
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

async function holder(): Promise<string | undefined> {
  const [row] = await connection.database.query('SELECT Holder FROM ChangeStreamReaders', {}, inMs(5000))
  return row?.[0]?.stringValue ?? undefined
}

/** Each change once: grant and edit of a command that changed three rows. */
async function assertRecordedOnce(edits: number): Promise<void> {
  const rows = await connection.database.query(
    `SELECT EntityId, Actor, Source, CAST(COUNT(*) AS STRING) FROM PolicyHistory GROUP BY EntityId, Actor, Source`,
    {},
    inMs(10_000),
  )
  const wrong = rows.filter((row) => row[1]?.stringValue !== 'ann' || row[3]?.stringValue !== '1')
  assert.deepEqual(wrong, [])
  assert.equal(rows.length, edits * 3)
}

async function edit(index: number): Promise<void> {
  const changes = [0, 1, 2].map((part) => grantOf(`g-${index}-${part}`))
  await tables.admin.edit({ source: 'command', actor: 'ann', reason: 'r', changes })
}

async function recorded(changes: number, withinMs: number): Promise<void> {
  await until(`${changes} changes are in the history`, withinMs, async () => {
    const [row] = await connection.database.query(
      'SELECT CAST(COUNT(*) AS STRING) FROM PolicyHistory',
      {},
      inMs(10_000),
    )
    return Number(row?.[0]?.stringValue) >= changes
  })
}

test(
  'a writer that is killed again and again loses nothing and records nothing twice',
  { timeout: 90_000 },
  async () => {
    const stopping = new AbortController()
    let edits = 0
    const editing = (async () => {
      while (!stopping.signal.aborted) {
        await edit(edits)
        edits += 1
        // On a fast machine there would be more to catch up than there is time for.
        await delay(10)
      }
    })()
    // Times that differ, so that it is killed while it starts, reads and writes.
    for (const livesMs of [500, 1300, 900, 1700, 700, 2100]) {
      const child = startMemberProcess()
      await delay(livesMs)
      await kill(child)
    }
    stopping.abort()
    await editing
    startMemberProcess()
    await recorded(edits * 3, 30_000)
    await assertRecordedOnce(edits)
  },
)

test('what was recorded but not noted as recorded is recorded again without a trace', async () => {
  {
    await using _writer = startHistoryWriter(emulator.host, connection.name)
    for (const index of [0, 1, 2]) await edit(index)
    await recorded(9, 10_000)
  }
  const [row] = await connection.database.query('SELECT MIN(CommittedAt) FROM PolicyHistory', {}, inMs(5000))
  const firstMs = Date.parse(row?.[0]?.stringValue ?? '')
  await setReach(firstMs - 1)
  await using again = startHistoryWriter(emulator.host, connection.name)
  await until('all of it was recorded again', 10_000, async () => again.events.historyChanges >= 9)
  await assertRecordedOnce(3)
})

async function setReach(epochMs: number): Promise<void> {
  const columns = ['Stream', 'Holder', 'LeaseExpiresAt', 'RecordedUntil', 'UpdatedAt']
  const row = [stringValue('PolicyChanges'), NULL, NULL, timestampValue(epochMs), COMMIT_TIMESTAMP]
  await connection.database.commit([upsertion('ChangeStreamReaders', columns, [row])], { repeatable: true }, inMs(5000))
}

test('of two members one writes, and the other goes on when it is killed', async () => {
  const first = startMemberProcess()
  await until('the first holds the lease', 10_000, async () => (await holder()) !== undefined)
  const held = await holder()
  await using second = startHistoryWriter(emulator.host, connection.name)
  await edit(0)
  await recorded(3, 10_000)
  assert.deepEqual(second.events.historyWriters, [])
  await kill(first)
  await edit(1)
  await recorded(6, TEST_LEASE_MS + 10_000)
  assert.notEqual(await holder(), held)
  await assertRecordedOnce(2)
})

test('a member that ends gives its lease back', async () => {
  {
    await using _writer = startHistoryWriter(emulator.host, connection.name)
    await until('it holds the lease', 10_000, async () => (await holder()) !== undefined)
  }
  assert.equal(await holder(), undefined)
})

test('a member that was frozen while another took over records nothing twice and stands by then', async () => {
  const frozen = startMemberProcess()
  await until('it holds the lease', 10_000, async () => (await holder()) !== undefined)
  frozen.kill('SIGSTOP')
  await edit(0)
  await using second = startHistoryWriter(emulator.host, connection.name)
  await recorded(3, TEST_LEASE_MS + 10_000)
  frozen.kill('SIGCONT')
  await edit(1)
  await recorded(6, 10_000)
  await assertRecordedOnce(2)
  assert.deepEqual(second.events.historyWriters, [true])
})

test('an emulator that freezes costs time and no change, and little CPU', async () => {
  await using member = startHistoryWriter(emulator.host, connection.name)
  await edit(0)
  await recorded(3, 10_000)
  emulator.signal('SIGSTOP')
  const [cpu, startedMs] = [process.cpuUsage(), performance.now()]
  await until('the writer noticed', 40_000, async () => member.events.historyFailures.length > 0)
  const { user, system } = process.cpuUsage(cpu)
  const busy = (user + system) / 1000 / (performance.now() - startedMs)
  assert.ok(busy < 0.2, `kept a core ${(busy * 100).toFixed(0)} % busy while waiting`)
  emulator.signal('SIGCONT')
  await edit(1)
  await recorded(6, 30_000)
  await assertRecordedOnce(2)
})

test('ten thousand changes are caught up', { timeout: 240_000 }, async (t) => {
  for (let start = 0; start < 10_000; start += 50) {
    const changes = Array.from({ length: 50 }, (_, index) => ({
      kind: 'role' as const,
      after: { role: `role:bulk-${start + index}`, reason: 'r', createdBy: 'ann' },
    }))
    await tables.admin.edit({ source: 'plan', actor: 'ann', reason: 'r', changes })
  }
  const startedMs = performance.now()
  await using _writer = startHistoryWriter(emulator.host, connection.name)
  await recorded(10_000, 180_000)
  t.diagnostic(`caught up in ${Math.round(performance.now() - startedMs)} ms`)
})

test('changes that the stream no longer has leave a gap that says so, and the history goes on', async () => {
  await setReach(Date.now() - 8 * 24 * 3_600_000)
  await using member = startHistoryWriter(emulator.host, connection.name)
  await until('the gap is noticed', 10_000, async () => member.events.historyGaps.length > 0)
  await tables.sql(insertGrantSql('after-the-gap'))
  const [entry, gap] = await entriesOf(tables.history, 'after-the-gap', 2)
  assert.deepEqual([entry?.change, gap?.change], ['added', 'gap'])
  assert.match(gap?.reason ?? '', /are not known/)
})
