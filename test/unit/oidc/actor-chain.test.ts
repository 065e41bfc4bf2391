import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readActors } from '../../../src/oidc/actor-chain.ts'

function chain(length: number): unknown {
  return length === 0 ? undefined : { sub: `agent-${length}`, act: chain(length - 1) }
}

/** As it comes out of a token: members that are undefined are not there. */
function actors(act: unknown): unknown {
  return readActors(JSON.parse(JSON.stringify({ act })) as Record<string, unknown>)
}

suite('the actors of a token', () => {
  test('are none without an act claim', () => {
    assert.deepEqual(actors(undefined), [])
  })

  test('are the current one first, then those before it', () => {
    const act = { sub: 'agent', iss: 'https://idp.example', act: { client_id: 'app' } }
    assert.deepEqual(actors(act), [{ subject: 'agent', issuer: 'https://idp.example' }, { clientId: 'app' }])
  })

  test('may be five', () => {
    assert.equal((actors(chain(5)) as unknown[]).length, 5)
  })

  const refused: [what: string, act: unknown, expected: string][] = [
    ['six', chain(6), 'claim_invalid: "act" nests deeper than 5'],
    ['null', null, 'claim_invalid: "act" is null, not an object'],
    ['a text', 'agent', 'claim_invalid: "act" is "agent", not an object'],
    ['a list', [{ sub: 'agent' }], 'claim_invalid: "act" is an array of 1, not an object'],
    ['a list further down', { sub: 'a', act: [] }, 'claim_invalid: "act" is an array of 0, not an object'],
    ['nobody', {}, 'claim_missing: "act" names nobody'],
    ['an issuer alone', { iss: 'https://idp.example' }, 'claim_missing: "act" names nobody'],
    ['a number', { sub: 7 }, 'claim_invalid: "act/sub" is 7, not a string'],
    [
      'hidden characters',
      { sub: 'agent\u202e' },
      'identity_invalid: "act/sub" is empty, longer than 255 bytes, not in NFC, or has hidden characters',
    ],
  ]
  for (const [what, act, expected] of refused) {
    test(`are refused as ${what}`, () => {
      const refusal = actors(act) as { reason: string; detail: string }
      assert.equal(`${refusal.reason}: ${refusal.detail}`, expected)
    })
  }
})
