import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { checkMatch, matches } from '../../../src/oidc/match-rule.ts'
import type { MatchRule } from '../../../src/oidc/match-rule.ts'

type Condition = MatchRule extends infer Rule ? (Rule extends MatchRule ? Omit<Rule, 'path'> : never) : never

function holds(value: unknown, condition: Condition): boolean {
  return matches({ claim: value }, { path: ['claim'], ...condition })
}

test('a match rule may be about who acts for the subject', () => {
  const claims = { sub: 'alice', act: { sub: 'agent-7', act: { sub: 'agent-1' } } }
  assert.ok(matches(claims, { path: ['act', 'sub'], anyOf: ['agent-7'] }))
  assert.ok(!matches(claims, { path: ['act', 'sub'], anyOf: ['agent-1'] }))
  assert.ok(!matches({ sub: 'alice' }, { path: ['act', 'sub'], present: true }))
})

suite('a match rule holds', () => {
  const cases: [what: string, value: unknown, condition: Condition][] = [
    ['equal text', 'Bearer', { equals: 'Bearer' }],
    ['an equal boolean', true, { equals: true }],
    ['an equal number', 7, { equals: 7 }],
    ['empty text that is asked for', '', { equals: '' }],
    ['one of the values', 'b', { anyOf: ['a', 'b'] }],
    ['a list with one of the values', ['x', 'b'], { anyOf: ['a', 'b'] }],
    ['a list with all of the values', ['b', 'x', 'a'], { allOf: ['a', 'b'] }],
    ['the one value that is all', 'a', { allOf: ['a'] }],
    ['a list with none of the values', ['x'], { noneOf: ['a', 'b'] }],
    ['an empty list for none', [], { noneOf: ['a'] }],
    ['a prefix', 'spiffe://td/x', { prefix: 'spiffe://td/' }],
    ['a glob without a star', 'main', { glob: 'main' }],
    ['a star at the end', 'refs/heads/main', { glob: 'refs/heads/*' }],
    ['a star for nothing', 'refs/heads/', { glob: 'refs/heads/*' }],
    ['stars in between', 'repo:o/r:ref:refs/tags/v1', { glob: 'repo:*:ref:*/v1' }],
    ['characters that mean something in expressions', 'a.b(c)+', { glob: 'a.b(*)+' }],
    ['presence', 0, { present: true }],
  ]
  for (const [what, value, condition] of cases) {
    test(`for ${what}`, () => assert.equal(holds(value, condition), true))
  }

  test('for absence, and for none of the values of an absent claim', () => {
    assert.equal(matches({}, { path: ['claim'], absent: true }), true)
    assert.equal(matches({}, { path: ['claim'], noneOf: ['x'] }), true)
  })

  test('along names with dots and slashes', () => {
    const claims = { 'https://sts.amazonaws.com/': { 'kubernetes.io': 'x' } }
    assert.equal(matches(claims, { path: ['https://sts.amazonaws.com/', 'kubernetes.io'], equals: 'x' }), true)
  })
})

suite('a match rule does not hold', () => {
  const cases: [what: string, value: unknown, condition: Condition][] = [
    ['the text "true" for true', 'true', { equals: true }],
    ['true for the text "true"', true, { equals: 'true' }],
    ['the text "7" for 7', '7', { equals: 7 }],
    ['a list for its one element', ['a'], { equals: 'a' }],
    ['other letter case', 'bearer', { equals: 'Bearer' }],
    ['a value that only starts equal', 'Bearer2', { equals: 'Bearer' }],
    ['null for the text "null"', null, { equals: 'null' }],
    ['a list in a list', [['a']], { anyOf: ['a'] }],
    ['a value as a member name', { a: true }, { anyOf: ['a'] }],
    ['a part of a value', 'ab', { anyOf: ['a'] }],
    ['values in one text', 'a b', { allOf: ['a', 'b'] }],
    ['some of all', ['a'], { allOf: ['a', 'b'] }],
    ['one of the values that must not be', ['x', 'a'], { noneOf: ['a'] }],
    ['something that cannot be compared among none', [{ role: 'a' }], { noneOf: ['a'] }],
    ['null for none', null, { noneOf: ['a'] }],
    ['a list for a prefix', ['abc'], { prefix: 'a' }],
    ['the prefix further inside', 'xspiffe://td/', { prefix: 'spiffe://td/' }],
    ['more text than a glob without star', 'main2', { glob: 'main' }],
    ['text before the first star', 'xrefs/heads/main', { glob: 'refs/heads/*' }],
    ['text after the last star', 'a-release-x', { glob: '*-release' }],
    ['beginning and end that overlap', 'aba', { glob: 'ab*ba' }],
    ['a middle that overlaps the end', 'xaby', { glob: 'x*ab*by' }],
    ['a question mark as any character', 'ab', { glob: 'a?' }],
    ['a text too long for a glob', 'a'.repeat(4097), { glob: 'a*' }],
    ['null as presence', null, { present: true }],
    ['null as absence', null, { absent: true }],
  ]
  for (const [what, value, condition] of cases) {
    test(`for ${what}`, () => assert.equal(holds(value, condition), false))
  }

  test('for members that objects inherit', () => {
    assert.equal(matches({}, { path: ['constructor', 'name'], equals: 'Object' }), false)
    assert.equal(matches({}, { path: ['__proto__'], present: true }), false)
  })

  test('for presence when a member on the way is no object', () => {
    assert.equal(matches({ a: 'x' }, { path: ['a', 'b'], present: true }), false)
  })

  for (const absence of [{ absent: true }, { noneOf: ['admin'] }] as const) {
    test(`for ${Object.keys(absence).join()} when a member on the way is no object`, () => {
      assert.equal(matches({ a: 'x' }, { path: ['a', 'b'], ...absence }), false)
    })

    test(`for ${Object.keys(absence).join()} when the issuer keeps the claim elsewhere`, () => {
      assert.equal(matches({ _claim_names: { roles: 'src1' } }, { path: ['roles'], ...absence }), false)
      assert.equal(matches({ hasgroups: true }, { path: ['groups'], ...absence }), false)
    })
  }
})

suite('checkMatch', () => {
  test('asks for every rule and names the first that is broken', () => {
    const rules: MatchRule[] = [
      { path: ['typ'], equals: 'Bearer' },
      { path: ['realm_access', 'roles'], anyOf: ['nats'] },
    ]
    assert.equal(checkMatch({ typ: 'Bearer', realm_access: { roles: ['nats'] } }, rules), undefined)
    assert.deepEqual(checkMatch({ typ: 'Bearer', realm_access: { roles: ['x'] } }, rules), {
      reason: 'claim_mismatch',
      detail: '"realm_access/roles" is an array of 1, and the match rule asks for any_of ["nats"]',
    })
  })

  for (const [condition, words] of [
    [{ equals: 'a' }, 'equals "a"'],
    [{ anyOf: ['a', 'b', 1, true] }, 'any_of ["a", "b", 1, …]'],
    [{ allOf: ['a'] }, 'all_of ["a"]'],
    [{ noneOf: ['x'] }, 'none_of ["x"]'],
    [{ prefix: 'a' }, 'prefix "a"'],
    [{ glob: 'a*' }, 'glob "a*"'],
    [{ absent: true }, 'absent'],
  ] as const) {
    test(`says that it asks for ${words}`, () => {
      const refusal = checkMatch({ claim: 'x' }, [{ path: ['claim'], ...condition }])
      assert.equal(refusal?.detail, `"claim" is "x", and the match rule asks for ${words}`)
    })
  }

  test('says that the issuer left the claim out', () => {
    const refusal = checkMatch({ _claim_names: { roles: 'src1' } }, [{ path: ['roles'], absent: true }])
    assert.equal(refusal?.detail, '"roles" is left out by the issuer, and the match rule asks for absent')
  })

  test('never repeats a long or unprintable value', () => {
    const refusal = checkMatch({ claim: 'x'.repeat(5000) }, [{ path: ['claim'], equals: 'y'.repeat(1000) }])
    assert.ok((refusal?.detail.length ?? 1e9) < 200)
  })
})

test('a glob agrees with the regular expression that it stands for', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 12 })
  const glob = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 8 })
  fc.assert(
    fc.property(text, glob, (value, pattern) => {
      const expression = new RegExp(`^${pattern.replaceAll('.', String.raw`\.`).replaceAll('*', '.*')}$`)
      assert.equal(holds(value, { glob: pattern }), expression.test(value))
    }),
    { numRuns: 2000 },
  )
})

test('a glob made to be slow is not', () => {
  const cpu = process.cpuUsage()
  assert.equal(holds(`${'a'.repeat(4000)}b`, { glob: `${'*a'.repeat(500)}*c` }), false)
  const { user, system } = process.cpuUsage(cpu)
  // One that backtracks takes longer than anybody waits.
  assert.ok((user + system) / 1000 < 1000)
})
