import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { systemClock } from '../../../src/service/clock.ts'
import type { DecisionFilter, DecisionSearch } from '../../../src/service/decision-search.ts'
import { LOOK_BACK_MS, tailDecisions } from '../../../src/service/decision-tail.ts'
import { createDecisionSearch } from '../../../src/spanner/decision-search.ts'
import { createDice } from '../../fuzz/dice.ts'
import { anyEntry, idsOf } from '../../support/decisions.ts'
import { writeThroughSpool } from '../../support/spooled-rows.ts'
import {
  createTestDatabase,
  inMs,
  openDecisionLog,
  startOwnEmulator,
  type TestDatabase,
} from '../../support/spanner.ts'

const seed = fc.sample(fc.nat(), 1)[0] ?? 0
let emulator: SpannerEmulator
let connection: TestDatabase
let search: DecisionSearch

before(async () => {
  emulator = await startOwnEmulator()
  connection = await createTestDatabase(emulator.host)
  search = createDecisionSearch({ database: connection.database, clock: systemClock })
})
after(async () => {
  await connection?.[Symbol.asyncDispose]()
  await emulator?.stop()
})

/** Decisions of the last seconds, at one server, as several services write them: late, and in another order. */
function writer(serverName: string, diceSeed: number): (count: number) => Promise<string[]> {
  const log = openDecisionLog(connection.database)
  const dice = createDice(diceSeed)
  return async (count) => {
    const nowMs = Math.floor(systemClock.nowMs())
    const entries = Array.from({ length: count }, () => {
      const entry = anyEntry(dice, nowMs - 10_000, nowMs)
      return { ...entry, request: { ...entry.request, server: { ...entry.request.server, name: serverName } } }
    })
    await log.append(entries, inMs(30_000))
    return entries.map(({ decision }) => decision.id)
  }
}

interface Tail {
  readonly shown: readonly string[]
  /** Lets it look once more, and waits until it has. */
  look(): Promise<void>
  end(): Promise<void>
}

/** Runs a tail that looks when it is told to. */
async function startTail(filter: DecisionFilter, newest: number): Promise<Tail> {
  const shown: string[] = []
  const ending = new AbortController()
  let next = Promise.withResolvers<void>()
  let looked = Promise.withResolvers<void>()
  const pause = async (): Promise<void> => {
    looked.resolve()
    await next.promise
    next = Promise.withResolvers()
  }
  const running = (async () => {
    for await (const records of tailDecisions({ search, filter, newest, pause, signal: ending.signal }))
      shown.push(...idsOf(records))
  })()
  await Promise.race([looked.promise, running])
  return {
    shown,
    async look() {
      looked = Promise.withResolvers()
      next.resolve()
      await Promise.race([looked.promise, running])
    },
    async end() {
      ending.abort()
      next.resolve()
      await running
    },
  }
}

test(`each decision is shown once, also while several services write (seed ${seed})`, async () => {
  const [one, other] = [writer('tail-1', seed), writer('tail-1', seed + 1)]
  const written = await one(12)
  const tail = await startTail({ serverName: 'tail-1' }, 5)
  assert.equal(tail.shown.length, 5)
  const before = tail.shown.slice()
  const later: string[] = []
  for (let round = 0; round < 4; round++) {
    const [, a, b] = await Promise.all([tail.look(), one(10), other(10)])
    later.push(...a, ...b)
  }
  await tail.look()
  await tail.end()
  assert.deepEqual(tail.shown.slice(5).toSorted(), later.toSorted())
  assert.ok(before.every((id) => written.includes(id)))
})

test('a decision that becomes readable late is shown, and one that does so much later is not', async () => {
  const tail = await startTail({ serverName: 'tail-2' }, 5)
  const log = openDecisionLog(connection.database)
  const write = async (agoMs: number, digit: number): Promise<string> => {
    const decidedAtMs = Math.floor(systemClock.nowMs()) - agoMs
    const entry = anyEntry(createDice(digit), decidedAtMs, decidedAtMs + 1)
    const { request } = entry
    await log.append([{ ...entry, request: { ...request, server: { ...request.server, name: 'tail-2' } } }], inMs(9000))
    return entry.decision.id
  }
  const late = await write(LOOK_BACK_MS / 2, 1)
  await write(LOOK_BACK_MS * 3, 2)
  await tail.look()
  await tail.end()
  assert.deepEqual(tail.shown, [late])
})

test('a decision that was in a spool is shown when it comes, however long it was there', async () => {
  const tail = await startTail({ serverName: 'tail-4' }, 5)
  const written = [1000, LOOK_BACK_MS, LOOK_BACK_MS * 3, 3_600_000 * 24].map((agoMs, digit) => {
    const decidedAtMs = Math.floor(systemClock.nowMs()) - agoMs
    const entry = anyEntry(createDice(digit), decidedAtMs, decidedAtMs + 1)
    return { ...entry, request: { ...entry.request, server: { ...entry.request.server, name: 'tail-4' } } }
  })
  await writeThroughSpool(connection.database, written)
  await tail.look()
  await tail.look()
  await tail.end()
  assert.deepEqual(tail.shown, written.map(({ decision }) => decision.id).toReversed())
})

test('a tail that is not followed ends after the newest, oldest of them first', async () => {
  const ids = await writer('tail-3', seed + 2)(20)
  const shown: string[] = []
  const pause = (): Promise<void> => assert.fail('it waits')
  for await (const records of tailDecisions({ search, filter: { serverName: 'tail-3' }, newest: 7, pause }))
    shown.push(...idsOf(records))
  assert.equal(shown.length, 7)
  const times = (of: readonly string[]): string[] => of.map((id) => id.slice(0, 13))
  assert.deepEqual(times(shown), times(ids).toSorted().slice(-7))
})
