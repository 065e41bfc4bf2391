import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBackoff } from '../../../src/spanner/retry.ts'
import { ManualClock } from '../../support/manual-clock.ts'

test('waits grow to a bound, are spread, and never pass the deadline', async () => {
  const clock = new ManualClock()
  const backoff = createBackoff(clock, 0.3)
  const waits: number[] = []
  for (let attempt = 1; attempt <= 12; attempt++) {
    const startedMs = clock.monotonicMs()
    const ended = new AbortController()
    const waiting = backoff.wait(attempt, Infinity).then(() => ended.abort())
    while (!ended.signal.aborted) await clock.advance(1)
    await waiting
    waits.push(clock.monotonicMs() - startedMs)
  }
  assert.ok(waits[0] !== undefined && waits[0] <= 10)
  assert.ok(
    waits.every((wait) => wait <= 201),
    waits.join(' '),
  )
  assert.ok(new Set(waits.slice(6)).size > 3, waits.join(' '))
})

test('a wait that would pass the deadline is not begun', async () => {
  const clock = new ManualClock()
  assert.equal(await createBackoff(clock, 0).wait(5, clock.monotonicMs() + 1), false)
})
