import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { systemClock } from '../../../src/service/clock.ts'
import type {
  DecisionFilter,
  DecisionPosition,
  DecisionRecord,
  DecisionSearch,
  SearchOrder,
} from '../../../src/service/decision-search.ts'
import { SEARCH_ORDERS } from '../../../src/service/decision-search.ts'
import type { DecisionLog } from '../../../src/service/ports.ts'
import { AUDIT_STATEMENTS } from '../../../src/spanner/audit-statement-list.ts'
import { createDecisionSearch } from '../../../src/spanner/decision-search.ts'
import { readsStoredRows } from '../../../src/spanner/query-plan.ts'
import { replacement } from '../../../src/spanner/mutation.ts'
import { int64Value, stringValue, timestampValue } from '../../../src/spanner/values.ts'
import { createDice } from '../../fuzz/dice.ts'
import { NOW_MS } from '../../support/builders.ts'
import { allDecisions, anyEntry, ASKED, idsOf, isAskedFor } from '../../support/decisions.ts'
import {
  createTestDatabase,
  inMs,
  openDecisionLog,
  startOwnEmulator,
  type TestDatabase,
} from '../../support/spanner.ts'

const seed = fc.sample(fc.nat(), 1)[0] ?? 0
const ROWS = 300
const FIELDS = Object.keys(ASKED) as (keyof typeof ASKED)[]
/** The rows are of these milliseconds; times outside are for what a test writes itself. */
const FROM_MS = NOW_MS
const UNTIL_MS = NOW_MS + 100

let emulator: SpannerEmulator
let connection: TestDatabase
let log: DecisionLog
let search: DecisionSearch
let rows: readonly DecisionRecord[]

before(async () => {
  emulator = await startOwnEmulator()
  connection = await createTestDatabase(emulator.host)
  log = openDecisionLog(connection.database)
  search = createDecisionSearch({ database: connection.database, clock: systemClock })
  await write(createDice(seed), ROWS, FROM_MS, UNTIL_MS)
  rows = await allDecisions(connection.database)
})
after(async () => {
  await connection?.[Symbol.asyncDispose]()
  await emulator?.stop()
})

async function write(dice: ReturnType<typeof createDice>, count: number, fromMs: number, untilMs: number) {
  for (let written = 0; written < count; written += 50) {
    const entries = Array.from({ length: Math.min(50, count - written) }, () => anyEntry(dice, fromMs, untilMs))
    await log.append(entries, inMs(20_000))
  }
}

/** All pages of so many rows; `between` is done after each. */
async function walk(
  filter: DecisionFilter,
  order: SearchOrder,
  limit: number,
  between = async (): Promise<void> => {},
): Promise<string[]> {
  const found: string[] = []
  let after: DecisionPosition | undefined
  for (;;) {
    const page = await search.page({ filter, order, limit, ...(after !== undefined && { after }) })
    assert.ok(page.records.length <= limit)
    assert.equal(page.end === undefined, page.records.length === 0)
    found.push(...idsOf(page.records))
    if (!page.hasMore) return found
    after = page.end
    await between()
  }
}

function expected(filter: DecisionFilter): string[] {
  return idsOf(rows.filter((row) => isAskedFor(row, filter)))
}

/** A filter of each field alone, and of each two, with values of the dice. */
const dice = createDice(seed)
const within = { sinceMs: FROM_MS, untilMs: UNTIL_MS }
const alone: readonly DecisionFilter[] = FIELDS.map((field) => ({ ...within, [field]: dice.pick(ASKED[field]) }))
const pairs: readonly DecisionFilter[] = FIELDS.flatMap((a, index) =>
  FIELDS.slice(index + 1).map((b) => ({ ...within, [a]: dice.pick(ASKED[a]), [b]: dice.pick(ASKED[b]) })),
)

for (const field of FIELDS) {
  test(`a search by ${field} finds what a look at every row finds`, async () => {
    for (const value of ASKED[field]) {
      const filter: DecisionFilter = { ...within, [field]: value }
      assert.deepEqual(await walk(filter, 'newest first', 1000), expected(filter), value)
    }
  })
}

test(`a search by two things, or by times, finds what a look at every row finds (seed ${seed})`, async () => {
  const times = Array.from({ length: 5 }, () => {
    const sinceMs = FROM_MS + dice.below(100)
    return { sinceMs, untilMs: sinceMs + dice.below(60) }
  })
  for (const filter of [...pairs, ...times.map((time) => ({ ...dice.pick(alone), ...time }))])
    assert.deepEqual(await walk(filter, 'newest first', 1000), expected(filter), JSON.stringify(filter))
})

test(`pages of any size, in both orders, are the whole (seed ${seed})`, async () => {
  const keyed = alone.filter((filter) => 'principal' in filter || 'grantId' in filter || 'address' in filter)
  const walks: readonly [DecisionFilter, number][] = [
    [within, 130],
    [{ ...within, outcome: 'deny' }, 60],
    ...keyed.map((filter): [DecisionFilter, number] => [filter, dice.pick([7, 20, 33])]),
  ]
  for (const [filter, limit] of walks) {
    for (const order of SEARCH_ORDERS) {
      const whole = expected(filter)
      if (order === 'oldest first') whole.reverse()
      assert.deepEqual(await walk(filter, order, limit), whole, `${order} by ${limit}: ${JSON.stringify(filter)}`)
    }
  }
})

test(`a walk over pages has each row once that was there when it began, whatever is written meanwhile (seed ${seed})`, async () => {
  const era = { sinceMs: NOW_MS - 10_000, untilMs: NOW_MS - 9_000 }
  await write(createDice(seed + 1), 100, era.sinceMs, era.untilMs)
  const before = await walk(era, 'newest first', 1000)
  assert.equal(before.length, 100)
  const writing = createDice(seed + 2)
  for (const order of SEARCH_ORDERS) {
    const found = await walk(era, order, 30, () => write(writing, 5, era.sinceMs, era.untilMs))
    assert.equal(new Set(found).size, found.length)
    const old = found.filter((id) => before.includes(id))
    assert.deepEqual(order === 'newest first' ? old : old.toReversed(), before)
  }
})

test('a decision is found by its id alone', async () => {
  for (const row of rows.slice(0, 20)) assert.deepEqual(await search.find(String(row['DecisionId'])), row)
  assert.equal(await search.find('018bcfe5-6800-7000-8000-00000000dead'), undefined)
})

test('what is committed until now is readable, and what comes later is found by that time', async () => {
  const era = { sinceMs: NOW_MS - 30_000, untilMs: NOW_MS - 20_000 }
  await write(createDice(seed + 3), 5, era.sinceMs, era.untilMs)
  const committedAfter = await search.readableUntil()
  const earlier = await walk(era, 'newest first', 100)
  await write(createDice(seed + 4), 5, era.sinceMs, era.untilMs)
  const later = await walk({ ...era, committedAfter }, 'oldest first', 100)
  assert.equal(earlier.length, 5)
  assert.equal(later.length, 5)
  assert.deepEqual(
    later.filter((id) => earlier.includes(id)),
    [],
  )
})

for (const { name, sql, parameters } of AUDIT_STATEMENTS) {
  test(`the emulator takes the statement: ${name}`, async () => {
    assert.ok((await connection.database.query(sql, parameters, inMs(10_000))).length <= 1)
  })
}

test('the emulator makes no plan of a statement', async () => {
  const [{ sql, parameters } = { sql: '', parameters: {} }] = AUDIT_STATEMENTS
  assert.equal(readsStoredRows(await connection.database.plan(sql, parameters, inMs(10_000))), false)
})

test('a row with a number that no service writes is found as any other, and hides no row beside it', async () => {
  const decidedAtMs = NOW_MS - 50_000
  const range = { sinceMs: decidedAtMs, untilMs: decidedAtMs + 1 }
  await write(createDice(seed + 5), 3, range.sinceMs, range.untilMs)
  const [{ Shard: shard, DecisionId: id } = {}] = (
    await search.page({ filter: range, order: 'newest first', limit: 1 })
  ).records
  const columns = ['Shard', 'DecidedAt', 'DecisionId', 'ConnectionId'] as const
  const key = [int64Value(Number(shard)), timestampValue(decidedAtMs), stringValue(String(id))]
  const huge = { stringValue: String(2n ** 62n) }
  await connection.database.commit(
    [replacement('Decisions', columns, [[...key, huge]])],
    { repeatable: true },
    inMs(9000),
  )
  assert.equal((await walk(range, 'newest first', 100)).length, 3)
  assert.equal((await search.find(String(id)))?.['ConnectionId'], String(2n ** 62n))
})
