import assert from 'node:assert/strict'
import { createHmac, createPublicKey, sign } from 'node:crypto'
import { suite, test } from 'node:test'
import { ManualClock } from '../../../support/manual-clock.ts'
import { anIssuer, createSigner, encode, publicPem, signBytes, signToken, someClaims } from '../../../support/oidc.ts'
import type { Signer } from '../../../support/oidc.ts'
import { corpVerifier, KEYS_URL, reasonOf, verdictOf, verifierOf } from '../../../support/token-verifier.ts'

const SIGNER = createSigner('ES256', 'key-1')
const RSA_SIGNER = createSigner('RS256', 'rsa-1')
const BAD_SIGNATURE = 'signature_invalid: the signature does not verify'

function verdict(token: string): Promise<string> {
  return verdictOf(corpVerifier([SIGNER.publicJwk, RSA_SIGNER.publicJwk]), token)
}

function signingInput(header: Readonly<Record<string, unknown>>, claims = someClaims()): string {
  return `${encode(JSON.stringify(header))}.${encode(JSON.stringify(claims))}`
}

suite('a signature that nobody with the key made is refused:', () => {
  test('one of another key under the id of a real one', async () => {
    assert.equal(await verdict(signToken(createSigner('ES256', 'key-1'))), BAD_SIGNATURE)
  })

  test('a good one under other claims', async () => {
    const [header, , signature] = signToken(SIGNER).split('.')
    const claims = encode(JSON.stringify(someClaims({ sub: 'root' })))
    assert.equal(await verdict(`${header}.${claims}.${signature}`), BAD_SIGNATURE)
  })

  const input = signingInput({ alg: 'ES256', kid: 'key-1', typ: 'JWT' })
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
  const good = signBytes(SIGNER, input)
  for (const [what, signature] of [
    ['r = s = 0 (psychic signature, CVE-2022-21449)', Buffer.alloc(64)],
    ['r = s = the order of the curve', Buffer.concat([order, order])],
    ['a good one in DER', sign('sha256', Buffer.from(input), SIGNER.privateKey)],
    ['a good one twice', Buffer.concat([good, good])],
    ['one byte', Buffer.alloc(1)],
    ['8 KiB', Buffer.alloc(8192, 1)],
  ] as const) {
    test(what, async () => assert.equal(await verdict(`${input}.${encode(signature)}`), BAD_SIGNATURE))
  }

  test('the good one is accepted', async () => {
    assert.equal(await verdict(`${input}.${encode(good)}`), 'accepted')
  })
})

suite('a bad signature is the reason of the refusal, whatever the claims are:', () => {
  for (const [what, change] of [
    ['of a good token', {}],
    ['for another audience', { aud: 'x' }],
    ['expired', { exp: 1 }],
    ['without a subject', { sub: undefined }],
    ['with an unsafe subject', { sub: 'root\u202e' }],
  ] as const) {
    test(what, async () => {
      const forged = signToken(createSigner('ES256', 'key-1'), someClaims(change))
      assert.equal(await verdict(forged), BAD_SIGNATURE)
    })
  }

  test('such that judging them would find a bug', async () => {
    const clock = new ManualClock()
    clock.nowMs = () => {
      throw new TypeError('a bug')
    }
    const keys = { [KEYS_URL]: [SIGNER.publicJwk] }
    const verifier = verifierOf(keys, [anIssuer({ keys: { jwksUri: KEYS_URL }, algorithms: ['ES256'] })], clock)
    assert.equal(await verdictOf(verifier, signToken(createSigner('ES256', 'key-1'))), BAD_SIGNATURE)
    await assert.rejects(verdictOf(verifier, signToken(SIGNER)), { message: 'a bug' })
  })
})

suite('an HMAC is refused, whatever public text its key is:', () => {
  const spki = createPublicKey(RSA_SIGNER.privateKey).export({ format: 'der', type: 'spki' })
  for (const [what, secret] of [
    ['the PEM of the issuer', publicPem(RSA_SIGNER)],
    ['the PEM without its last newline', publicPem(RSA_SIGNER).trimEnd()],
    ['the DER of the issuer', spki],
    ['the JWK of the issuer', JSON.stringify(RSA_SIGNER.publicJwk)],
    ['the modulus of the issuer', Buffer.from(String(RSA_SIGNER.publicJwk['n']), 'base64url')],
    ['nothing', ''],
  ] as const) {
    test(what, async () => {
      const input = signingInput({ alg: 'HS256', kid: 'rsa-1', typ: 'JWT' })
      const signature = createHmac('sha256', secret).update(input).digest('base64url')
      assert.equal(await verdict(`${input}.${signature}`), 'algorithm_not_allowed: the "alg" header is "HS256"')
    })
  }
})

suite('an issuer vouches only in its own name:', () => {
  const stranger = createSigner('ES256', 'key-1')
  const OTHER = 'https://other.example'
  const twoIssuers = () =>
    verifierOf({ [KEYS_URL]: [SIGNER.publicJwk], [`${OTHER}/keys`]: [stranger.publicJwk] }, [
      anIssuer({ keys: { jwksUri: KEYS_URL } }),
      anIssuer({ id: 'other', issuer: OTHER, keys: { jwksUri: `${OTHER}/keys` }, audiences: ['other'] }),
    ])
  const said = (signer: Signer, claims: Record<string, unknown>): Promise<string> =>
    reasonOf(twoIssuers(), signToken(signer, someClaims(claims)))

  test('its key does not sign for another, even under the same key id', async () => {
    assert.equal(await said(stranger, {}), 'signature_invalid')
  })

  test('the audience of another is none of its own', async () => {
    assert.equal(await said(stranger, { iss: OTHER, aud: 'nats' }), 'audience_mismatch')
  })

  test('the same subject of each is somebody else', async () => {
    const tokens = [signToken(SIGNER), signToken(stranger, someClaims({ iss: OTHER, aud: 'other' }))]
    const verifications = await Promise.all(tokens.map((token) => twoIssuers().verify(token, 600)))
    const identities = verifications.map((verification) => verification.accepted && verification.identity)
    assert.deepEqual(
      identities.map((identity) => identity && [identity.issuerId, identity.subject]),
      [
        ['corp', 'alice'],
        ['other', 'alice'],
      ],
    )
  })
})
