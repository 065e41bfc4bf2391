import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SubjectIndex } from '../../../src/core/subject-index.ts'
import { covers, parseSubjectPattern, type SubjectPattern } from '../../../src/core/subject.ts'

const token = fc.constantFrom('a', 'b', '*', '{{x}}', '{{y}}')
const subject = fc
  .tuple(fc.array(token, { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([tokens, isOpen]) => [...tokens, ...(isOpen ? ['>'] : [])].join('.'))

function pattern(text: string): SubjectPattern {
  const parsed = parseSubjectPattern(text)
  return 'pattern' in parsed ? parsed.pattern : assert.fail(parsed.problem)
}

test('finds exactly the subjects that cover another', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(subject, fc.constant('>')), { maxLength: 12 }), subject, (wide, narrow) => {
      const index = new SubjectIndex<string>()
      for (const text of wide) index.add(pattern(text), text)
      const found = [...index.covering(pattern(narrow))].sort()
      assert.deepEqual(found, wide.filter((text) => covers(pattern(text), pattern(narrow))).sort())
    }),
  )
})
