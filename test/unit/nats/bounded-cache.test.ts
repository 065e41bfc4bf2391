import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBoundedCache } from '../../../src/nats/bounded-cache.ts'

test('a bounded cache forgets the entry that was not used for the longest time', () => {
  const cache = createBoundedCache<number>(2)
  cache.set('a', 1)
  cache.set('b', 2)
  cache.get('a')
  cache.set('c', 3)
  assert.deepEqual([cache.get('a'), cache.get('b'), cache.get('c')], [1, undefined, 3])
})

test('a bounded cache never holds more than its capacity', () => {
  const cache = createBoundedCache<number>(3)
  for (let i = 0; i < 100; i++) cache.set(`key ${i % 50}`, i)
  assert.equal(cache.size, 3)
})
