import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { compactVerify, importJWK } from 'jose'
import {
  createRsaSigner,
  createSigner,
  encode,
  forgeWithExponentOne,
  privateJwk,
  signToken,
  someClaims,
} from '../../../support/oidc.ts'
import type { Signer } from '../../../support/oidc.ts'
import { corpVerifier, verdictOf } from '../../../support/token-verifier.ts'
import { readWycheproof, signatureVerdict } from '../../../support/vectors.ts'
import type { Jwk } from '../../../support/vectors.ts'

const SIGNER = createSigner('ES256', 'key-1')
const EC = createSigner('ES256', 'hostile')
const RSA = createSigner('RS256', 'hostile')
const P384 = createSigner('ES384', 'hostile')

/** The verdict about a token of this signer when the issuer publishes the JWK beside a good key. */
function verdict(signer: Signer, jwk: Jwk = signer.publicJwk, algorithms = ['ES256', 'RS256']): Promise<string> {
  return verdictOf(corpVerifier([SIGNER.publicJwk, jwk], { algorithms }), signToken(signer))
}

function rocaJwk(): Jwk {
  const group = readWycheproof('json_web_crypto_test.json').find(({ comment }) => comment === 'jws_rsa_roca_key')
  return { ...group?.public, kid: 'hostile', alg: 'RS256', use: 'sig' }
}

const zeros = (bytes: number): string => encode(Buffer.alloc(bytes))
const allOnes = (bytes: number): string => encode(Buffer.alloc(bytes, 0xff))

suite('a weak or broken key of an issuer verifies nothing, and the answer says why:', () => {
  const noPoint = 'the key material does not decode to a valid public key'
  const noCoordinate = 'a coordinate of the key is not base64url of the size of its curve'
  for (const [what, signer, jwk, why] of [
    ['a point off the curve', EC, { ...EC.publicJwk, y: EC.publicJwk['x'] }, noPoint],
    ['the point at infinity', EC, { ...EC.publicJwk, x: zeros(32), y: zeros(32) }, noPoint],
    ['a point of another curve', EC, { ...P384.publicJwk, crv: 'P-256', alg: 'ES256' }, noCoordinate],
    ['a point whose coordinates are a megabyte long', EC, { ...EC.publicJwk, x: zeros(1 << 20) }, noCoordinate],
    ['RSA of 1024 bits', createRsaSigner(1024, 'hostile'), undefined, 'the RSA modulus has 1024 bits'],
    ['RSA of 2040 bits', createRsaSigner(2040, 'hostile'), undefined, 'the RSA modulus has 2040 bits'],
    ['RSA of 8200 bits', RSA, { ...RSA.publicJwk, n: allOnes(1025) }, 'the RSA modulus has 8200 bits'],
    ['RSA of 16384 bits', RSA, { ...RSA.publicJwk, n: allOnes(2048) }, 'the RSA modulus has 2048 bytes'],
    ['RSA of a megabit', RSA, { ...RSA.publicJwk, n: allOnes(131_072) }, 'the RSA modulus has 131072 bytes'],
    ['RSA with e = 3', createRsaSigner(2048, 'hostile', 3), undefined, 'the RSA exponent is not 65537'],
    ['RSA with an exponent of 2048 bits', RSA, { ...RSA.publicJwk, e: allOnes(256) }, 'the RSA exponent is not 65537'],
    ['an RSA key of a broken smart card', RSA, rocaJwk(), 'the RSA modulus can be factored (ROCA, CVE-2017-15361)'],
    ['a private EC key', EC, privateJwk(EC), 'the issuer published the private key'],
    ['a private RSA key', RSA, privateJwk(RSA), 'the issuer published the private key'],
    ['a symmetric key', EC, { kty: 'oct', k: 'c2VjcmV0', kid: 'hostile', alg: 'ES256' }, 'the key is symmetric'],
  ] as const) {
    test(what, async () => assert.equal(await verdict(signer, jwk), `key_invalid: ${why}`))
  }

  test('RSA with e = 1, with which anybody can sign and which jose alone accepts', async () => {
    const { token, jwk } = forgeWithExponentOne()
    await compactVerify(token, await importJWK(jwk, 'RS256'))
    const keys = [createSigner('ES256', 'good').publicJwk, jwk]
    assert.equal(await verdictOf(corpVerifier(keys), token), 'key_invalid: the RSA exponent is not 65537')
  })

  test('an encryption key', async () => {
    assert.match(await verdict(EC, { ...EC.publicJwk, use: 'enc' }), /^key_not_found: /)
  })
})

suite('a key verifies one algorithm:', () => {
  for (const alg of ['PS256', 'RS512']) {
    const token = signToken({ ...RSA, alg })
    const algorithms = ['ES256', 'RS256', 'PS256', 'RS512']

    test(`no ${alg} with the key for RS256`, async () => {
      const verifier = corpVerifier([RSA.publicJwk], { algorithms })
      assert.equal(await verdictOf(verifier, token), `key_not_found: no ${alg} key fits "kid" "hostile"`)
    })

    test(`no ${alg} with a key that does not say for what it is`, async () => {
      const verifier = corpVerifier([SIGNER.publicJwk, { ...RSA.publicJwk, alg: undefined }], { algorithms })
      const allowed = 'RS256, PS256, RS512'
      const why = `the key names no "alg" and fits several that are allowed (${allowed}): allow one of them`
      assert.equal(await verdictOf(verifier, token), `key_invalid: ${why}`)
    })
  }
})

suite('what is odd about a key set but harms nobody is passed over:', () => {
  test('entries that are no keys', async () => {
    const broken = [null, 7, [SIGNER.publicJwk], { kty: 'oct', k: 'AA' }, { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }]
    assert.equal(await verdictOf(corpVerifier([...broken, SIGNER.publicJwk]), signToken(SIGNER)), 'accepted')
  })

  test('"key_ops" with "sign" on a public key', async () => {
    assert.equal(await verdict(EC, { ...EC.publicJwk, key_ops: ['sign', 'verify'] }), 'accepted')
  })
})

suite('an Ed25519 point of small order verifies no forged signature:', () => {
  /** Small multiples of the points are the neutral element; with each, S = 0 and R = neutral would satisfy the equation. */
  for (const [order, x] of [
    [1, `01${'00'.repeat(31)}`],
    [2, `ec${'ff'.repeat(30)}7f`],
    [4, '00'.repeat(32)],
    [8, 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'],
  ] as const) {
    test(`order ${order}`, async () => {
      const jwk = { kty: 'OKP', crv: 'Ed25519', x: encode(Buffer.from(x, 'hex')) }
      const signature = encode(Buffer.from(`01${'00'.repeat(63)}`, 'hex'))
      const verdicts = new Set<string>()
      for (let index = 0; index < 32; index += 1) {
        const token = [encode('{"alg":"EdDSA"}'), encode(JSON.stringify(someClaims({ index }))), signature].join('.')
        verdicts.add(await signatureVerdict([jwk], token, ['EdDSA']))
      }
      assert.deepEqual(verdicts, new Set(['signature_invalid']))
    })
  }
})
