import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { expandSubject, parseSubjectPattern } from '../../../../src/core/subject.ts'
import { NOW_SECONDS } from '../../../support/builders.ts'
import { createSigner, ISSUER, signToken, someClaims, without } from '../../../support/oidc.ts'
import { BUDGET_MS, corpVerifier, verdictOf } from '../../../support/token-verifier.ts'

const SIGNER = createSigner('ES256', 'key-1')
const verifier = corpVerifier([SIGNER.publicJwk])

function identityOf(claims: Record<string, unknown> | string) {
  return verifier.verify(signToken(SIGNER, claims), BUDGET_MS)
}

/** One test for each: what the issuer signed, and what the verifier says all the same. */
function refuses(
  cases: readonly (readonly [what: string, claims: Record<string, unknown> | string, verdict: string])[],
) {
  for (const [what, claims, verdict] of cases) {
    test(what, async () => assert.equal(await verdictOf(verifier, signToken(SIGNER, claims)), verdict))
  }
}

/** The claims with a number that JSON can write and `JSON.stringify` cannot. */
function expiringAt(number: string): string {
  return JSON.stringify(someClaims()).replace(/"exp":\d+/, `"exp":${number}`)
}

const noDate = (name: string, value: string): string =>
  `claim_invalid: "${name}" is ${value}, not whole seconds since 1970`

suite('dates that a laxer verifier takes are refused:', () => {
  const tenYears = 315_360_000
  refuses([
    ['no exp', without(someClaims(), 'exp'), 'claim_missing: "exp" is absent'],
    ['no iat', without(someClaims(), 'iat'), 'claim_missing: "iat" is absent'],
    ['exp as text', someClaims({ exp: '9999999999' }), noDate('exp', '"9999999999"')],
    ['exp null', someClaims({ exp: null }), noDate('exp', 'null')],
    ['exp 1e300', someClaims({ exp: 1e300 }), noDate('exp', '1e+300')],
    [
      'exp 1e400, which reads as Infinity and means "never" further down',
      expiringAt('1e400'),
      noDate('exp', 'Infinity'),
    ],
    ['exp with a fraction', someClaims({ exp: 1.5 }), noDate('exp', '1.5')],
    ['exp in the past', someClaims({ exp: NOW_SECONDS - 40 }), `token_expired: "exp" is ${NOW_SECONDS - 40}`],
    [
      'ten years of life',
      someClaims({ exp: NOW_SECONDS - 60 + tenYears }),
      `token_lifetime_too_long: "exp" is ${tenYears} s after "iat"`,
    ],
    ['iat in the future', someClaims({ iat: NOW_SECONDS + 300 }), `token_not_yet_valid: "iat" is ${NOW_SECONDS + 300}`],
    ['nbf in the future', someClaims({ nbf: NOW_SECONDS + 300 }), `token_not_yet_valid: "nbf" is ${NOW_SECONDS + 300}`],
  ])
})

suite('an audience that is not ours is refused:', () => {
  const noText = 'claim_invalid: "aud" is not a string or an array of strings'
  refuses([
    ['none', without(someClaims(), 'aud'), 'claim_missing: "aud" is absent'],
    ['another', someClaims({ aud: 'billing' }), 'audience_mismatch: "aud" is "billing"'],
    ['a part of ours', someClaims({ aud: 'nat' }), 'audience_mismatch: "aud" is "nat"'],
    ['ours with more behind it', someClaims({ aud: 'nats2' }), 'audience_mismatch: "aud" is "nats2"'],
    ['ours in another case', someClaims({ aud: 'NATS' }), 'audience_mismatch: "aud" is "NATS"'],
    ['ours as a member name', someClaims({ aud: { nats: 1 } }), noText],
    ['ours in a nested list', someClaims({ aud: [['nats']] }), noText],
  ])

  test('ours among others is accepted, except as an ID token', async () => {
    const token = signToken(SIGNER, someClaims({ aud: ['nats', 'billing'] }))
    const idTokens = corpVerifier([SIGNER.publicJwk], { profile: 'id_token', tokenTypes: ['JWT'] })
    assert.deepEqual(
      [await verdictOf(verifier, token), await verdictOf(idTokens, token)],
      ['accepted', 'audience_mismatch: "aud" also holds "billing"'],
    )
  })
})

suite('an issuer that is not exactly ours is refused:', () => {
  refuses([
    ['none', without(someClaims(), 'iss'), 'claim_missing: "iss" is absent'],
    ['a list with ours', someClaims({ iss: [ISSUER] }), 'claim_invalid: "iss" is an array of 1, not a string'],
    ['ours with a slash more', someClaims({ iss: `${ISSUER}/` }), `issuer_unknown: "iss" is "${ISSUER}/"`],
    [
      'ours in capitals',
      someClaims({ iss: ISSUER.toUpperCase() }),
      `issuer_unknown: "iss" is "${ISSUER.toUpperCase()}"`,
    ],
    ['a name that every object has', someClaims({ iss: 'constructor' }), 'issuer_unknown: "iss" is "constructor"'],
  ])
})

suite('a subject that could be mistaken for another is refused:', () => {
  const unsafe = 'identity_invalid: "sub" is empty, longer than 255 bytes, not in NFC, or has hidden characters'
  const noText = 'claim_invalid: "sub" is not a non-empty string'
  refuses([
    ['none', without(someClaims(), 'sub'), 'claim_missing: "sub" is absent'],
    ['a number', someClaims({ sub: 1 }), noText],
    ['an empty text', someClaims({ sub: '' }), noText],
    ['NUL', someClaims({ sub: 'alice\u0000' }), unsafe],
    ['a bidirectional override', someClaims({ sub: 'a\u202ecila' }), unsafe],
    ['a letter that is drawn as nothing', someClaims({ sub: 'alice\u3164' }), unsafe],
    ['a decomposed letter', someClaims({ sub: 'Jose\u0301' }), unsafe],
    ['10,000 characters', someClaims({ sub: 'x'.repeat(10_000) }), unsafe],
  ])

  test('100,000 characters', async () => {
    const token = signToken(SIGNER, someClaims({ sub: 'x'.repeat(100_000) }))
    assert.match(await verdictOf(verifier, token), /^token_oversized: /)
  })

  for (const sub of ['*', '>', 'foo.>', 'a b', '$SYS']) {
    test(`not ${JSON.stringify(sub)}, which is one person and never a part of a NATS subject`, async () => {
      const verification = await identityOf(someClaims({ sub }))
      const parsed = parseSubjectPattern('box.{{subject}}.in')
      assert.ok(verification.accepted && 'pattern' in parsed)
      assert.equal(verification.identity.subject, sub)
      assert.deepEqual(expandSubject(parsed.pattern, { subject: verification.identity.subject }), {
        unresolved: 'subject',
      })
    })
  }
})

suite('a claim called __proto__', () => {
  const smuggled = '"__proto__":{"sub":"root","groups":["admins"],"aud":"nats"}'
  const withSmuggled = (claims: Record<string, unknown>): string => `{${smuggled},${JSON.stringify(claims).slice(1)}`

  test('brings in no claim, and changes no prototype', async () => {
    const verification = await identityOf(withSmuggled(someClaims()))
    assert.ok(verification.accepted)
    const { subject, groups } = verification.identity
    assert.deepEqual([subject, groups, Object.hasOwn(Object.prototype, 'sub')], ['alice', [], false])
  })

  refuses([
    [
      'does not stand in for an absent subject',
      withSmuggled(without(someClaims(), 'sub')),
      'claim_missing: "sub" is absent',
    ],
    [
      'does not stand in for an absent audience',
      withSmuggled(without(someClaims(), 'aud')),
      'claim_missing: "aud" is absent',
    ],
  ])
})

suite('a token that is no bearer token for a login is refused:', () => {
  refuses([
    [
      'a logout token or another security event',
      someClaims({ events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }),
      'claim_invalid: a token with "events" is no login token',
    ],
    [
      'one that is bound to a DPoP key',
      someClaims({ cnf: { jkt: 'A'.repeat(43) } }),
      'claim_invalid: the token is bound to a key ("cnf") in a way that cannot be proved here',
    ],
    [
      'one that is bound to a certificate that the client did not show',
      someClaims({ cnf: { 'x5t#S256': 'A'.repeat(43) } }),
      'certificate_mismatch: the token is bound to a certificate, and the client showed none to nats-server',
    ],
  ])
})
