import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { parseJsonObject, readMember } from '../../../src/oidc/strict-json.ts'

function faultOf(text: string | Uint8Array): string | undefined {
  const result = parseJsonObject(Buffer.from(text))
  return 'fault' in result ? result.fault : undefined
}

suite('parseJsonObject', () => {
  test('returns the object that the bytes spell', () => {
    const result = parseJsonObject(Buffer.from('{"sub":"José 東京","n":{"a":[1,"x",{}]}}'))
    assert.deepEqual(result, { object: { sub: 'José 東京', n: { a: [1, 'x', {}] } } })
  })

  for (const [what, bytes, fault] of [
    ['an array', '[1]', 'is not a JSON object'],
    ['null', 'null', 'is not a JSON object'],
    ['a string', '"x"', 'is not a JSON object'],
    ['nothing', '', 'is not JSON'],
    ['text after the object', '{}x', 'is not JSON'],
    ['a byte order mark', '\u{feff}{}', 'is not JSON'],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'is not UTF-8'],
    ['a surrogate encoded in UTF-8', Buffer.from('7b2261223a22eda080227d', 'hex'), 'is not UTF-8'],
    ['an escaped lone surrogate in a value', String.raw`{"a":"x\ud800"}`, 'holds a lone surrogate'],
    ['an escaped lone surrogate in a name', String.raw`{"\udfff":1}`, 'holds a lone surrogate'],
    ['a name twice', '{"aud":"a","aud":"b"}', 'holds a member name twice'],
    ['a name twice with white space before the colon', '{"aud":"a","aud" \t\n:"b"}', 'holds a member name twice'],
    ['a name twice, once escaped', String.raw`{"aud":"a","\u0061ud":"b"}`, 'holds a member name twice'],
    ['a name twice in a nested object', '{"a":[{"b":1,"c":{},"b":2}]}', 'holds a member name twice'],
    ['33 levels of nesting', `{"a":${'['.repeat(32)}${']'.repeat(32)}}`, 'nests deeper than 32'],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.equal(faultOf(bytes), fault)
    })
  }

  for (const [what, text] of [
    ['the same name in two objects', '{"a":{"b":1},"c":{"b":2},"b":3}'],
    ['a value that equals a name', '{"a":"b","b":"a","c":["a","a"]}'],
    ['brackets, colons and quotes inside of strings', String.raw`{"a":"{\"a\":1,[","b\\":"\":","c":"]}"}`],
    ['a surrogate pair in escapes', String.raw`{"a":"\ud83d\ude00"}`],
    ['32 levels of nesting', `{"a":${'['.repeat(31)}${']'.repeat(31)}}`],
  ] as const) {
    test(`accepts ${what}`, () => {
      assert.equal(faultOf(text), undefined)
    })
  }

  test('reads back whatever JSON.stringify writes of a shallow object', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 3 })), (object) => {
        const text = JSON.stringify(object)
        assert.deepEqual(parseJsonObject(Buffer.from(text)), { object: JSON.parse(text) as unknown })
      }),
    )
  })

  test('refuses a duplicate of any name at any place', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.jsonValue({ maxDepth: 2 }),
        fc.jsonValue({ maxDepth: 2 }),
        (name, a, b) => {
          const member = JSON.stringify(name)
          const text = `{"x":[{${member}:${JSON.stringify(a)},"other":0,${member}:${JSON.stringify(b)}}]}`
          assert.equal(faultOf(text), 'holds a member name twice')
        },
      ),
    )
  })
})

suite('readMember', () => {
  test('does not see what objects inherit', () => {
    assert.equal(readMember({}, 'constructor'), undefined)
  })

  test('sees an own member called __proto__', () => {
    const result = parseJsonObject(Buffer.from('{"__proto__":7}'))
    assert.ok('object' in result)
    assert.equal(readMember(result.object, '__proto__'), 7)
  })
})
