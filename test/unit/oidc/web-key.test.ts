import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { importWebKeys } from '../../../src/oidc/web-key.ts'
import { createSigner, forgeWithExponentOne } from '../../support/oidc.ts'

/** Weak and hostile keys: `attacks/keys.test.ts`. */

const GOOD = createSigner('ES256', 'good').publicJwk
const RSA = createSigner('RS256', 'rsa').publicJwk
const RSA_WITHOUT_ALG = { ...RSA, alg: undefined }
const ED25519 = createSigner('EdDSA', 'edwards').publicJwk
const ALGORITHMS = ['RS256', 'ES256', 'EdDSA']

const NO_COORDINATE = 'a coordinate of the key is not base64url of the size of its curve'

const X = String(GOOD['x'])
const EDWARDS_X = String(ED25519['x'])
const zeroBefore = (coordinate: string): string =>
  Buffer.from([0, ...Buffer.from(coordinate, 'base64url')]).toString('base64url')

function refusalOf(jwk: unknown): string | undefined {
  const keys = importWebKeys({ keys: [GOOD, jwk] }, ALGORITHMS)
  assert.equal(keys.length, 2)
  assert.deepEqual([keys[1]?.algorithms, keys[1]?.key], [[], undefined])
  return keys[1]?.refused
}

suite('importWebKeys', () => {
  test('imports a key for its algorithm', () => {
    const [key] = importWebKeys({ keys: [GOOD] }, ALGORITHMS)
    assert.deepEqual([key?.keyId, key?.algorithms, key?.refused], ['good', ['ES256'], undefined])
    assert.ok(key?.key)
  })

  test('imports a key without "alg" for the only allowed algorithm that fits', () => {
    const [key] = importWebKeys({ keys: [RSA_WITHOUT_ALG] }, ['PS256', 'ES256'])
    assert.deepEqual(key?.algorithms, ['PS256'])
  })

  test('does not guess the algorithm of a key without "alg" when several fit', () => {
    const [key] = importWebKeys({ keys: [RSA_WITHOUT_ALG, GOOD] }, ['RS256', 'PS256', 'ES256'])
    const why = 'the key names no "alg" and fits several that are allowed (RS256, PS256): allow one of them'
    assert.deepEqual([key?.algorithms, key?.refused], [[], why])
  })

  test('imports a key for its own algorithm only, whatever else it could verify', () => {
    const [key] = importWebKeys({ keys: [RSA] }, ['RS256', 'RS512', 'PS256'])
    assert.deepEqual(key?.algorithms, ['RS256'])
  })

  test('imports no key whose algorithm is not allowed', () => {
    const [key] = importWebKeys({ keys: [RSA, GOOD] }, ['PS256', 'ES256'])
    assert.deepEqual([key?.algorithms, key?.refused], [[], undefined])
  })

  test('imports no key whose algorithm needs another curve', () => {
    const [key] = importWebKeys({ keys: [{ ...GOOD, alg: 'ES384' }, RSA] }, ['RS256', 'ES256', 'ES384'])
    assert.deepEqual(key?.algorithms, [])
  })

  test('imports no Ed25519 key that is declared for another algorithm', () => {
    const keys = [{ ...ED25519, alg: 'ES256' }, RSA]
    const [key] = importWebKeys({ keys }, ['RS256', 'ES256', 'EdDSA', 'Ed25519'])
    assert.deepEqual([key?.algorithms, key?.key], [[], undefined])
  })

  test('imports a key with "key_ops", "ext" and unknown members as if they were not there', () => {
    const jwk = { ...GOOD, key_ops: ['sign', 'verify'], ext: 'yes', x5c: [7], extra: {} }
    const [key] = importWebKeys({ keys: [jwk] }, ALGORITHMS)
    assert.equal(key?.algorithms.length, 1)
  })

  test('imports a key for JWT-SVIDs from a SPIFFE bundle, and none that is for X.509-SVIDs', () => {
    const keys = [
      { ...GOOD, use: 'x509-svid', kid: 'x509' },
      { ...GOOD, use: 'jwt-svid', kid: 'jwt' },
    ]
    const imported = importWebKeys({ keys, spiffe_sequence: 7, spiffe_refresh_hint: 300 }, ALGORITHMS)
    assert.deepEqual(
      imported.map(({ keyId }) => keyId),
      ['jwt'],
    )
  })

  for (const alg of ['EdDSA', 'Ed25519', undefined]) {
    test(`imports an Ed25519 key with "alg" ${alg} under both names of its algorithm`, () => {
      const jwk = { ...createSigner('EdDSA').publicJwk, alg }
      const [key] = importWebKeys({ keys: [jwk] }, ['EdDSA', 'Ed25519'])
      assert.deepEqual(key?.algorithms, ['EdDSA', 'Ed25519'])
    })
  }

  for (const [what, issuer] of [
    ['that is ours', 'https://login.example/tenant-1/v2.0'],
    ['of any tenant', 'https://login.example/{tenantid}/v2.0'],
    ['that is absent', undefined],
  ] as const) {
    test(`imports a key with an issuer ${what}`, () => {
      const keys = importWebKeys({ keys: [{ ...GOOD, issuer }] }, ALGORITHMS, 'https://login.example/tenant-1/v2.0')
      assert.equal(keys[0]?.refused, undefined)
    })
  }

  for (const [what, ours] of [
    ['one tenant', 'https://login.example/tenant-1/v2.0'],
    ['all tenants', 'https://login.example/{tenantid}/v2.0'],
  ] as const) {
    test(`refuses a key of another tenant for an issuer of ${what}`, () => {
      const keys = [{ ...GOOD, issuer: 'https://login.example/tenant-2/v2.0' }, RSA]
      const [key] = importWebKeys({ keys }, ALGORITHMS, ours)
      assert.equal(key?.refused, 'the key is for another issuer')
    })
  }

  for (const [what, entry] of [
    ['null', null],
    ['a string', 'key'],
    ['an array', [GOOD]],
    ['an encryption key', { ...RSA, use: 'enc' }],
    ['a key for other operations', { ...GOOD, key_ops: ['encrypt'] }],
    ['a key of an unknown type', { kty: 'AKP', alg: 'ML-DSA-44', pub: 'AA' }],
    ['a key without a type', { kid: 'x' }],
  ] as const) {
    test(`passes over ${what}`, () => {
      const keys = importWebKeys({ keys: [entry, GOOD] }, ALGORITHMS)
      assert.deepEqual(
        keys.map((key) => key.keyId),
        ['good'],
      )
    })
  }

  for (const [what, jwk, why] of [
    ['an RSA key with padded e', { ...RSA, e: 'AAEAAQ' }, 'the RSA exponent is not 65537'],
    ['an RSA key without a modulus', { ...RSA, n: undefined }, 'the RSA modulus is not base64url'],
    ['a coordinate that is a number', { ...GOOD, y: 7 }, NO_COORDINATE],
    ['a point without y', { ...GOOD, y: undefined }, NO_COORDINATE],
    ['a padded coordinate', { ...GOOD, x: `${X}=` }, NO_COORDINATE],
    ['a coordinate with a blank', { ...GOOD, x: ` ${X}` }, NO_COORDINATE],
    ['a coordinate in the alphabet of base64', { ...GOOD, x: '+'.repeat(43) }, NO_COORDINATE],
    ['a coordinate with a zero before it', { ...GOOD, x: zeroBefore(X) }, NO_COORDINATE],
    ['a padded Ed25519 key', { ...ED25519, x: `${EDWARDS_X}=` }, NO_COORDINATE],
    ['an Ed25519 key of 31 bytes', { ...ED25519, x: EDWARDS_X.slice(0, 42) }, NO_COORDINATE],
    ['a key id that is a number', { ...GOOD, kid: 7 }, 'the key id is no short text'],
    ['a long key id', { ...GOOD, kid: 'x'.repeat(257) }, 'the key id is no short text'],
  ] as const) {
    test(`refuses ${what} and keeps the others`, async () => {
      assert.equal(refusalOf(jwk), why)
    })
  }

  for (const [what, document, message] of [
    ['without keys', {}, 'the key set has no "keys" array'],
    ['with an empty list', { keys: [] }, 'the key set holds no usable signature key'],
    ['with an object of keys', { keys: { 0: GOOD } }, 'the key set has no "keys" array'],
    [
      'with only refused keys',
      { keys: [forgeWithExponentOne().jwk] },
      'the key set holds no usable signature key: the RSA exponent is not 65537',
    ],
    [
      'with 101 keys',
      { keys: Array.from({ length: 101 }, () => GOOD) },
      'the key set holds 101 keys, the limit is 100',
    ],
  ] as const) {
    test(`throws on a set ${what}`, () => {
      assert.throws(() => importWebKeys(document, ALGORITHMS), { message })
    })
  }

  test('throws on a set whose keys are for other algorithms', () => {
    assert.throws(() => importWebKeys({ keys: [GOOD] }, ['RS256']), {
      message: 'the key set holds no usable signature key',
    })
  })
})
