import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  createMembership,
  HEARTBEATS_LOST_MAX,
  type Condition,
  type Membership,
} from '../../../src/service/membership.ts'

type Change = Partial<Omit<Condition, 'nowMs'>>

interface Situation {
  readonly membership: Membership
  /** Looks four times a second for so long, always at the same condition. */
  readonly live: (ms: number, change?: Change) => void
}

function aMember(): Situation {
  const membership = createMembership()
  let nowMs = 0
  const well = { heartbeatsLost: 0, standstillMs: 0, storeUsable: true, ablePeers: 1 }
  const live = (ms: number, change: Change = {}): void => {
    for (const endMs = nowMs + ms; nowMs < endMs; nowMs += 250) membership.look({ nowMs, ...well, ...change })
  }
  live(1000)
  return { membership, live }
}

suite('a member', () => {
  test('that is well is in the group and able', () => {
    const { membership } = aMember()
    assert.deepEqual([membership.trouble, membership.able], [undefined, true])
  })

  test('whose heartbeat does not come back for long leaves, with others or alone', () => {
    for (const ablePeers of [0, 1]) {
      const { membership, live } = aMember()
      live(250, { heartbeatsLost: HEARTBEATS_LOST_MAX - 1, ablePeers })
      assert.deepEqual([membership.trouble, membership.able], [undefined, false])
      live(250, { heartbeatsLost: HEARTBEATS_LOST_MAX, ablePeers })
      assert.equal(membership.trouble, 'deaf')
    }
  })

  test('that hears itself again comes back at once when there is nobody else', () => {
    const { membership, live } = aMember()
    live(250, { heartbeatsLost: HEARTBEATS_LOST_MAX })
    live(250, { ablePeers: 0 })
    assert.equal(membership.trouble, undefined)
  })

  test('that hears itself again waits a while when there are others', () => {
    const { membership, live } = aMember()
    live(250, { heartbeatsLost: HEARTBEATS_LOST_MAX })
    live(4500)
    assert.equal(membership.trouble, 'deaf')
    live(1000)
    assert.equal(membership.trouble, undefined)
  })

  test('stays when it stood still once, and leaves when it does so again', () => {
    const { membership, live } = aMember()
    live(250, { standstillMs: 1500 })
    live(5000)
    assert.deepEqual([membership.trouble, membership.able], [undefined, false])
    live(250, { standstillMs: 1500 })
    assert.equal(membership.trouble, 'slow')
  })

  test('that stood still comes back after a while without it', () => {
    const { membership, live } = aMember()
    live(500, { standstillMs: 1500 })
    live(20_000)
    assert.equal(membership.trouble, 'slow')
    live(6000)
    assert.deepEqual([membership.trouble, membership.able], [undefined, true])
  })

  test('does not leave for the pauses of an overload', () => {
    const { membership, live } = aMember()
    live(30_000, { standstillMs: 700 })
    assert.equal(membership.trouble, undefined)
  })

  test('whose store is away leaves after a while, and is not able before', () => {
    const { membership, live } = aMember()
    live(5500, { storeUsable: false })
    assert.deepEqual([membership.trouble, membership.able], [undefined, false])
    live(1000, { storeUsable: false })
    assert.equal(membership.trouble, 'store')
    live(4500)
    assert.equal(membership.trouble, 'store')
    live(1000)
    assert.equal(membership.trouble, undefined)
  })

  test('whose store was never there does not leave at once', () => {
    const membership = createMembership()
    membership.look({ nowMs: 1e6, heartbeatsLost: 0, standstillMs: 0, storeUsable: false, ablePeers: 1 })
    assert.equal(membership.trouble, undefined)
  })

  test('stays, whatever is wrong with it, while nobody else is able', () => {
    const { membership, live } = aMember()
    live(30_000, { storeUsable: false, standstillMs: 1500, ablePeers: 0 })
    assert.deepEqual([membership.trouble, membership.able], [undefined, false])
  })

  test('comes back unwell when the others are not able any more', () => {
    const { membership, live } = aMember()
    live(7000, { storeUsable: false })
    assert.equal(membership.trouble, 'store')
    live(250, { storeUsable: false, ablePeers: 0 })
    assert.deepEqual([membership.trouble, membership.able], [undefined, false])
  })
})

test('an outage of the store that all members see leaves all of them in the group, also when they see it apart', () => {
  const members = [createMembership(), createMembership(), createMembership()]
  const seesItAfterMs = [0, 1700, 3400]
  for (let nowMs = 0; nowMs < 60_000; nowMs += 250) {
    for (const [i, member] of members.entries()) {
      const ablePeers = members.filter((other) => other !== member && other.able).length
      const storeUsable = nowMs < 1000 + (seesItAfterMs[i] ?? 0)
      member.look({ nowMs, heartbeatsLost: 0, standstillMs: 0, storeUsable, ablePeers })
    }
    assert.deepEqual(new Set(members.map(({ trouble }) => trouble)), new Set([undefined]), `after ${nowMs} ms`)
  }
})
