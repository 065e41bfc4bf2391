import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CalloutError } from '../../../src/core/errors.ts'
import { createPatience, type Patience } from '../../../src/service/patience.ts'
import { isOutage } from '../../../src/spanner/status.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'

const away = new CalloutError('ERR_STORE_UNAVAILABLE', 'away')

interface Stand {
  readonly patience: Patience
  readonly clock: ManualClock
  readonly ending: AbortController
  /** What was told, in order. */
  readonly told: string[]
  readonly pausesMs: number[]
}

function stand(): Stand {
  const [clock, ending] = [new ManualClock(), new AbortController()]
  const [told, pausesMs]: [string[], number[]] = [[], []]
  const patience = createPatience({
    isOutage,
    monotonicMs: () => clock.monotonicMs(),
    pause: (ms) => {
      pausesMs.push(ms)
      return new Promise((resolve) => {
        clock.after(ms, resolve)
        ending.signal.addEventListener('abort', () => resolve())
      })
    },
    signal: ending.signal,
    began: ({ message }) => told.push(`began: ${message}`),
    ended: (downMs) => told.push(`ended: ${downMs}`),
  })
  return { patience, clock, ending, told, pausesMs }
}

/** Fails so many times, then returns how often it was asked. */
function failing(times: number): () => Promise<number> {
  let asked = 0
  return async () => {
    if (asked++ < times) throw away
    return asked
  }
}

suite('patience', () => {
  test('returns what the first attempt finds, and tells nothing', async () => {
    const { patience, told } = stand()
    assert.equal(await patience(failing(0)), 1)
    assert.deepEqual(told, [])
  })

  test('tells of an outage once when it begins and once when it is over', async () => {
    const { patience, clock, told } = stand()
    const found = patience(failing(3))
    await clock.advance(60_000)
    assert.equal(await found, 4)
    assert.deepEqual(told, ['began: away', 'ended: 7000'])
  })

  test('pauses longer and longer, up to ten seconds', async () => {
    const { patience, clock, pausesMs } = stand()
    const found = patience(failing(7))
    await clock.advance(60_000)
    await found
    assert.deepEqual(pausesMs, [1000, 2000, 4000, 8000, 10_000, 10_000, 10_000])
  })

  test('begins with short pauses again in the next outage', async () => {
    const { patience, clock, pausesMs } = stand()
    for (let outage = 0; outage < 2; outage++) {
      const found = patience(failing(2))
      await clock.advance(60_000)
      await found
    }
    assert.deepEqual(pausesMs, [1000, 2000, 1000, 2000])
  })

  test('throws a refusal at once, also during an outage', async () => {
    const { patience, clock, told } = stand()
    const refused = new CalloutError('ERR_STORE_REFUSED', 'no such table')
    const found = patience(() => Promise.reject(told.length === 0 ? away : refused))
    const thrown = assert.rejects(found, refused)
    await clock.advance(60_000)
    await thrown
    assert.deepEqual(told, ['began: away'])
  })

  test('ends with the reason of the signal while an attempt hangs', async () => {
    const { patience, ending } = stand()
    const found = patience(() => new Promise(() => {}))
    const thrown = assert.rejects(found, (error) => error === ending.signal.reason)
    ending.abort()
    await thrown
  })

  test('ends with the reason of the signal during a pause', async () => {
    const { patience, ending, told } = stand()
    const thrown = assert.rejects(patience(failing(9)), (error) => error === ending.signal.reason)
    await settled()
    ending.abort()
    await thrown
    assert.deepEqual(told, ['began: away'])
  })
})
