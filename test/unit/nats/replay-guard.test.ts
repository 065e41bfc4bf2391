import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createReplayGuard } from '../../../src/nats/replay-guard.ts'

const WINDOW_MS = 120_000

function aGuard(capacity?: number) {
  let nowMs = 0
  const guard = createReplayGuard({
    windowMs: WINDOW_MS,
    monotonicMs: () => nowMs,
    ...(capacity !== undefined && { capacity }),
  })
  return {
    admit: (id: string) => guard.admit(id),
    wait: (ms: number) => {
      nowMs += ms
    },
  }
}

test('an id is admitted once within the window, whatever else happens at whatever time', () => {
  const steps = fc.array(
    fc.record({ waitMs: fc.integer({ min: 0, max: WINDOW_MS }), id: fc.integer({ min: 0, max: 5 }) }),
  )
  fc.assert(
    fc.property(steps, (history) => {
      const { admit, wait } = aGuard()
      const admittedAt = new Map<number, number>()
      let nowMs = 0
      for (const { waitMs, id } of history) {
        wait(waitMs)
        nowMs += waitMs
        const before = admittedAt.get(id)
        const admitted = admit(String(id))
        if (before === undefined) assert.ok(admitted, 'a new id is refused')
        else if (nowMs - before < WINDOW_MS) assert.ok(!admitted, 'an id is admitted again within the window')
        if (admitted) admittedAt.set(id, nowMs)
      }
    }),
  )
})

test('an id is forgotten after two windows', () => {
  const { admit, wait } = aGuard()
  admit('a')
  wait(2 * WINDOW_MS)
  assert.equal(admit('a'), true)
})

test('a full guard admits every new id', () => {
  const { admit } = aGuard(10)
  for (let i = 0; i < 1000; i++) assert.equal(admit(`id ${i}`), true)
})

test('a full guard still knows the newest ids', () => {
  const { admit } = aGuard(10)
  for (let i = 0; i < 1000; i++) admit(`id ${i}`)
  for (let i = 990; i < 1000; i++) assert.equal(admit(`id ${i}`), false)
})

test('every request of two minutes at full load is remembered', () => {
  const { admit, wait } = aGuard()
  const count = (WINDOW_MS / 1000) * 3000
  for (let i = 0; i < count; i += 1) {
    if (i % 3 === 0) wait(1)
    assert.equal(admit(`NBQXOTPYGNLH7QS5TBA6 U${i}`), true)
  }
  for (let i = 0; i < count; i += 1000) assert.equal(admit(`NBQXOTPYGNLH7QS5TBA6 U${i}`), false)
})
