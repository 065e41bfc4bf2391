import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import {
  covers,
  expandSubject,
  overlaps,
  parseSubjectPattern,
  problemOfQueue,
  type SubjectPattern,
} from '../../../src/core/subject.ts'

function pattern(text: string): SubjectPattern {
  const parsed = parseSubjectPattern(text)
  assert.ok('pattern' in parsed, `${text}: ${'problem' in parsed ? parsed.problem : ''}`)
  return parsed.pattern
}

suite('a subject of a grant', () => {
  for (const text of [
    'a',
    'a.b',
    '*',
    '>',
    'a.*.c',
    'a.>',
    '$JS.API.INFO',
    'größe.東京',
    '{{subject}}',
    'inbox.{{tenant_id}}.>',
    'a-b_c/d',
  ]) {
    test(`may be ${text}`, () => {
      assert.ok('pattern' in parseSubjectPattern(text))
    })
  }

  const refused: [string, RegExp][] = [
    ['', /is empty/],
    ['.', /token 1 of the subject is empty/],
    ['a.', /token 2 of the subject is empty/],
    ['.a', /token 1 of the subject is empty/],
    ['a..b', /token 2 of the subject is empty/],
    ['a b', /white space/],
    ['a.\tb', /white space/],
    ['a.b\n', /white space/],
    ['a\u0000b', /control character/],
    ['a\u00a0b', /white space/],
    ['a.\u0085b', /control character/],
    ['a.>.b', /">" is not the last token/],
    ['>.a', /">" is not the last token/],
    ['a.b*', /mixes a wildcard/],
    ['a.**', /mixes a wildcard/],
    ['a.>b', /mixes a wildcard/],
    ['a.{{subject}}x', /not a whole/],
    ['a.{{Subject}}', /not a whole/],
    ['a.{subject}', /not a whole/],
    ['a.{{}}', /not a whole/],
    ['a.\ud800', /well-formed/],
    ['a'.repeat(1025), /longer than 1024/],
  ]
  for (const [text, problem] of refused) {
    test(`may not be ${JSON.stringify(text).slice(0, 40)}`, () => {
      const parsed = parseSubjectPattern(text)
      assert.match('problem' in parsed ? parsed.problem : 'accepted', problem)
    })
  }

  test('whatever the text, parses or says what is wrong, and never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        const parsed = parseSubjectPattern(text)
        return 'pattern' in parsed ? !/[\s\p{Cc}]|\.\.|^\.|\.$/u.test(text) : parsed.problem.length > 0
      }),
    )
  })
})

suite('a variable in a subject', () => {
  test('stands for exactly one token', () => {
    assert.deepEqual(expandSubject(pattern('user.{{subject}}.>'), { subject: 'alice' }), { subject: 'user.alice.>' })
  })

  for (const value of ['', '*', '>', 'a.b', 'a b', 'é', 'a\n', '{{subject}}', 'x'.repeat(129)]) {
    test(`cannot bring ${JSON.stringify(value).slice(0, 20)} into the subject`, () => {
      assert.deepEqual(expandSubject(pattern('user.{{subject}}'), { subject: value }), { unresolved: 'subject' })
    })
  }

  test('that the identity lacks stays unresolved, inherited properties included', () => {
    assert.deepEqual(expandSubject(pattern('a.{{constructor}}'), {}), { unresolved: 'constructor' })
  })

  test('never changes the number of tokens or brings in a wildcard, whatever the value', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (value) => {
        const expanded = expandSubject(pattern('a.{{v}}.c'), { v: value })
        if ('unresolved' in expanded) return true
        const tokens = expanded.subject.split('.')
        return tokens.length === 3 && tokens[1] === value && !/[*>\s]/.test(value)
      }),
    )
  })
})

suite('a queue group', () => {
  for (const text of ['workers', 'wkr.*', 'a.>']) {
    test(`may be ${text}`, () => assert.equal(problemOfQueue(text), undefined))
  }
  for (const text of ['', 'a b', 'a..b', '{{subject}}', 'q'.repeat(257)]) {
    test(`may not be ${JSON.stringify(text).slice(0, 20)}`, () => assert.ok(problemOfQueue(text)))
  }
})

suite('coverage of subjects', () => {
  const token = fc.constantFrom('a', 'b', 'c')
  const literal = fc.array(token, { minLength: 1, maxLength: 4 })
  const wild = fc
    .tuple(fc.array(fc.constantFrom('a', 'b', '*'), { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([tokens, rest]) => (rest ? [...tokens, '>'] : tokens))

  /** The rules of nats-server, written as slowly as possible. */
  function naive(wide: readonly string[], subject: readonly string[]): boolean {
    const [head, ...tail] = wide
    const [first, ...others] = subject
    if (head === undefined) return first === undefined
    if (head === '>') return first !== undefined
    return first !== undefined && (head === '*' || head === first) && naive(tail, others)
  }

  test('of a literal subject is what a naive matcher says', () => {
    fc.assert(
      fc.property(
        wild,
        literal,
        (wide, subject) => covers(pattern(wide.join('.')), pattern(subject.join('.'))) === naive(wide, subject),
      ),
    )
  })

  test('of a wildcard holds exactly when every subject of the narrow one is matched by the wide one', () => {
    const universe = allSubjects(['a', 'b', 'z'], 5)
    fc.assert(
      fc.property(wild, wild, (wide, narrow) => {
        const all = universe.filter((subject) => naive(narrow, subject)).every((subject) => naive(wide, subject))
        return covers(pattern(wide.join('.')), pattern(narrow.join('.'))) === all
      }),
    )
  })

  test('in part holds exactly when some subject is matched by both', () => {
    const universe = allSubjects(['a', 'b', 'z'], 5)
    fc.assert(
      fc.property(wild, wild, (one, other) => {
        const some = universe.some((subject) => naive(one, subject) && naive(other, subject))
        return overlaps(pattern(one.join('.')), pattern(other.join('.'))) === some
      }),
    )
  })

  test('in part with a variable holds when the variable may stand for what is there', () => {
    const one = pattern('box.{{subject}}.>')
    for (const other of ['box.alice.new', 'box.*.new', 'box.>', '*.{{tenant}}.*'])
      assert.equal(overlaps(one, pattern(other)), true, other)
    for (const other of ['box.$SYS.new', 'box.alice', 'bin.alice.new'])
      assert.equal(overlaps(one, pattern(other)), false, other)
  })

  function allSubjects(alphabet: readonly string[], length: number): string[][] {
    if (length === 0) return []
    const shorter = allSubjects(alphabet, length - 1)
    const longest = length === 1 ? [[]] : shorter.filter((subject) => subject.length === length - 1)
    return [...shorter, ...longest.flatMap((subject) => alphabet.map((next) => [...subject, next]))]
  }
})
