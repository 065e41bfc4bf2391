import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { checkClaims, FIT_CHECKS } from '../../../src/oidc/claims.ts'
import type { ClaimRules, FitRules } from '../../../src/oidc/claims.ts'
import { NOW_MS, NOW_SECONDS } from '../../support/builders.ts'
import { anIssuer, someClaims, without } from '../../support/oidc.ts'

function verdict(claims: Record<string, unknown>, rules: Partial<ClaimRules & FitRules> = {}): string {
  const entry = { ...anIssuer(), ...rules }
  const misfit = FIT_CHECKS.map((check) => check(claims, entry)).find((refusal) => refusal !== undefined)
  const refusal = misfit ?? checkClaims(claims, entry, NOW_MS)
  return refusal ? `${refusal.reason}: ${refusal.detail}` : 'accepted'
}

suite('checkClaims accepts', () => {
  for (const [what, claims] of [
    ['a plain token', someClaims()],
    ['our audience among others', someClaims({ aud: ['x', 'nats'] })],
    ['an expiry within the skew', someClaims({ exp: NOW_SECONDS - 29 })],
    ['an issue time within the skew', someClaims({ iat: NOW_SECONDS + 30 })],
    ['a lifetime of exactly the maximum', someClaims({ iat: NOW_SECONDS, exp: NOW_SECONDS + 86_400 })],
    ['a token that is valid from now on', someClaims({ nbf: NOW_SECONDS + 30 })],
  ] as const) {
    test(what, () => {
      assert.equal(verdict(claims), 'accepted')
    })
  }

  test('a token of an authorized party', () => {
    assert.equal(verdict(someClaims({ azp: 'cli' }), { authorizedParties: ['web', 'cli'] }), 'accepted')
  })
})

suite('checkClaims with rules of its own accepts', () => {
  test('a token without audience where there are none', () => {
    assert.equal(verdict(without(someClaims(), 'aud'), { audiences: [] }), 'accepted')
  })

  test('a token of exactly the greatest age, the skew included', () => {
    assert.equal(verdict(someClaims({ iat: NOW_SECONDS - 90 }), { maxAgeMs: 60_000 }), 'accepted')
  })

  test('a token with every required claim', () => {
    assert.equal(verdict(someClaims({ acr: 0, a: { b: '' } }), { requireClaims: [['acr'], ['a', 'b']] }), 'accepted')
  })
})

suite('checkClaims where another claim is the subject', () => {
  const identity = { subject: { path: ['common_name'] }, clientId: [] }

  for (const claims of [without(someClaims(), 'sub'), someClaims({ sub: '' })]) {
    test(`accepts the sub ${JSON.stringify(claims['sub'])}`, () => {
      assert.equal(verdict(claims, { identity }), 'accepted')
    })
  }

  test('refuses a sub that is no text all the same', () => {
    assert.equal(verdict(someClaims({ sub: 7 }), { identity }), 'claim_invalid: "sub" is not a string')
  })
})

suite('checkClaims with rules of its own refuses', () => {
  for (const aud of ['other', '', [], null]) {
    test(`the audience ${JSON.stringify(aud)} where there are none`, () => {
      assert.match(verdict(someClaims({ aud }), { audiences: [] }), /^(?:audience_mismatch|claim_invalid): "aud" is/)
    })
  }

  test('an old token that has not expired', () => {
    const iat = NOW_SECONDS - 91
    assert.equal(
      verdict(someClaims({ iat }), { maxAgeMs: 60_000 }),
      `token_expired: "iat" is ${iat}, longer ago than max_age`,
    )
  })

  for (const claims of [{}, { a: 'b' }, { a: { b: null } }, { a: { c: 1 } }]) {
    test(`${JSON.stringify(claims)} where "a/b" is required`, () => {
      assert.equal(verdict(someClaims(claims), { requireClaims: [['a', 'b']] }), 'claim_missing: "a/b" is absent')
    })
  }
})

suite('checkClaims refuses', () => {
  for (const [what, claims, expected] of [
    ['a negative exp', someClaims({ exp: -1 }), 'claim_invalid: "exp" is -1, not whole seconds since 1970'],
    [
      'exp after the year 9999',
      someClaims({ exp: 253_402_300_800 }),
      'claim_invalid: "exp" is 253402300800, not whole seconds since 1970',
    ],
    ['an expired token', someClaims({ exp: NOW_SECONDS - 30 }), `token_expired: "exp" is ${NOW_SECONDS - 30}`],
    ['iat true', someClaims({ iat: true }), 'claim_invalid: "iat" is true, not whole seconds since 1970'],
    ['a future iat', someClaims({ iat: NOW_SECONDS + 31 }), `token_not_yet_valid: "iat" is ${NOW_SECONDS + 31}`],
    ['a future nbf', someClaims({ nbf: NOW_SECONDS + 31 }), `token_not_yet_valid: "nbf" is ${NOW_SECONDS + 31}`],
    ['nbf as text', someClaims({ nbf: '0' }), 'claim_invalid: "nbf" is "0", not whole seconds since 1970'],
    [
      'an expiry before the issue',
      someClaims({ iat: NOW_SECONDS + 10, exp: NOW_SECONDS + 5 }),
      `claim_invalid: "exp" is ${NOW_SECONDS + 5}, not after "iat" ${NOW_SECONDS + 10}`,
    ],
    [
      'an expiry at the issue',
      someClaims({ iat: NOW_SECONDS, exp: NOW_SECONDS }),
      `claim_invalid: "exp" is ${NOW_SECONDS}, not after "iat" ${NOW_SECONDS}`,
    ],
    ['no aud in the list', someClaims({ aud: [] }), 'audience_mismatch: "aud" is an array of 0'],
    [
      'our aud beside a number',
      someClaims({ aud: ['nats', 1] }),
      'claim_invalid: "aud" is not a string or an array of strings',
    ],
  ] as const) {
    test(what, () => {
      assert.equal(verdict(claims), expected)
    })
  }

  test('claims that are only inherited', () => {
    assert.equal(verdict(Object.create(someClaims()) as Record<string, unknown>), 'claim_missing: "aud" is absent')
  })

  test('a party that is not authorized', () => {
    assert.equal(
      verdict(someClaims({ azp: 'other' }), { authorizedParties: ['cli'] }),
      'claim_invalid: "azp" is "other", which is not an authorized party',
    )
  })

  test('a later client claim when an earlier one names somebody else', () => {
    assert.equal(
      verdict(someClaims({ client_id: 'other', azp: 'cli' }), { authorizedParties: ['cli'] }),
      'claim_invalid: "client_id" is "other", which is not an authorized party',
    )
  })

  test('a token that names no party when parties are set', () => {
    assert.equal(
      verdict(someClaims(), { authorizedParties: ['cli'] }),
      'claim_missing: no claim names the client, and authorized parties are set',
    )
  })

  test('without repeating a long or unprintable value', () => {
    const details = [verdict(someClaims({ aud: 'x'.repeat(5000) })), verdict(someClaims({ aud: 'a\u202eb\n' }))]
    assert.deepEqual(details, [
      'audience_mismatch: "aud" is a long or unprintable string of length 5000',
      'audience_mismatch: "aud" is a long or unprintable string of length 4',
    ])
  })
})
