import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isSafeText } from '../../../src/oidc/safe-text.ts'

suite('a safe text', () => {
  for (const text of ['a', ' ~', 'José 東京', 'x'.repeat(255), 'é'.repeat(127)]) {
    test(`may be ${JSON.stringify(text).slice(0, 20)} of ${text.length}`, () =>
      assert.equal(isSafeText(text, 255), true))
  }

  for (const text of [
    '',
    'x'.repeat(256),
    'é'.repeat(128),
    'a\n',
    '\na',
    'a\u0000',
    'a\u007f',
    'a\u0085',
    'a\u200b',
    'a\u202eb',
    'a\u2028',
    '\ud800',
    'e\u0301',
    'a\u034f',
    'a\u115f',
    'a\u3164',
    'a\ufe0f',
    'a\uffa0',
    'a\u{e0100}',
  ]) {
    test(`may not be ${JSON.stringify(text).slice(0, 20)} of ${text.length}`, () =>
      assert.equal(isSafeText(text, 255), false))
  }
})
