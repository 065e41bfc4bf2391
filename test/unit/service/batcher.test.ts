import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CalloutError } from '../../../src/core/errors.ts'
import { Batcher } from '../../../src/service/batcher.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'

/** A peer whose round trips end when the test says so. */
class Peer {
  readonly batches: number[][] = []
  readonly #open: { resolve: (results: number[]) => void; reject: (error: unknown) => void }[] = []

  readonly run = (items: readonly number[]): Promise<number[]> => {
    this.batches.push([...items])
    return new Promise((resolve, reject) => {
      this.#open.push({ resolve, reject })
    })
  }

  async answer(): Promise<void> {
    const at = this.batches.length - this.#open.length
    this.#open.shift()?.resolve((this.batches[at] ?? []).map((item) => item * 10))
    await settled()
  }

  /** Answers the youngest of the round trips. */
  async answerLast(): Promise<void> {
    this.#open.pop()?.resolve((this.batches.at(-1) ?? []).map((item) => item * 10))
    await settled()
  }

  async fail(error: unknown): Promise<void> {
    this.#open.shift()?.reject(error)
    await settled()
  }
}

function aBatcher(change: { itemsMax?: number; inFlightMax?: number; waitingMax?: number } = {}): {
  peer: Peer
  clock: ManualClock
  batcher: Batcher<number, number>
} {
  const peer = new Peer()
  const clock = new ManualClock()
  const batcher = new Batcher<number, number>({
    run: peer.run,
    itemsMax: 10,
    inFlightMax: 1,
    overdueMs: 50,
    waitingMax: 100,
    clock,
    ...change,
  })
  return { peer, clock, batcher }
}

suite('natural batching', () => {
  test('sends a lone item at once', async () => {
    const { peer, batcher } = aBatcher()
    const result = batcher.submit(1, 1000)
    await settled()
    await peer.answer()
    assert.equal(await result, 10)
  })

  test('gathers what arrives while a batch is on the wire, and gives each item its own result', async () => {
    const { peer, batcher } = aBatcher()
    const first = batcher.submit(1, 1000)
    await settled()
    const rest = [2, 3, 4].map((item) => batcher.submit(item, 1000))
    await peer.answer()
    await peer.answer()
    assert.deepEqual(peer.batches, [[1], [2, 3, 4]])
    assert.deepEqual(await Promise.all([first, ...rest]), [10, 20, 30, 40])
  })

  test('keeps to the size of a batch', async () => {
    const { peer, batcher } = aBatcher({ itemsMax: 2 })
    const all = [1, 2, 3, 4, 5].map((item) => batcher.submit(item, 1000))
    await settled()
    for (let round = 0; round < 3; round += 1) await peer.answer()
    await Promise.all(all)
    assert.deepEqual(peer.batches, [[1, 2], [3, 4], [5]])
  })

  test('has no more batches on the wire than allowed', async () => {
    const { peer, batcher } = aBatcher({ itemsMax: 1, inFlightMax: 2 })
    void Promise.all([1, 2, 3].map((item) => batcher.submit(item, 1000)))
    await settled()
    assert.equal(peer.batches.length, 2)
    await peer.answer()
    assert.equal(peer.batches.length, 3)
  })

  test('does not send a second batch beside one that is neither overdue nor followed by a full one', async () => {
    const { peer, batcher, clock } = aBatcher({ itemsMax: 3, inFlightMax: 2 })
    void batcher.submit(1, 1000)
    await settled()
    void Promise.all([2, 3].map((item) => batcher.submit(item, 1000)))
    await clock.advance(49)
    assert.deepEqual(peer.batches, [[1]])
  })

  test('sends a full batch beside one that is on its way', async () => {
    const { peer, batcher } = aBatcher({ itemsMax: 2, inFlightMax: 2 })
    void batcher.submit(1, 1000)
    await settled()
    void Promise.all([2, 3].map((item) => batcher.submit(item, 1000)))
    await settled()
    assert.deepEqual(peer.batches, [[1], [2, 3]])
  })

  test('sends what waits when the batch on its way is overdue, though nothing else happens', async () => {
    const { peer, batcher, clock } = aBatcher({ inFlightMax: 2 })
    void batcher.submit(1, 1000)
    await settled()
    void batcher.submit(2, 1000)
    await clock.advance(50)
    assert.deepEqual(peer.batches, [[1], [2]])
  })

  test('lets a batch that hangs hold nobody once it is overdue', async () => {
    const { peer, batcher, clock } = aBatcher({ inFlightMax: 2 })
    void batcher.submit(1, 1000)
    await clock.advance(60)
    for (const item of [2, 3]) {
      void batcher.submit(item, 1000)
      await settled()
      await peer.answerLast()
    }
    assert.deepEqual(peer.batches, [[1], [2], [3]])
  })

  test('lets nothing wait longer than until the batch before it is overdue, when one after the other hangs', async () => {
    const { peer, batcher, clock } = aBatcher({ inFlightMax: 3 })
    void batcher.submit(1, 1000)
    await settled()
    void batcher.submit(2, 1000)
    await clock.advance(50)
    void batcher.submit(3, 1000)
    await clock.advance(50)
    assert.deepEqual(peer.batches, [[1], [2], [3]])
  })

  test('leaves no timer behind when nothing waits', async () => {
    const { peer, batcher, clock } = aBatcher({ inFlightMax: 2 })
    void batcher.submit(1, 1000)
    await settled()
    void batcher.submit(2, 1000)
    await settled()
    await peer.answer()
    await peer.answer()
    assert.equal(clock.pendingTimers, 0)
  })

  test('refuses an item at once when too many wait', async () => {
    const { batcher } = aBatcher({ waitingMax: 2 })
    void batcher.submit(1, 1000)
    void batcher.submit(2, 1000)
    await assert.rejects(batcher.submit(3, 1000), { code: 'ERR_OVERLOADED' })
  })

  test('does not send an item whose deadline passed while it waited', async () => {
    const { peer, batcher, clock } = aBatcher()
    void batcher.submit(1, 1000)
    await settled()
    const late = batcher.submit(2, 50)
    const refused = assert.rejects(late, { code: 'ERR_DEADLINE' })
    await clock.advance(50)
    await peer.answer()
    await refused
    assert.deepEqual(peer.batches, [[1]])
  })

  test('fails every item of a failed batch and goes on with the next', async () => {
    const { peer, batcher } = aBatcher()
    const first = batcher.submit(1, 1000)
    await settled()
    const second = batcher.submit(2, 1000)
    const failed = assert.rejects(first, { code: 'ERR_STORE_UNAVAILABLE' })
    await peer.fail(new CalloutError('ERR_STORE_UNAVAILABLE', 'gone'))
    await failed
    await peer.answer()
    assert.equal(await second, 20)
  })

  test('rejects instead of guessing when the results do not fit the items', async () => {
    const batcher = new Batcher<number, number>({
      run: () => Promise.resolve([]),
      itemsMax: 10,
      inFlightMax: 1,
      overdueMs: 50,
      waitingMax: 10,
      clock: new ManualClock(),
    })
    await assert.rejects(batcher.submit(1, 1000), TypeError)
  })
})
