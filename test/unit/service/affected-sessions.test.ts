import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { PlannedChange } from '../../../src/core/plan.ts'
import type { RecordedDecision } from '../../../src/core/recorded-decision.ts'
import { adding } from '../../../src/service/policy-edit.ts'
import { affectedSessions } from '../../../src/service/affected-sessions.ts'
import type { LiveSessionsQuery } from '../../../src/service/ports.ts'
import type { Identity } from '../../../src/core/identity.ts'
import { aNewGrant } from '../../contract/stored-rows.ts'
import { anIdentity, aRequest, NOW_MS, sessionRules } from '../../support/builders.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { MemoryPolicyStore } from '../../support/memory-store.ts'

const ORIGIN = { reason: 'x', createdBy: 'y' }

function session(change: Partial<Identity> = {}): RecordedDecision {
  return {
    id: 'd1',
    decidedAtMs: NOW_MS,
    outcome: 'allow',
    account: 'APP',
    sessionExpiresAtMs: NOW_MS + 1000,
    made: { identity: anIdentity(change), wantedAccount: undefined, connection: aRequest().client },
    missing: [],
    connection: { serverName: 'n1' },
  }
}

/** What becomes of one session of alice, who has one grant of her own and one of the role `reader` if it is bound. */
async function effectsOf(
  change: (rows: { store: MemoryPolicyStore }) => Promise<PlannedChange[]>,
  live: readonly RecordedDecision[] = [session()],
) {
  const store = new MemoryPolicyStore()
  await store.edit(adding('grant', aNewGrant(), aNewGrant({ id: 'g2', principal: 'role:reader', subject: 'read' })))
  const changes = await change({ store })
  const asked: LiveSessionsQuery[] = []
  const found = await affectedSessions(changes, {
    policyReader: store,
    liveSessions: {
      async find(query) {
        asked.push(query)
        return { sessions: live, isComplete: false }
      },
      async membersOf(roles) {
        const bindings = await store.scan('binding', 100)
        return bindings.filter(({ role }) => roles.includes(role)).map(({ member }) => member)
      },
    },
    clock: new ManualClock(),
    rules: sessionRules(),
    sessionMaxMs: 3_600_000,
    limit: 10,
  })
  return { effects: found.affected.map(({ effect }) => effect), asked, ...found }
}

async function grant(store: MemoryPolicyStore, id: string) {
  return (await store.findGrant(id)) ?? assert.fail(id)
}

suite('a session', () => {
  test('is cut when its last grant goes, and the reason is told', async () => {
    const { effects, isComplete, looked } = await effectsOf(async ({ store }) => [
      { kind: 'grant', before: await grant(store, 'g1') },
    ])
    assert.deepEqual(effects, [{ kind: 'cut', reason: 'no_grants', lost: [], gained: [] }])
    assert.deepEqual([isComplete, looked], [false, 1])
  })

  test('is narrowed by a denial, and widened by a grant', async () => {
    const denied = await effectsOf(async () => [
      { kind: 'grant', after: aNewGrant({ id: 'g9', effect: 'deny', subject: 'orders.*' }) },
    ])
    assert.deepEqual(denied.effects, [{ kind: 'narrowed', lost: ['publish orders.* (denied)'], gained: [] }])
    const widened = await effectsOf(async () => [{ kind: 'grant', after: aNewGrant({ id: 'g9', subject: 'more' }) }])
    assert.deepEqual(widened.effects, [{ kind: 'widened', lost: [], gained: ['publish more'] }])
  })

  test('is narrowed when its grant is replaced by a narrower one, and not by one that covers it', async () => {
    const replaced =
      (subject: string) =>
      async ({ store }: { store: MemoryPolicyStore }): Promise<PlannedChange[]> => [
        { kind: 'grant', before: await grant(store, 'g1'), after: aNewGrant({ subject }) },
      ]
    assert.deepEqual((await effectsOf(replaced('orders.other'))).effects, [
      { kind: 'narrowed', lost: ['publish orders.new'], gained: ['publish orders.other'] },
    ])
    assert.deepEqual((await effectsOf(replaced('orders.>'))).effects, [
      { kind: 'widened', lost: [], gained: ['publish orders.>'] },
    ])
  })

  test('gets and loses the grants of a role by a binding', async () => {
    const binding = { member: 'user:corp:alice', role: 'role:reader', ...ORIGIN }
    const bound = await effectsOf(async () => [{ kind: 'binding', after: binding }])
    assert.deepEqual(bound.effects, [{ kind: 'widened', lost: [], gained: ['publish read'] }])
    const unbound = await effectsOf(async ({ store }) => {
      await store.edit(adding('binding', binding))
      const [before] = await store.scan('binding', 1)
      return [{ kind: 'binding', before: before ?? assert.fail() }]
    })
    assert.deepEqual(unbound.effects, [{ kind: 'narrowed', lost: ['publish read'], gained: [] }])
  })

  test('gets the session maximum of a role with its binding, whether the plan describes the role or it was there', async () => {
    const binding: PlannedChange = { kind: 'binding', after: { member: 'user:corp:alice', role: 'role:reader' } }
    const short = { role: 'role:reader', sessionMaxMs: 600_000 }
    const planned = await effectsOf(async () => [{ kind: 'role', after: short }, binding])
    const present = await effectsOf(async ({ store }) => {
      await store.edit(adding('role', { ...short, ...ORIGIN }))
      return [binding]
    })
    for (const { effects } of [planned, present])
      assert.deepEqual(effects, [{ kind: 'narrowed', lost: ['3000s of its length'], gained: ['publish read'] }])
  })

  test('is touched by the grants of a role that it has', async () => {
    const { effects } = await effectsOf(async ({ store }) => {
      await store.edit(adding('binding', { member: 'user:corp:alice', role: 'role:reader', ...ORIGIN }))
      return [{ kind: 'grant', before: await grant(store, 'g2') }]
    })
    assert.deepEqual(effects, [{ kind: 'narrowed', lost: ['publish read'], gained: [] }])
  })

  test('is cut by a lock on its client, its address or everyone', async () => {
    const live = [session({ clientId: 'web' })]
    for (const lock of [
      { target: 'client:corp:web' },
      { target: 'address', sourceCidr: '127.0.0.0/8' },
      { target: 'everyone' },
      { target: 'account:APP' },
    ]) {
      const { effects } = await effectsOf(async () => [{ kind: 'lock', after: { id: 'l', ...lock } }], live)
      assert.deepEqual(effects, [{ kind: 'cut', reason: 'locked', lost: [], gained: [] }])
    }
    const elsewhere = { id: 'l', target: 'address', sourceCidr: '10.0.0.0/8' }
    assert.deepEqual((await effectsOf(async () => [{ kind: 'lock', after: elsewhere }], live)).effects, [])
  })

  test('that would be refused today as well is not affected', async () => {
    const live = [session({ token: { expiresAt: NOW_MS / 1000 - 1 } })]
    const removal = async ({ store }: { store: MemoryPolicyStore }): Promise<PlannedChange[]> => [
      { kind: 'grant', before: await grant(store, 'g1') },
    ]
    assert.deepEqual((await effectsOf(removal, live)).effects, [])
  })

  test('is looked for by its principal where only that is touched, and among all otherwise', async () => {
    const own = await effectsOf(async ({ store }) => [{ kind: 'grant', before: await grant(store, 'g1') }])
    assert.deepEqual(own.asked[0]?.principals, ['user:corp:alice'])
    const group = await effectsOf(async () => [
      { kind: 'grant', after: aNewGrant({ id: 'g9', principal: 'group:corp:ops' }) },
    ])
    assert.equal(group.asked[0]?.principals, undefined)
    const role = await effectsOf(async ({ store }) => [{ kind: 'grant', before: await grant(store, 'g2') }])
    assert.deepEqual(role.asked, [])
  })
})
