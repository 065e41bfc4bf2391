import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalJson } from '../../../src/core/canonical-json.ts'

test('the example of RFC 8785 §3.2.2 has its form', () => {
  const value = {
    numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
    string: "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\u0022\u002f",
    literals: [null, true, false],
  }
  assert.equal(
    canonicalJson(value),
    String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
  )
})

test('members are sorted by their UTF-16 code units: RFC 8785 §3.2.3', () => {
  const value = { '\u20ac': 'e', '\r': 'a', '\ufb33': 'g', '1': 'b', '\u{1f600}': 'f', '\u0080': 'c', '\u00f6': 'd' }
  assert.deepEqual([...canonicalJson(value).matchAll(/:"(.)"/g)].map(([, letter]) => letter).join(''), 'abcdefg')
})

test('it is the same for the same content in any order, and means it', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value)
      assert.equal(canonicalJson(reversed(value)), text)
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)))
    }),
  )
})

test('what is no JSON has none', () => {
  for (const value of [undefined, Number.NaN, Infinity, '\ud800', 1n, () => {}, { '\ud800': 1 }]) {
    assert.throws(() => canonicalJson(value), TypeError)
  }
})

/** The same content, members in the other order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, reversed(member)]),
  )
}
