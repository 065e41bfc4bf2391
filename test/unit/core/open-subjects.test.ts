import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OpenSubjects } from '../../../src/core/open-subjects.ts'
import { covers, parseSubjectPattern, type SubjectPattern } from '../../../src/core/subject.ts'

const TOKENS = 13
const SECONDS_MAX = 5

const tokens = fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 4 })
const open = tokens.map((some) => [...some, '>'].join('.'))
const subject = fc.oneof(
  open,
  tokens.filter((some) => some.length > 0).map((some) => some.join('.')),
)

function pattern(text: string): SubjectPattern {
  const parsed = parseSubjectPattern(text)
  return 'pattern' in parsed ? parsed.pattern : assert.fail(parsed.problem)
}

for (const [many, length] of [
  ['a few', { maxLength: 6 }],
  ['many', { minLength: 100, maxLength: 140 }],
] as const) {
  test(`one of ${many} subjects is known to cover another exactly if it does`, () => {
    fc.assert(
      fc.property(fc.array(open, length), subject, (wide, narrow) => {
        const isCovered = wide.some((text) => covers(pattern(text), pattern(narrow)))
        assert.equal(new OpenSubjects(wide).cover(narrow), isCovered)
      }),
    )
  })
}

test('thousands of subjects that begin alike are soon compared with as many', () => {
  const either = (n: number, other: string): string =>
    Array.from({ length: TOKENS }, (_, bit) => ((n >> bit) & 1 ? other : 'a')).join('.')
  const numbers = Array.from({ length: 2 ** TOKENS }, (_, n) => n)
  const startedMs = performance.now()
  const subjects = new OpenSubjects(numbers.map((n) => `${either(n, '*')}.z.>`))
  const covered = numbers.filter((n) => subjects.cover(`${'a.'.repeat(TOKENS)}y${n}.*.>`))
  assert.deepEqual(covered, [])
  assert.ok(performance.now() - startedMs < SECONDS_MAX * 1000)
})
