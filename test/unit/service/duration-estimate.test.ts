import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDurationEstimate } from '../../../src/service/duration-estimate.ts'

test('the estimate is nothing before the first piece of work, and then what it took', () => {
  const estimate = createDurationEstimate()
  assert.equal(estimate.ms, 0)
  estimate.add(30)
  assert.equal(estimate.ms, 30)
})

test('the estimate is what nine of ten did not exceed', () => {
  const estimate = createDurationEstimate()
  for (let ms = 1; ms <= 64; ms += 1) estimate.add(ms)
  assert.equal(estimate.ms, 58)
})

test('the estimate forgets what was long ago', () => {
  const estimate = createDurationEstimate()
  for (let i = 0; i < 64; i += 1) estimate.add(1000)
  for (let i = 0; i < 64; i += 1) estimate.add(5)
  assert.equal(estimate.ms, 5)
})
