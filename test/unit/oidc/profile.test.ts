import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { checkProfile } from '../../../src/oidc/profile.ts'
import type { ProfileRules } from '../../../src/oidc/profile.ts'
import { someClaims, without } from '../../support/oidc.ts'

function verdict(
  claims: Record<string, unknown>,
  rules: Pick<ProfileRules, 'profile'> & Partial<ProfileRules>,
): string {
  const refusal = checkProfile(claims, { audiences: ['nats'], authorizedParties: [], ...rules })
  return refusal ? `${refusal.reason}: ${refusal.detail}` : 'accepted'
}

suite('the profile rfc9068', () => {
  const claims = someClaims({ client_id: 'web' })

  test('accepts what the RFC requires', () => {
    assert.equal(verdict(claims, { profile: 'rfc9068' }), 'accepted')
  })

  for (const name of ['sub', 'client_id', 'jti']) {
    test(`refuses a token without ${name}`, () => {
      assert.equal(verdict(without(claims, name), { profile: 'rfc9068' }), `claim_missing: "${name}" is absent`)
    })

    for (const value of ['', null, 7, ['x']]) {
      test(`refuses ${JSON.stringify(value)} as ${name}`, () => {
        assert.equal(
          verdict({ ...claims, [name]: value }, { profile: 'rfc9068' }),
          `claim_invalid: "${name}" is not a non-empty string`,
        )
      })
    }
  }
})

suite('the profile id_token accepts', () => {
  const cases: [what: string, claims: Record<string, unknown>, rules: Partial<ProfileRules>][] = [
    ['our audience alone', {}, {}],
    ['our audience as the only one of a list', { aud: ['nats'] }, {}],
    ['our audience as the party', { azp: 'nats' }, {}],
    ['several audiences of ours with the party', { aud: ['nats', 'web'], azp: 'web' }, { audiences: ['nats', 'web'] }],
    ['a party that is authorized', { aud: ['nats', 'cli'], azp: 'cli' }, { authorizedParties: ['cli'] }],
  ]
  for (const [what, claims, rules] of cases) {
    test(what, () => assert.equal(verdict(someClaims(claims), { profile: 'id_token', ...rules }), 'accepted'))
  }
})

suite('the profile id_token refuses', () => {
  const cases: [what: string, claims: Record<string, unknown>, rules: Partial<ProfileRules>, expected: string][] = [
    ['an audience of others', { aud: ['nats', 'evil'], azp: 'nats' }, {}, 'audience_mismatch: "aud" also holds "evil"'],
    [
      'several audiences without a party',
      { aud: ['nats', 'web'] },
      { audiences: ['nats', 'web'] },
      'claim_missing: "azp" is absent, and "aud" holds several',
    ],
    [
      'a token that another client obtained',
      { azp: 'evil' },
      {},
      'claim_invalid: "azp" is "evil", which is not an authorized party',
    ],
    [
      'our own audience as party when others are authorized',
      { azp: 'nats' },
      { authorizedParties: ['cli'] },
      'claim_invalid: "azp" is "nats", which is not an authorized party',
    ],
    [
      'a list of parties',
      { azp: ['nats'] },
      {},
      'claim_invalid: "azp" is an array of 1, which is not an authorized party',
    ],
    ['an empty sub', { sub: '' }, {}, 'claim_invalid: "sub" is not a non-empty string'],
  ]
  for (const [what, claims, rules, expected] of cases) {
    test(what, () => assert.equal(verdict(someClaims(claims), { profile: 'id_token', ...rules }), expected))
  }
})

test('the profile generic asks for nothing more', () => {
  assert.equal(verdict({}, { profile: 'generic' }), 'accepted')
})
