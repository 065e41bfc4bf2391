import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { systemClock } from '../../../src/service/clock.ts'
import type { AuditEntry } from '../../../src/core/audit-entry.ts'
import { exportDecisions, LATE_EVERY_MS, LATE_MAX_MS, type ExportState } from '../../../src/service/decision-export.ts'
import type { DecisionSearch } from '../../../src/service/decision-search.ts'
import { LOOK_BACK_MS } from '../../../src/service/decision-tail.ts'
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
  /** The same, out of the spool of a service. */
  readonly replay: (count: number, agoMs: number) => Promise<readonly string[]>
} {
  const serverName = `n-${(servers += 1)}`
  const dice = createDice(servers)
  const log = openDecisionLog(connection.database)
  const someEntries = (count: number, agoMs: number): readonly AuditEntry[] => {
    const atMs = Math.floor(systemClock.nowMs()) - agoMs
    return Array.from({ length: count }, () => {
      const entry = anyEntry(dice, atMs - 1000, atMs)
      return { ...entry, request: { ...entry.request, server: { ...entry.request.server, name: serverName } } }
    })
  }
  return {
    serverName,
    async write(count, agoMs) {
      const entries = someEntries(count, agoMs)
      await log.append(entries, inMs(30_000))
      return entries.map(({ decision }) => decision.id)
    },
    async replay(count, agoMs) {
      const entries = someEntries(count, agoMs)
      await writeThroughSpool(connection.database, entries)
      return entries.map(({ decision }) => decision.id)
    },
  }
}

/** Follows from now on; each step of the script finds in `found` what the looks before it have exported. */
async function follow(
  serverName: string,
  script: (() => Promise<void>)[],
  found: string[],
  monotonicMs: () => number = () => 0,
  state: ExportState = {},
): Promise<ExportState> {
  const ending = new AbortController()
  const pause = async (): Promise<void> => {
    await script.shift()?.()
    if (script.length === 0) ending.abort()
  }
  const following = { monotonicMs, pause, signal: ending.signal }
  let reached = state
  for await (const part of exportDecisions({ search, filter: { serverName }, state, follow: following })) {
    found.push(...idsOf(part.records))
    reached = part.state
  }
  return reached
}

const nothing = async (): Promise<void> => {}
const DAY_MS = 86_400_000

test('a followed export has a row that was in a spool with its next look, however long it was there', async () => {
  const { serverName, write, replay } = writer()
  const found: string[] = []
  const written: string[] = []
  const step = (agoMs: number) => async () => {
    assert.deepEqual(found.toSorted(), written.toSorted())
    written.push(...(await replay(3, agoMs)))
  }
  const steps = [2000, LOOK_BACK_MS, LATE_MAX_MS, 10 * DAY_MS, 300 * DAY_MS].map(step)
  written.push(...(await write(3, 1000)))
  await follow(serverName, [...steps, step(1000)], found)
  assert.deepEqual(found.toSorted(), written.slice(0, -3).toSorted())
})

test('an export that is run again has a row that was in a spool meanwhile, however long it was there', async () => {
  const { serverName, write, replay } = writer()
  const found: string[] = []
  const written = [...(await write(3, 1000))]
  const state = await follow(serverName, [nothing], found)
  written.push(...(await replay(3, 1000)), ...(await replay(3, LATE_MAX_MS)), ...(await replay(300, 10 * DAY_MS)))
  await follow(serverName, [nothing], found, () => 0, state)
  assert.deepEqual(found.toSorted(), written.toSorted())
})

test('what comes about as late as a look goes back is exported once', async () => {
  const { serverName, write, replay } = writer()
  const found: string[] = []
  let monotonicMs = 0
  const written = [...(await write(3, 1000))]
  const script = [
    async () => {
      for (const agoMs of [-2000, -1500, -1000, -500, 0, 500, 5000].map((ms) => LOOK_BACK_MS + ms))
        written.push(...(await write(3, agoMs)), ...(await replay(3, agoMs)))
    },
    async () => {
      monotonicMs += LATE_EVERY_MS
    },
    nothing,
    nothing,
  ]
  const state = await follow(serverName, script, found, () => monotonicMs)
  await follow(serverName, [nothing], found, () => monotonicMs, state)
  assert.deepEqual(found.toSorted(), written.toSorted())
})

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
  const following = {
    monotonicMs: () => monotonicMs,
    pause: async () => script.shift()?.(),
    signal: ending.signal,
  }
  for await (const { records } of exportDecisions({ search, filter: { serverName }, state: {}, follow: following }))
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
  const following = {
    monotonicMs: () => 0,
    async pause() {
      pauses += 1
      if (pauses === 1) late = await write(5, LOOK_BACK_MS * 2)
      else ending.abort()
    },
    signal: ending.signal,
  }
  for await (const part of exportDecisions({ search, filter: { serverName }, state, follow: following })) {
    found.push(...idsOf(part.records))
    state = part.state
  }
  assert.deepEqual(found.toSorted(), written.toSorted())
  for await (const part of exportDecisions({ search, filter: { serverName }, state }))
    found.push(...idsOf(part.records))
  assert.deepEqual(found.toSorted(), [...written, ...late].toSorted())
})
