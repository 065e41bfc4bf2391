import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { PlannedChange } from '../../../src/core/plan.ts'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { affectedSessions } from '../../../src/service/affected-sessions.ts'
import { systemClock } from '../../../src/service/clock.ts'
import type { LiveSessions, LiveSessionsQuery } from '../../../src/service/ports.ts'
import { createLiveSessions } from '../../../src/spanner/live-sessions.ts'
import { createPolicyReader } from '../../../src/spanner/policy-store.ts'
import { aDeny, anAllow, anEntry, anId, aNewGrant } from '../../contract/stored-rows.ts'
import { aGrant, NOW_MS, NOW_SECONDS, sessionRules } from '../../support/builders.ts'
import { insertPolicy } from '../../support/insert-policy.ts'
import {
  createTestDatabase,
  inMs,
  openDecisionLog,
  startOwnEmulator,
  type TestDatabase,
} from '../../support/spanner.ts'

/** Two pages of a hundred, and a part of a third. */
const SESSIONS = 230
/** So many are decided in the same millisecond; a page of a hundred ends between two of them. */
const AT_ONCE = 30
const ROWS_AT_ONCE = 24
const HOUR_MS = 3_600_000
const ALL: LiveSessionsQuery = { nowMs: NOW_MS, sessionMaxMs: HOUR_MS, limit: 5000 }
const [ALICE, BOB, CAROL] = ['user:corp:alice', 'user:corp:bob', 'user:corp:carol']

let emulator: SpannerEmulator
let connection: TestDatabase
let liveSessions: LiveSessions

/** Session `index` of a principal: all end with the same digit, so they are of one shard. */
function sessionOf(principal: string, index: number, change: Parameters<typeof anAllow>[0] = {}) {
  const suffix = `${[ALICE, BOB, CAROL].indexOf(principal) + 1}${index.toString(16).padStart(4, '0')}7`
  const decidedAtMs = NOW_MS - 1000 * Math.floor(index / AT_ONCE)
  return anEntry(anAllow({ id: anId(suffix), decidedAtMs, ...change }), { principal })
}

const ALICES = Array.from({ length: SESSIONS }, (_, index) => sessionOf(ALICE, index))

before(async () => {
  emulator = await startOwnEmulator()
  connection = await createTestDatabase(emulator.host)
  liveSessions = createLiveSessions(connection.database, systemClock)
  const entries = [
    ...ALICES,
    sessionOf(BOB, 0),
    sessionOf(CAROL, 0, { expiresAt: NOW_SECONDS }),
    sessionOf(CAROL, 1, { decidedAtMs: NOW_MS - HOUR_MS - 1 }),
    anEntry(aDeny({ decidedAtMs: NOW_MS }), { principal: CAROL }),
  ]
  const log = openDecisionLog(connection.database)
  for (let start = 0; start < entries.length; start += ROWS_AT_ONCE)
    await log.append(entries.slice(start, start + ROWS_AT_ONCE), inMs(30_000))
})
after(async () => {
  await connection[Symbol.asyncDispose]()
  await emulator.stop()
})

async function found(query: Partial<LiveSessionsQuery>): Promise<{ ids: string[]; isComplete: boolean }> {
  const { sessions, isComplete } = await liveSessions.find({ ...ALL, ...query })
  return { ids: sessions.map(({ id }) => id), isComplete }
}

const IDS_OF_ALICE = ALICES.map(({ decision }) => decision.id)

suite('live sessions', () => {
  test('of a principal come page by page, newest first, each once', async () => {
    assert.deepEqual(await found({ principals: [ALICE] }), { ids: IDS_OF_ALICE, isComplete: true })
  })

  test('of a principal end at the limit, whatever the pages, and it is said that there are more', async () => {
    for (const limit of [1, 99, 100, 101, 200, SESSIONS - 1])
      assert.deepEqual(await found({ principals: [ALICE], limit }), {
        ids: IDS_OF_ALICE.slice(0, limit),
        isComplete: false,
      })
    assert.equal((await found({ principals: [ALICE], limit: SESSIONS })).isComplete, true)
  })

  test('of all come page by page too', async () => {
    const { ids, isComplete } = await found({})
    assert.equal(isComplete, true)
    assert.equal(ids.length, SESSIONS + 1)
    assert.deepEqual(new Set(ids), new Set([...IDS_OF_ALICE, sessionOf(BOB, 0).decision.id]))
  })

  test('of several principals share the limit, so that nobody is left out', async () => {
    const { ids, isComplete } = await found({ principals: [ALICE, BOB], limit: 4 })
    assert.equal(isComplete, false)
    assert.deepEqual(ids, [...IDS_OF_ALICE.slice(0, 2), sessionOf(BOB, 0).decision.id])
  })

  test('are neither those that have ended or are too old, nor refusals', async () => {
    assert.deepEqual(await found({ principals: [CAROL] }), { ids: [], isComplete: true })
  })

  test('are decided anew, those of all pages, when a plan touches them', async () => {
    await insertPolicy(connection.database, [{ kind: 'grant', row: aGrant() }])
    const removal: PlannedChange[] = [{ kind: 'grant', before: aNewGrant() }]
    const options = {
      liveSessions,
      policyReader: createPolicyReader(connection.database),
      clock: { ...systemClock, nowMs: () => NOW_MS },
      rules: sessionRules(),
      sessionMaxMs: HOUR_MS,
    }
    const all = await affectedSessions(removal, { ...options, limit: 5000 })
    assert.deepEqual([all.affected.length, all.looked, all.isComplete], [SESSIONS, SESSIONS, true])
    assert.deepEqual(new Set(all.affected.map(({ effect }) => effect.kind)), new Set(['cut']))
    const some = await affectedSessions(removal, { ...options, limit: SESSIONS - 1 })
    assert.deepEqual([some.affected.length, some.looked, some.isComplete], [SESSIONS - 1, SESSIONS - 1, false])
  })

  test('are also looked for among the members of more roles than one read takes', async () => {
    const roles = Array.from({ length: 501 }, (_, index) => `role:r${index}`)
    const members = roles.map((_, index) => `group:corp:g${index}`)
    await insertPolicy(
      connection.database,
      roles.map((role, index) => ({ kind: 'binding', row: { member: members[index] ?? '', role } })),
    )
    assert.deepEqual(new Set(await liveSessions.membersOf(roles)), new Set(members))
    assert.deepEqual(await liveSessions.membersOf(['role:r500', 'role:nobody']), ['group:corp:g500'])
  })
})
