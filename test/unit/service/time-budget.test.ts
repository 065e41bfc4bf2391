import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTimeBudget } from '../../../src/service/time-budget.ts'
import { ManualClock } from '../../support/manual-clock.ts'

function aBudget() {
  const clock = new ManualClock()
  const budget = createTimeBudget({ share: 0.1, savedMsMax: 50, monotonicMs: () => clock.monotonicMs() })
  return { budget, clock, spend: (ms: number): void => budget.spend(() => clock.pass(ms)) }
}

test('a budget of time begins with its savings, and they come to an end', () => {
  const { budget, spend } = aBudget()
  spend(49)
  assert.equal(budget.left, true)
  spend(10)
  assert.equal(budget.left, false)
})

test('a spent budget grows by its share of the time', () => {
  const { budget, clock, spend } = aBudget()
  spend(60)
  clock.pass(30)
  assert.equal(budget.left, false)
  clock.pass(20)
  assert.equal(budget.left, true)
})

test('no more than the savings can be saved', () => {
  const { budget, clock, spend } = aBudget()
  clock.pass(1e6)
  spend(60)
  assert.equal(budget.left, false)
})

test('what work takes later, where it cannot be measured, is charged at once', () => {
  const { budget, clock } = aBudget()
  budget.spend(() => clock.pass(1), 60)
  assert.equal(budget.left, false)
  clock.pass(120)
  assert.equal(budget.left, true)
})

test('work that throws is charged as well', () => {
  const { budget, clock } = aBudget()
  assert.throws(() =>
    budget.spend(() => {
      clock.pass(100)
      throw new Error('failed')
    }),
  )
  assert.equal(budget.left, false)
})
