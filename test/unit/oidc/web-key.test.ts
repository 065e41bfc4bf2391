import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { importWebKeys } from '../../../src/oidc/web-key.ts'
import { createRsaSigner, createSigner, forgeWithExponentOne, privateJwk } from '../../support/oidc.ts'

const GOOD = createSigner('ES256', 'good').publicJwk
const RSA = createSigner('RS256', 'rsa').publicJwk
const ALGORITHMS = ['RS256', 'ES256', 'EdDSA']

async function refusalOf(jwk: unknown): Promise<string | undefined> {
  const keys = await importWebKeys({ keys: [GOOD, jwk] }, ALGORITHMS)
  assert.equal(keys.length, 2)
  assert.equal(keys[1]?.byAlgorithm.size, 0)
  return keys[1].refused
}

suite('importWebKeys', () => {
  test('imports a key for its algorithm', async () => {
    const [key] = await importWebKeys({ keys: [GOOD] }, ALGORITHMS)
    assert.deepEqual([key?.keyId, [...(key?.byAlgorithm.keys() ?? [])]], ['good', ['ES256']])
  })

  test('imports a key without "alg" for every allowed algorithm that fits', async () => {
    const { alg: _, ...jwk } = RSA
    const [key] = await importWebKeys({ keys: [jwk] }, ['RS256', 'PS256', 'ES256'])
    assert.deepEqual([...(key?.byAlgorithm.keys() ?? [])], ['RS256', 'PS256'])
  })

  test('imports a key with "key_ops", "ext" and unknown members as if they were not there', async () => {
    const jwk = { ...GOOD, key_ops: ['sign', 'verify'], ext: 'yes', x5c: [7], extra: {} }
    const [key] = await importWebKeys({ keys: [jwk] }, ALGORITHMS)
    assert.equal(key?.byAlgorithm.size, 1)
  })

  test('imports a key of a SPIFFE bundle', async () => {
    const [key] = await importWebKeys({ keys: [{ ...GOOD, use: 'jwt-svid' }] }, ALGORITHMS)
    assert.equal(key?.byAlgorithm.size, 1)
  })

  test('imports an Ed25519 key', async () => {
    const [key] = await importWebKeys({ keys: [createSigner('EdDSA').publicJwk] }, ALGORITHMS)
    assert.deepEqual([...(key?.byAlgorithm.keys() ?? [])], ['EdDSA'])
  })

  for (const [what, entry] of [
    ['null', null],
    ['a string', 'key'],
    ['an array', [GOOD]],
    ['an encryption key', { ...RSA, use: 'enc' }],
    ['a key for other operations', { ...GOOD, key_ops: ['encrypt'] }],
    ['a key of an unknown type', { kty: 'AKP', alg: 'ML-DSA-44', pub: 'AA' }],
    ['a key without a type', { kid: 'x' }],
  ] as const) {
    test(`passes over ${what}`, async () => {
      const keys = await importWebKeys({ keys: [entry, GOOD] }, ALGORITHMS)
      assert.deepEqual(
        keys.map((key) => key.keyId),
        ['good'],
      )
    })
  }

  for (const [what, jwk, why] of [
    ['a symmetric key', { kty: 'oct', k: 'c2VjcmV0', kid: 'x' }, 'the key is symmetric'],
    ['a private EC key', privateJwk(createSigner('ES256')), 'the issuer published the private key'],
    ['a private RSA key', privateJwk(createSigner('RS256')), 'the issuer published the private key'],
    ['an RSA key with e = 1', forgeWithExponentOne().jwk, 'the RSA exponent is not 65537'],
    ['an RSA key with e = 3', createRsaSigner(2048, 'x', 3).publicJwk, 'the RSA exponent is not 65537'],
    ['an RSA key with padded e', { ...RSA, e: 'AAEAAQ' }, 'the RSA exponent is not 65537'],
    ['an RSA key of 1024 bits', createRsaSigner(1024).publicJwk, 'the RSA modulus has 1024 bits'],
    ['an RSA key of 2040 bits', createRsaSigner(2040).publicJwk, 'the RSA modulus has 2040 bits'],
    [
      'an RSA key of 8200 bits',
      { ...RSA, n: Buffer.alloc(1025, 0xff).toString('base64url') },
      'the RSA modulus has 8200 bits',
    ],
    ['an RSA key without a modulus', { ...RSA, n: undefined }, 'the RSA modulus is not base64url'],
    ['a point off the curve', { ...GOOD, y: GOOD['x'] }, 'the key material does not decode to a valid public key'],
    ['a coordinate that is a number', { ...GOOD, y: 7 }, 'the key material does not decode to a valid public key'],
    ['a key id that is a number', { ...GOOD, kid: 7 }, 'the key id is no short text'],
    ['a long key id', { ...GOOD, kid: 'x'.repeat(257) }, 'the key id is no short text'],
  ] as const) {
    test(`refuses ${what} and keeps the others`, async () => {
      assert.equal(await refusalOf(jwk), why)
    })
  }

  for (const [what, document, message] of [
    ['without keys', {}, 'the key set has no "keys" array'],
    ['with an empty list', { keys: [] }, 'the key set holds no usable signature key'],
    ['with an object of keys', { keys: { 0: GOOD } }, 'the key set has no "keys" array'],
    ['with only refused keys', { keys: [forgeWithExponentOne().jwk] }, 'the key set holds no usable signature key'],
    [
      'with 101 keys',
      { keys: Array.from({ length: 101 }, () => GOOD) },
      'the key set holds 101 keys, the limit is 100',
    ],
  ] as const) {
    test(`throws on a set ${what}`, async () => {
      await assert.rejects(importWebKeys(document, ALGORITHMS), { message })
    })
  }

  test('throws on a set whose keys are for other algorithms', async () => {
    await assert.rejects(importWebKeys({ keys: [GOOD] }, ['RS256']), {
      message: 'the key set holds no usable signature key',
    })
  })
})
