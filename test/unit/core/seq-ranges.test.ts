import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { mergedRanges, SeqSet, uncovered } from '../../../src/core/seq-ranges.ts'

const aRange = fc
  .tuple(fc.integer({ min: 1, max: 60 }), fc.nat(10))
  .map(([from, length]) => ({ from, to: from + length }))

function members({ from, to }: { readonly from: number; readonly to: number }): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

test('a set of numbers says of each once that it is new', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })), (numbers) => {
      const set = new SeqSet()
      const seen = new Set<number>()
      for (const number of numbers) {
        assert.equal(set.add(number), !seen.has(number))
        seen.add(number)
      }
    }),
  )
  const set = new SeqSet()
  for (let seq = 1; seq <= 5000; seq += 1) assert.equal(set.add(seq), true)
  for (let seq = 1; seq <= 5000; seq += 1) assert.equal(set.add(seq), false)
})

test('what is uncovered is what is in no range, in order', () => {
  fc.assert(
    fc.property(aRange, fc.array(aRange), (range, others) => {
      const covered = new Set(others.flatMap(members))
      const found = [...uncovered(range, mergedRanges(others))]
      assert.deepEqual(
        found.flatMap(members),
        members(range).filter((seq) => !covered.has(seq)),
      )
      for (const { from, to } of found) assert.ok(from <= to)
    }),
  )
})

test('an empty range has nothing that is uncovered', () => {
  assert.deepEqual([...uncovered({ from: 5, to: 4 }, [])], [])
})
