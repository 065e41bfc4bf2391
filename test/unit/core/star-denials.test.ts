import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Permissions } from '../../../src/core/permissions.ts'
import { guardStarDenials, hiddenByLonger } from '../../../src/core/star-denials.ts'
import { covers, parseSubjectPattern, type SubjectPattern } from '../../../src/core/subject.ts'

function guarded(...deny: readonly string[]): readonly string[] {
  const side = { allow: ['>'], deny: deny.toSorted() }
  const { publish, subscribe } = guardStarDenials({ publish: side, subscribe: side })
  assert.deepEqual(publish, subscribe)
  return publish.deny
}

test('what a last * denies is denied by an entry of its own where a longer denial begins like it', () => {
  assert.deepEqual(guarded('orders.*', 'orders.new.eu'), ['orders.*', 'orders.new', 'orders.new.eu'])
  assert.deepEqual(guarded('*', 'orders.>'), ['*', 'orders', 'orders.>'])
  assert.deepEqual(guarded('a.*.*', 'a.*.b.>'), ['a.*.*', 'a.*.b', 'a.*.b.>'])
  assert.deepEqual(guarded('*', 'a.*', 'a.b.c'), ['*', 'a', 'a.*', 'a.b', 'a.b.c'])
})

test('the entry is for the queue group that the * is for', () => {
  assert.deepEqual(guarded('a.* q', 'a.b.c'), ['a.* q', 'a.b q', 'a.b.c'])
  assert.deepEqual(guarded('a.*', 'a.b.c q'), ['a.*', 'a.b', 'a.b.c q'])
})

test('denials of which none hides another stay as they are', () => {
  for (const deny of [['>'], ['a.*'], ['a.*', 'a.b'], ['a.*', 'b.c.d'], ['a.*', 'a.*.b'], ['a.*.c', 'a.b.d']])
    assert.deepEqual(guarded(...deny), deny)
})

test('all else stays as it is', () => {
  const permissions: Permissions = {
    publish: { allow: ['a.*', 'a.b.c'], deny: ['b.*', 'b.c.d'] },
    subscribe: { allow: [], deny: ['>'] },
    responses: { max: 1, ttlMs: 1000 },
  }
  const { publish, ...rest } = permissions
  assert.deepEqual(guardStarDenials(permissions), {
    publish: { allow: publish.allow, deny: ['b.*', 'b.c', 'b.c.d'] },
    ...rest,
  })
})

test('an entry is added once, however many longer denials begin like it', () => {
  const longer = Array.from({ length: 100 }, (_, index) => `a.b.${index}`)
  assert.deepEqual([...hiddenByLonger(['a.*', 'a.* q', ...longer])], ['a.b', 'a.b q'])
})

test('denials that take more entries than fit are not made to the last of these', () => {
  const stars = Array.from({ length: 5000 }, (_, index) => `a.* q${index}`)
  const longer = Array.from({ length: 5000 }, (_, index) => `a.l${index}.b`)
  const permissions: Permissions = {
    publish: { allow: ['>'], deny: [] },
    subscribe: { allow: ['>'], deny: [...stars, ...longer].sort() },
  }
  assert.equal(guardStarDenials(permissions, 1_000_000), undefined)
})

test('every entry that is added lies in a denial for the same queue group', () => {
  const token = fc.constantFrom('a', 'b', '*')
  const entry = fc
    .tuple(fc.array(token, { minLength: 1, maxLength: 4 }), fc.constantFrom('', '.>', ' q1', '.> q2'))
    .map(([tokens, end]) => `${tokens.join('.')}${end}`)
  fc.assert(
    fc.property(fc.uniqueArray(entry), (deny) => {
      for (const added of new Set(guarded(...deny)).difference(new Set(deny)))
        assert.ok(deny.some((wide) => queueOf(wide) === queueOf(added) && covers(patternOf(wide), patternOf(added))))
    }),
  )
})

function queueOf(entry: string): string | undefined {
  return entry.split(' ')[1]
}

function patternOf(entry: string): SubjectPattern {
  const parsed = parseSubjectPattern(entry.split(' ')[0] ?? '')
  assert.ok('pattern' in parsed)
  return parsed.pattern
}
