import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import { CHAIN_START, createAuditChain, type AuditChain, type ChainHead } from '../../../src/core/audit-chain.ts'
import { CalloutError } from '../../../src/core/errors.ts'
import { Checkpointer } from '../../../src/service/checkpointer.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

class Stand {
  readonly clock = new ManualClock()
  readonly events = new RecordedEvents()
  readonly chain: AuditChain = createAuditChain('c1', sha256)
  readonly stored: string[] = []
  readonly copied: string[] = []
  readonly storeTimeoutsMs: number[] = []
  isStoreAway = false
  isCopyAway = false
  readonly checkpointer = new Checkpointer({
    chain: this.chain,
    sha256,
    sign: ({ seq, lost }: ChainHead, _atMs, previousNote) => `${seq} lost ${lost.length} after ${previousNote}`,
    store: {
      add: async (_head, note, deadlineMs) => {
        this.storeTimeoutsMs.push(deadlineMs - this.clock.monotonicMs())
        this.take(this.isStoreAway, this.stored, note)
      },
    },
    copy: { append: async (note) => this.take(this.isCopyAway, this.copied, note) },
    clock: this.clock,
    events: this.events,
  })

  take(isAway: boolean, to: string[], note: string): void {
    if (isAway) throw new CalloutError('ERR_STORE_UNAVAILABLE', 'away')
    to.push(note)
  }

  rows(count: number): void {
    for (let row = 0; row < count; row += 1) this.chain.settle(this.chain.seal('content').seq, true)
  }

  get seqs(): number[] {
    return this.stored.map((note) => Number.parseInt(note, 10))
  }
}

suite('checkpoints', () => {
  test('begin soon after the first row, and follow every ten seconds while there are rows', async () => {
    const stand = new Stand()
    await stand.clock.advance(20_000)
    assert.deepEqual(stand.seqs, [])
    stand.rows(1)
    await stand.clock.advance(500)
    assert.deepEqual(stand.seqs, [1])
    stand.rows(5)
    await stand.clock.advance(9_000)
    assert.deepEqual(stand.seqs, [1])
    await stand.clock.advance(1_000)
    assert.deepEqual(stand.seqs, [1, 6])
    await stand.clock.advance(60_000)
    assert.deepEqual(stand.seqs, [1, 6])
  })

  test('come earlier after a thousand rows', async () => {
    const stand = new Stand()
    stand.rows(1)
    await stand.clock.advance(500)
    stand.rows(1000)
    await stand.clock.advance(500)
    assert.deepEqual(stand.seqs, [1, 1001])
  })

  test('name the one before them', async () => {
    const stand = new Stand()
    stand.rows(1)
    await stand.clock.advance(500)
    stand.rows(1)
    await stand.clock.advance(10_000)
    const [first = '', second = ''] = stand.stored
    assert.deepEqual([first.split(' ').at(-1), second.split(' ').at(-1)], [CHAIN_START, sha256(first)])
  })

  test('that cannot be stored are tried again before a later one is made', async () => {
    const stand = new Stand()
    stand.isStoreAway = true
    stand.rows(1)
    await stand.clock.advance(500)
    stand.rows(1)
    await stand.clock.advance(30_000)
    assert.deepEqual(stand.copied.length, 1)
    assert.ok(stand.events.checkpointFailures.length > 10)
    stand.isStoreAway = false
    await stand.clock.advance(1_000)
    assert.deepEqual(stand.seqs, [1, 2])
    assert.deepEqual(stand.copied, stand.stored)
  })

  test('that cannot be copied are stored all the same, once, and copied later', async () => {
    const stand = new Stand()
    stand.isCopyAway = true
    stand.rows(1)
    await stand.clock.advance(5_000)
    assert.deepEqual([stand.seqs, stand.copied], [[1], []])
    stand.isCopyAway = false
    await stand.clock.advance(500)
    assert.deepEqual([stand.seqs, stand.copied], [[1], stand.stored])
  })

  test('go on to be stored while none can be copied, and are all copied later, in order', async () => {
    const stand = new Stand()
    stand.isCopyAway = true
    for (let round = 0; round < 4; round += 1) {
      stand.rows(1)
      await stand.clock.advance(10_000)
    }
    assert.deepEqual([stand.seqs, stand.copied], [[1, 2, 3, 4], []])
    stand.isCopyAway = false
    await stand.clock.advance(500)
    assert.deepEqual(stand.copied, stand.stored)
  })

  test('are made no more often while one cannot be copied', async () => {
    const stand = new Stand()
    stand.isCopyAway = true
    for (let row = 0; row < 10; row += 1) {
      stand.rows(1)
      await stand.clock.advance(1_000)
    }
    assert.deepEqual(stand.seqs, [1])
  })

  test('that wait for the copy are a thousand at most, the newest', async () => {
    const stand = new Stand()
    stand.isCopyAway = true
    for (let round = 0; round < 1003; round += 1) {
      stand.rows(1)
      await stand.clock.advance(10_000)
    }
    stand.isCopyAway = false
    await stand.clock.advance(500)
    assert.deepEqual(stand.copied, stand.stored.slice(3))
  })

  test('leave the other parts time to end', async () => {
    const stand = new Stand()
    stand.isStoreAway = true
    stand.rows(1)
    await stand.clock.advance(500)
    await stand.checkpointer[Symbol.asyncDispose]()
    assert.deepEqual(stand.storeTimeoutsMs, [3000, 2000])
  })

  test('end with one of all that is settled', async () => {
    const stand = new Stand()
    stand.rows(3)
    await stand.checkpointer[Symbol.asyncDispose]()
    assert.deepEqual(stand.seqs, [3])
    assert.equal(stand.events.checkpoints.length, 1)
  })
})
