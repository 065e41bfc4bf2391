import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Member, type Evict, type MemberOptions } from '../../../src/service/member.ts'
import { createPeers, type Heartbeat, type Peers } from '../../../src/service/peers.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

interface Situation {
  readonly clock: ManualClock
  readonly events: RecordedEvents
  readonly peers: Peers
  readonly heartbeats: { lost: number; isListening: boolean; sent: boolean[]; send(able: boolean): void }
  /** What was asked of the group, the connection and nats-server, in order. */
  readonly acts: string[]
  readonly settle: () => void
  readonly member: Member
}

const PEER: Heartbeat = { memberId: 'peer', able: true, address: { serverId: 'N', connectionId: 7 } }

function aSituation(change: Partial<MemberOptions> = {}): Situation {
  const clock = new ManualClock()
  const events = new RecordedEvents()
  const peers = createPeers()
  const acts: string[] = []
  const { promise: settled, resolve: settle } = Promise.withResolvers<void>()
  const heartbeats = {
    lost: 0,
    isListening: true,
    sent: [] as boolean[],
    send(able: boolean) {
      this.sent.push(able)
    },
  }
  const member = new Member({
    heartbeats,
    peers,
    group: {
      joined: true,
      join: () => void acts.push('join'),
      leave: (why) => void acts.push(`leave ${why}`),
      settled: () => settled,
    },
    reconnect: async () => void acts.push('reconnect'),
    loop: { takeStandstillMs: () => 0 },
    storeUsable: () => true,
    clock,
    events,
    ...change,
  })
  return { clock, events, peers, heartbeats, acts, settle, member }
}

function evicting(acts: string[], outcome: Awaited<ReturnType<Evict>>): Evict {
  return async ({ memberId }) => {
    acts.push(`evict ${memberId}`)
    return outcome
  }
}

suite('a member of the group', () => {
  test('says four times a second that it is able', async () => {
    const { clock, heartbeats } = aSituation()
    await clock.advance(1000)
    assert.deepEqual(heartbeats.sent, [true, true, true, true, true])
  })

  test('that is deaf leaves, waits for what is in flight, and takes a new connection', async () => {
    const { clock, heartbeats, acts, settle, events } = aSituation()
    heartbeats.lost = 12
    await clock.advance(250)
    assert.equal(acts.includes('reconnect'), false)
    settle()
    await clock.advance(0)
    assert.deepEqual([acts[0], acts.at(-1)], ['leave deaf', 'reconnect'])
    heartbeats.lost = 0
    await clock.advance(250)
    assert.deepEqual([acts.at(-1), events.memberships], ['join', ['deaf', 'in']])
  })

  test('has a peer evicted that it has not heard for a second, once, and forgets it', async () => {
    const acts: string[] = []
    const { clock, peers, events } = aSituation({ evict: evicting(acts, 'evicted') })
    peers.heard(PEER)
    await clock.advance(500)
    assert.deepEqual(acts, [])
    await clock.advance(5000)
    assert.deepEqual([acts, events.evictions], [['evict peer'], ['peer']])
  })

  test('does not look into a peer that it hears', async () => {
    const acts: string[] = []
    const { clock, peers } = aSituation({ evict: evicting(acts, 'evicted') })
    for (let i = 0; i < 20; i += 1) {
      peers.heard(PEER)
      await clock.advance(250)
    }
    assert.deepEqual(acts, [])
  })

  test('suspects nobody right after a standstill of its own', async () => {
    const acts: string[] = []
    const { clock, peers } = aSituation({ evict: evicting(acts, 'evicted') })
    await clock.advance(250)
    peers.heard(PEER)
    clock.pass(60_000)
    await clock.advance(250)
    assert.deepEqual(acts, [])
  })

  test('suspects nobody while it does not hear itself', async () => {
    const acts: string[] = []
    const { clock, peers, heartbeats } = aSituation({ evict: evicting(acts, 'evicted') })
    heartbeats.lost = 2
    peers.heard(PEER)
    await clock.advance(5000)
    assert.deepEqual(acts, [])
  })

  test('suspects nobody, then and later, of whom it heard nothing since nats-server gives it no heartbeats', async () => {
    const acts: string[] = []
    const { clock, peers, heartbeats } = aSituation({ evict: evicting(acts, 'evicted') })
    await clock.advance(250)
    peers.heard(PEER)
    heartbeats.isListening = false
    await clock.advance(5000)
    heartbeats.isListening = true
    await clock.advance(5000)
    assert.deepEqual(acts, [])
  })

  test('goes on after a bug', async () => {
    const { clock, events, heartbeats } = aSituation({
      storeUsable: () => {
        throw new TypeError('a bug')
      },
    })
    await clock.advance(500)
    assert.deepEqual([events.unexpectedErrors.length, heartbeats.sent.length], [3, 0])
  })

  test('stops when it is disposed of', async () => {
    const { clock, heartbeats, member } = aSituation()
    await clock.advance(250)
    member[Symbol.dispose]()
    await clock.advance(5000)
    assert.equal(heartbeats.sent.length, 2)
  })
})
