import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { tokenOf } from '../../../src/service/token-source.ts'
import { aRequest } from '../../support/builders.ts'

const both = ['auth_token', 'password'] as const

function reasonOf(found: ReturnType<typeof tokenOf>): string {
  return 'reason' in found ? found.reason : 'found'
}

suite('the token of a request', () => {
  test('is taken from a configured source', () => {
    assert.deepEqual(tokenOf(aRequest({ credentials: { password: 't' } }), both, 10), { token: 't' })
  })

  test('is not taken from a source that is not configured', () => {
    assert.equal(reasonOf(tokenOf(aRequest({ credentials: { password: 't' } }), ['auth_token'], 10)), 'token_missing')
  })

  for (const credentials of [{}, { authToken: '' }, { user: 'alice' }]) {
    test(`is missing in ${JSON.stringify(credentials)}`, () => {
      assert.equal(reasonOf(tokenOf(aRequest({ credentials }), both, 10)), 'token_missing')
    })
  }

  test('may stand in both sources, as an MQTT password does', () => {
    assert.deepEqual(tokenOf(aRequest({ credentials: { authToken: 't', password: 't' } }), both, 10), { token: 't' })
  })

  test('is ambiguous when the sources differ', () => {
    assert.equal(
      reasonOf(tokenOf(aRequest({ credentials: { authToken: 't', password: 'u' } }), both, 10)),
      'token_ambiguous',
    )
  })

  test('is measured in bytes, not in characters', () => {
    assert.equal(reasonOf(tokenOf(aRequest({ credentials: { authToken: 'éé' } }), both, 3)), 'token_oversized')
  })
})
