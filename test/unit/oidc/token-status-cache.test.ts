import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createTokenStatusCache } from '../../../src/oidc/token-status-cache.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const LIMITS = { cacheMs: 30_000, negativeCacheMs: 2000 }
const ACTIVE = { active: true, claims: { active: true, sub: 'alice' }, bytes: 100 } as const

suite('what is remembered of tokens', () => {
  test('is bounded in entries, and the oldest makes room', () => {
    const cache = createTokenStatusCache(LIMITS, new ManualClock())
    for (let number = 0; number <= 10_000; number += 1) cache.set(`key-${number}`, ACTIVE, 0)
    assert.deepEqual([cache.get('key-0'), cache.get('key-1'), cache.get('key-10000')], [undefined, ACTIVE, ACTIVE])
  })

  test('is bounded in bytes', () => {
    const cache = createTokenStatusCache(LIMITS, new ManualClock())
    for (let number = 0; number <= 256; number += 1) cache.set(`key-${number}`, { ...ACTIVE, bytes: 65_536 }, 0)
    assert.equal(cache.get('key-0'), undefined)
    assert.ok(cache.get('key-1'))
  })

  test('leaves out an answer that is larger than any', () => {
    const cache = createTokenStatusCache(LIMITS, new ManualClock())
    cache.set('key', { ...ACTIVE, bytes: 65_537 }, 0)
    assert.equal(cache.get('key'), undefined)
  })

  test('is not displaced by a flood of made-up tokens', () => {
    const cache = createTokenStatusCache(LIMITS, new ManualClock())
    cache.set('key', ACTIVE, 0)
    for (let number = 0; number < 20_000; number += 1) cache.set(`made-up-${number}`, { active: false }, 0)
    assert.equal(cache.get('key'), ACTIVE)
  })

  test('is replaced by a later answer', () => {
    const cache = createTokenStatusCache(LIMITS, new ManualClock())
    cache.set('key', ACTIVE, 0)
    cache.set('key', { active: false }, 0)
    assert.deepEqual(cache.get('key'), { active: false })
  })

  test('counts from the question, not from the answer', async () => {
    const clock = new ManualClock()
    const cache = createTokenStatusCache(LIMITS, clock)
    await clock.advance(1000)
    cache.set('key', ACTIVE, 0)
    await clock.advance(29_000)
    assert.equal(cache.get('key'), undefined)
  })
})
