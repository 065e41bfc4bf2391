import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { storedText, storedTexts } from '../../../src/core/stored-text.ts'

test('a plain text of any language is kept as it is', () => {
  for (const text of ['', 'José 東京', '😀', 'a\\b', '{"a":"b"}']) assert.equal(storedText(text, 64), text)
})

test('control characters, line separators and lone surrogates are written as their codes, each time', () => {
  for (let round = 0; round < 2; round++) {
    assert.equal(storedText('\u0000\n\u0085\u2028\ud800x\udc00', 64), String.raw`\u0000\u000a\u0085\u2028\ud800x\udc00`)
  }
})

test('what is too long is cut and says by how much', () => {
  assert.equal(storedText('a'.repeat(65), 64), `${'a'.repeat(40)}…(+25 characters)`)
})

test('a cut does not leave half a character', () => {
  assert.equal(storedText(`${'a'.repeat(39)}😀${'b'.repeat(50)}`, 64), `${'a'.repeat(39)}…(+52 characters)`)
})

test('whatever comes in, what comes out fits, is Unicode and holds nothing harmful', () => {
  const units = fc.array(fc.integer({ min: 0, max: 0xff_ff }), { maxLength: 200 })
  fc.assert(
    fc.property(
      fc.oneof(
        units.map((list) => String.fromCharCode(...list)),
        fc.string({ unit: 'binary' }),
      ),
      (text) => {
        const stored = storedText(text, 64)
        assert.ok(stored.length <= 64 && stored.isWellFormed() && !/[\p{Cc}\u2028\u2029]/u.test(stored))
      },
    ),
  )
})

test('a list that is too long says how many are left out', () => {
  assert.deepEqual(storedTexts(['a', 'b\n', 'c', 'd'], 2, 64), ['a', String.raw`b\u000a`, '…(+2 more)'])
})
