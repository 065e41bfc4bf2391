import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import { NOW_SECONDS } from '../../support/builders.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { anIssuer, createSigner, signToken, someClaims } from '../../support/oidc.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'
import { BUDGET_MS, corpVerifier, KEYS_URL, verdictOf, verifierOf } from '../../support/token-verifier.ts'

/** What is refused, and why: `attacks/`. */

const SIGNER = createSigner('ES256', 'key-1')

suite('a token verifier accepts', () => {
  test('a good token, and says who it speaks for', async () => {
    const token = signToken(SIGNER, someClaims({ azp: 'cli', groups: ['ops'], tid: 't-1' }))
    const verification = await corpVerifier([SIGNER.publicJwk]).verify(token, BUDGET_MS)
    assert.ok(verification.accepted)
    const { token: facts, ...identity } = verification.identity
    assert.deepEqual(identity, {
      issuerId: 'corp',
      kind: 'user',
      subject: 'alice',
      clientId: 'cli',
      groups: ['ops'],
      attributes: { tenant: 't-1' },
    })
    assert.deepEqual([facts.id, facts.expiresAt, facts.keyId], ['token-1', NOW_SECONDS + 3600, 'key-1'])
  })

  for (const alg of ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA']) {
    test(`a token signed with ${alg}`, async () => {
      const signer = createSigner(alg)
      assert.equal(
        await verdictOf(corpVerifier([signer.publicJwk], { algorithms: [alg] }), signToken(signer)),
        'accepted',
      )
    })
  }

  test('a token of RFC 9068', async () => {
    const token = signToken(SIGNER, someClaims({ client_id: 'web' }), { typ: 'application/at+jwt' })
    assert.equal(await verdictOf(corpVerifier([SIGNER.publicJwk]), token), 'accepted')
  })
})

suite('a refusal', () => {
  test('names the issuer entry and carries the facts for the audit', async () => {
    const verification = await corpVerifier([SIGNER.publicJwk]).verify(
      signToken(SIGNER, someClaims({ aud: 'x' })),
      BUDGET_MS,
    )
    assert.ok(!verification.accepted)
    assert.deepEqual(
      [verification.issuerId, verification.token.subject, verification.token.audience],
      ['corp', 'alice', ['x']],
    )
  })

  test('never holds the token or a part of it', async () => {
    const tokens = [
      signToken(SIGNER, someClaims({ aud: 'x' })),
      signToken(createSigner(), someClaims()),
      signToken(SIGNER, someClaims(), { alg: 'x'.repeat(500) }),
      `${signToken(SIGNER)}=`,
    ]
    for (const token of tokens) {
      const text = JSON.stringify(await corpVerifier([SIGNER.publicJwk]).verify(token, BUDGET_MS))
      assert.ok(!token.split('.').some((part) => text.includes(part)), text)
      assert.ok(text.length < 1000)
    }
  })
})

suite('a token verifier', () => {
  test('says that keys are unavailable instead of judging a token', async () => {
    const verifier = verifierOf({}, [anIssuer({ keys: { jwksUri: KEYS_URL } })])
    const verification = await verifier.verify(signToken(SIGNER), BUDGET_MS)
    assert.ok(!verification.accepted)
    assert.deepEqual([verification.reason, verification.issuerId], ['issuer_unavailable', anIssuer().id])
    assert.notEqual(verification.token.sha256, undefined)
  })

  test('is built only from options that can be safe', () => {
    assert.throws(() => corpVerifier([], { algorithms: ['HS256'] }), { code: 'ERR_CONFIG_INVALID' })
  })

  test('reports readiness and key age of each issuer', async () => {
    const verifier = corpVerifier([SIGNER.publicJwk])
    const before = [verifier.readiness(), verifier.keySetAges()]
    await verifier.verify(signToken(SIGNER), BUDGET_MS)
    assert.deepEqual(
      [...before, verifier.readiness(), verifier.keySetAges()],
      [
        [{ part: 'issuer:corp', ready: false, why: 'the keys have not been fetched yet' }],
        new Map(),
        [{ part: 'issuer:corp', ready: true }],
        new Map([['corp', 0]]),
      ],
    )
  })

  test('spreads the fetches of its replicas by the random number that it is given', async () => {
    const clock = new ManualClock()
    const fetches: number[] = []
    await using verifier = createTokenVerifier({
      issuers: [anIssuer({ keys: { jwksUri: KEYS_URL } })],
      clock,
      events: new RecordedEvents(),
      maxTokenBytes: 16_384,
      random: () => 0.5,
      fetchDocument: async () => {
        fetches.push(clock.monotonicMs())
        return Buffer.from(JSON.stringify({ keys: [SIGNER.publicJwk] }))
      },
    })
    void verifier.start()
    await clock.advance(300_000)
    assert.deepEqual(fetches, [0, 270_000])
  })
})
