import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { systemClock } from '../../../src/service/clock.ts'
import { exportDecisions, LATE_EVERY_MS, type ExportState } from '../../../src/service/decision-export.ts'
import type { DecisionSearch } from '../../../src/service/decision-search.ts'
import { LOOK_BACK_MS } from '../../../src/service/decision-tail.ts'
import { createDecisionSearch } from '../../../src/spanner/decision-search.ts'
import { createDice } from '../../fuzz/dice.ts'
import { anyEntry, idsOf } from '../../support/decisions.ts'
import {
  createTestDatabase,
  inMs,
  openDecisionLog,
  startOwnEmulator,
  type TestDatabase,
} from '../../support/spanner.ts'

let emulator: SpannerEmulator
let connection: TestDatabase
let search: DecisionSearch
let servers = 0

before(async () => {
  emulator = await startOwnEmulator()
  connection = await createTestDatabase(emulator.host)
  search = createDecisionSearch({ database: connection.database, clock: systemClock })
})
after(async () => {
  await connection?.[Symbol.asyncDispose]()
  await emulator?.stop()
})

/** Writes decisions at a server that no other test has, made so long ago. */
function writer(): {
  readonly serverName: string
  readonly write: (count: number, agoMs: number) => Promise<readonly string[]>
} {
  const serverName = `n-${(servers += 1)}`
  const dice = createDice(servers)
  const log = openDecisionLog(connection.database)
  return {
    serverName,
    async write(count, agoMs) {
      const atMs = Math.floor(systemClock.nowMs()) - agoMs
      const entries = Array.from({ length: count }, () => {
        const entry = anyEntry(dice, atMs - 1000, atMs)
        return { ...entry, request: { ...entry.request, server: { ...entry.request.server, name: serverName } } }
      })
      await log.append(entries, inMs(30_000))
      return entries.map(({ decision }) => decision.id)
    },
  }
}

test('a followed export has a row at once that comes in time, and a late one with the look for late ones', async () => {
  const { serverName, write } = writer()
  const ending = new AbortController()
  const found: string[] = []
  let monotonicMs = 0
  const script = [
    async () => {
      assert.deepEqual(found.splice(0), first)
      inTime = await write(3, 5000)
      late = await write(3, LOOK_BACK_MS * 3)
    },
    async () => {
      assert.deepEqual(found.splice(0).toSorted(), inTime.toSorted())
      monotonicMs += LATE_EVERY_MS
    },
    async () => {
      assert.deepEqual(found.splice(0).toSorted(), late.toSorted())
      monotonicMs += LATE_EVERY_MS
    },
    async () => {
      assert.deepEqual(found, [])
      ending.abort()
    },
  ]
  let inTime: readonly string[] = []
  let late: readonly string[] = []
  const first = [...(await write(1, 5000))]
  const follow = {
    monotonicMs: () => monotonicMs,
    pause: async () => script.shift()?.(),
    signal: ending.signal,
  }
  for await (const { records } of exportDecisions({ search, filter: { serverName }, state: {}, follow }))
    found.push(...idsOf(records))
  assert.deepEqual(script, [])
})

test('an export that is ended behind any part, and goes on from its state, has every row', async () => {
  const { serverName, write } = writer()
  const written = [...(await write(150, 1000)), ...(await write(150, 60_000)), ...(await write(150, 2000))]
  const found: string[] = []
  let state: ExportState = {}
  /** Goes on from the state, ends behind so many parts, and says whether it came to its end. */
  const run = async (parts: number): Promise<boolean> => {
    let left = parts
    for await (const part of exportDecisions({ search, filter: { serverName }, state })) {
      found.push(...idsOf(part.records))
      state = part.state
      if (--left === 0) return false
    }
    return true
  }
  assert.equal(await run(1), false)
  written.push(...(await write(50, 90_000)))
  assert.equal(await run(1), false)
  written.push(...(await write(50, 1000)))
  for (let parts = 1; parts < 4; parts++) await run(parts)
  assert.equal(await run(Number.POSITIVE_INFINITY), true)
  assert.deepEqual(found.toSorted(), written.toSorted())
})

test('what a killed follower did not look for, as it was late, is exported by the next run', async () => {
  const { serverName, write } = writer()
  const written = [...(await write(5, 1000))]
  const found: string[] = []
  let state: ExportState = {}
  let pauses = 0
  let late: readonly string[] = []
  const ending = new AbortController()
  const follow = {
    monotonicMs: () => 0,
    async pause() {
      pauses += 1
      if (pauses === 1) late = await write(5, LOOK_BACK_MS * 2)
      else ending.abort()
    },
    signal: ending.signal,
  }
  for await (const part of exportDecisions({ search, filter: { serverName }, state, follow })) {
    found.push(...idsOf(part.records))
    state = part.state
  }
  assert.deepEqual(found.toSorted(), written.toSorted())
  for await (const part of exportDecisions({ search, filter: { serverName }, state }))
    found.push(...idsOf(part.records))
  assert.deepEqual(found.toSorted(), [...written, ...late].toSorted())
})
