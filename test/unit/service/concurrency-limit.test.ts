import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createConcurrencyLimit, type ConcurrencyLimit } from '../../../src/service/concurrency-limit.ts'

const TARGET_MS = 500

/** Work on all places takes so long for so many times. */
function work(limit: ConcurrencyLimit, durationMs: number, times: number): void {
  for (let i = 0; i < times; i += 1) limit.adapt(durationMs, limit.places)
}

test('there are more places while all are used and work is fast, up to the most that may be', () => {
  const limit = createConcurrencyLimit({ max: 200, targetMs: TARGET_MS })
  assert.equal(limit.places, 128)
  work(limit, 10, 10)
  assert.equal(limit.places, 138)
  work(limit, 10, 1000)
  assert.equal(limit.places, 200)
})

test('there are no more places than are used', () => {
  const limit = createConcurrencyLimit({ max: 1024, targetMs: TARGET_MS })
  for (let i = 0; i < 100; i += 1) limit.adapt(10, 5)
  assert.equal(limit.places, 128)
})

test('there are fewer places when work takes too long, down to what a slow store needs', () => {
  const limit = createConcurrencyLimit({ max: 1024, targetMs: TARGET_MS })
  work(limit, 10, 1000)
  work(limit, 600, 10)
  assert.ok(limit.places < 650)
  work(limit, 600, 1000)
  assert.equal(limit.places, 128)
})

test('the most that may be is never exceeded, however little it is', () => {
  const limit = createConcurrencyLimit({ max: 3, targetMs: TARGET_MS })
  work(limit, 10, 10)
  assert.equal(limit.places, 3)
})
