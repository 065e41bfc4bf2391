import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { assertIssuerOptions } from '../../../src/oidc/issuer-options.ts'
import { createTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { anIssuer, createSigner, ISSUER, signToken, someClaims, without } from '../../support/oidc.ts'
import type { Signer } from '../../support/oidc.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

const signers: Readonly<Record<string, Signer>> = {
  'https://corp.example/keys': createSigner('ES256', 'corp'),
  'https://td.example/bundle': createSigner('ES256', 'td'),
  'https://friend.example/bundle': createSigner('ES256', 'friend'),
}
const [CORP, TD, FRIEND] = Object.values(signers) as [Signer, Signer, Signer]

function trustDomain(id: string, name: string) {
  return anIssuer({ id, issuer: `spiffe://${name}`, keys: { jwksUri: `https://${id}.example/bundle` } })
}

/** Who a token is, or why it is refused, for one ordinary issuer and two trust domains. */
async function verdict(
  claims: Readonly<Record<string, unknown>>,
  signer = TD,
  passed: (check: string, detail: string) => void = () => {},
): Promise<string> {
  const verifier = createTokenVerifier({
    issuers: [
      anIssuer({ keys: { jwksUri: 'https://corp.example/keys' } }),
      trustDomain('td', 'td'),
      trustDomain('friend', 'friend.td'),
    ],
    clock: new ManualClock(),
    events: new RecordedEvents(),
    maxTokenBytes: 16_384,
    passed,
    fetchDocument: async (url) => Buffer.from(JSON.stringify({ keys: [signers[url.href]?.publicJwk] })),
  })
  const verification = await verifier.verify(signToken(signer, claims), 600)
  return verification.accepted
    ? `${verification.identity.issuerId}:${verification.identity.subject}`
    : verification.reason
}

function svid(sub: unknown, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { ...without(someClaims(), 'iss'), sub, ...more }
}

suite('a token without iss', () => {
  test('is of the trust domain of its subject', async () => {
    assert.equal(await verdict(svid('spiffe://td/orders')), 'td:spiffe://td/orders')
    assert.equal(await verdict(svid('spiffe://friend.td/orders'), FRIEND), 'friend:spiffe://friend.td/orders')
  })

  test('is explained by its subject', async () => {
    const passed: string[] = []
    await verdict(svid('spiffe://td/orders'), TD, (check, detail) => passed.push(`${check}: ${detail}`))
    assert.equal(passed[1], 'issuer: "sub" is "spiffe://td/orders"')
  })

  test('is refused when its subject is no SPIFFE ID', async () => {
    assert.equal(await verdict(svid('alice')), 'claim_missing')
    assert.equal(await verdict(svid(['spiffe://td/orders'])), 'claim_missing')
  })

  for (const [what, sub] of [
    ['another trust domain', 'spiffe://other/orders'],
    ['a trust domain that starts the same', 'spiffe://td.evil/orders'],
    ['a trust domain that ends the same', 'spiffe://evil.td/orders'],
  ] as const) {
    test(`is refused for ${what}`, async () => assert.equal(await verdict(svid(sub)), 'issuer_unknown'))
  }

  for (const [what, sub] of [
    ['without a path', 'spiffe://td'],
    ['with a slash at the end', 'spiffe://td/orders/'],
    ['in upper case', 'spiffe://TD/orders'],
    ['with the scheme in upper case', 'SPIFFE://td/orders'],
    ['with a percent sign', 'spiffe://td/%6frders'],
    ['with a user', 'spiffe://td@evil/orders'],
    ['that climbs', 'spiffe://td/../orders'],
  ] as const) {
    test(`is refused for a subject ${what}`, async () => assert.equal(await verdict(svid(sub)), 'claim_invalid'))
  }

  test('is refused when another trust domain or an ordinary issuer has signed it', async () => {
    assert.equal(await verdict(svid('spiffe://td/orders'), FRIEND), 'key_not_found')
    assert.equal(await verdict(svid('spiffe://td/orders'), CORP), 'key_not_found')
  })
})

suite('a token with iss', () => {
  test('is never of the trust domain of its subject', async () => {
    assert.equal(await verdict(svid('spiffe://td/orders', { iss: ISSUER })), 'key_not_found')
    assert.equal(await verdict(svid('spiffe://td/orders', { iss: ISSUER }), CORP), 'corp:spiffe://td/orders')
    assert.equal(await verdict(svid('spiffe://td/orders', { iss: 'https://other.example' })), 'issuer_unknown')
  })

  for (const iss of ['', 'td', 'https://td']) {
    test(`is refused as ${JSON.stringify(iss)}, which only resembles the trust domain`, async () => {
      assert.equal(await verdict(svid('spiffe://td/orders', { iss })), 'issuer_unknown')
    })
  }

  for (const iss of [null, 7, ['spiffe://td'], 'spiffe://friend.td', 'spiffe://td/', 'spiffe://td/orders']) {
    test(`is refused as ${JSON.stringify(iss)} beside a subject of a trust domain`, async () => {
      assert.equal(await verdict(svid('spiffe://td/orders', { iss })), 'claim_invalid')
    })
  }

  test('that is the trust domain of its subject is taken', async () => {
    assert.equal(await verdict(svid('spiffe://td/orders', { iss: 'spiffe://td' })), 'td:spiffe://td/orders')
  })

  test('that is a trust domain vouches for nobody outside of it', async () => {
    for (const sub of ['alice', 'spiffe://friend.td/orders', 'spiffe://td', undefined]) {
      assert.equal(await verdict(svid(sub, { iss: 'spiffe://td' })), 'claim_invalid')
    }
  })
})

suite('an entry for a trust domain', () => {
  for (const [problem, change] of [
    [/no discovery/, { keys: { discovery: { url: 'https://td.example/metadata' } } }],
    [/without a path/, { issuer: 'spiffe://td/orders' }],
    [/without a path/, { issuer: 'spiffe://td/' }],
    [/without a path/, { issuer: 'Spiffe://td' }],
    [/profile generic/, { profile: 'id_token', tokenTypes: ['JWT'] }],
  ] as const) {
    test(`is refused as ${JSON.stringify(change)}`, () => {
      const entry = { ...trustDomain('td', 'td'), ...change }
      assert.throws(() => assertIssuerOptions([entry]), { code: 'ERR_CONFIG_INVALID', message: problem })
    })
  }
})
