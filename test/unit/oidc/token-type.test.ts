import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { checkTokenType } from '../../../src/oidc/token-type.ts'

suite('checkTokenType', () => {
  for (const [type, allowed] of [
    ['JWT', ['JWT']],
    ['jwt', ['JWT']],
    ['application/jwt', ['JWT']],
    ['at+jwt', ['application/at+jwt']],
    ['Application/AT+JWT', ['at+jwt']],
    [undefined, ['', 'JWT']],
  ] as const) {
    test(`accepts ${String(type)} where ${JSON.stringify(allowed)} is allowed`, () => {
      assert.equal(checkTokenType(type, allowed), undefined)
    })
  }

  for (const [type, allowed] of [
    [undefined, ['JWT']],
    ['', ['', 'JWT']],
    ['JWT ', ['JWT']],
    ['JWT\u0000', ['JWT']],
    ['at+jwt', ['JWT']],
    ['application/application/jwt', ['JWT']],
    ['application/', ['']],
    ['text/jwt', ['JWT']],
    [['JWT'], ['JWT']],
    [null, ['JWT', '']],
    ['x\u212aey', ['xkey']],
    ['logout+jwt', ['logout+jwt']],
    ['secevent+jwt', ['secevent+jwt']],
    ['application/logout+jwt', ['application/logout+jwt']],
  ] as const) {
    test(`refuses ${JSON.stringify(type)} where ${JSON.stringify(allowed)} is allowed`, () => {
      assert.equal(checkTokenType(type, allowed)?.reason, 'token_type_not_allowed')
    })
  }
})
