import assert from 'node:assert/strict'
import { constants, createPublicKey, sign } from 'node:crypto'
import { suite, test } from 'node:test'
import { createVerificationKey } from '../../../src/oidc/signature-algorithm.ts'
import type { VerificationKey } from '../../../src/oidc/signature-algorithm.ts'
import { createSigner, signBytes } from '../../support/oidc.ts'
import type { Signer } from '../../support/oidc.ts'
import { readWycheproof } from '../../support/vectors.ts'

const SCHEMES = [
  ['ES256', 'ecdsa_secp256r1_sha256_p1363_test.json'],
  ['ES384', 'ecdsa_secp384r1_sha384_p1363_test.json'],
  ['EdDSA', 'ed25519_test.json'],
  ['RS256', 'rsa_signature_2048_sha256_test.json'],
] as const

const TEXT = Buffer.from('eyJhbGciOiJFUzI1NiJ9.e30')

function keyOf({ privateKey }: Signer, algorithm: string): VerificationKey {
  return createVerificationKey(algorithm, createPublicKey(privateKey))
}

/** RSA keys are the same for every hash. */
function signerFor(alg: string): Signer {
  return { ...createSigner(alg.replace(/^([RP]S)\d+$/, '$1256')), alg }
}

suite('A verification key', () => {
  for (const [algorithm, file] of SCHEMES) {
    test(`for ${algorithm} decides like Wycheproof, for which "acceptable" is to be refused, about ${file}`, async () => {
      const wrong = []
      for (const { publicKeyDer = '', tests } of readWycheproof(file)) {
        const der = Buffer.from(publicKeyDer, 'hex')
        const key = createVerificationKey(algorithm, createPublicKey({ key: der, format: 'der', type: 'spki' }))
        for (const { tcId, msg = '', sig = '', result } of tests) {
          const isAccepted = await key.verifies(Buffer.from(msg, 'hex'), Buffer.from(sig, 'hex'))
          if (isAccepted !== (result === 'valid')) wrong.push(tcId)
        }
      }
      assert.deepEqual(wrong, [])
    })
  }

  for (const alg of ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']) {
    const signer = signerFor(alg)
    const signature = signBytes(signer, TEXT.toString())

    test(`for ${alg} knows a signature of its private key`, async () => {
      assert.equal(await keyOf(signer, alg).verifies(TEXT, signature), true)
    })

    test(`for ${alg} refuses it for other bytes`, async () => {
      assert.equal(await keyOf(signer, alg).verifies(Buffer.concat([TEXT, TEXT]), signature), false)
    })

    test(`for ${alg} refuses that of another key`, async () => {
      assert.equal(await keyOf(signerFor(alg), alg).verifies(TEXT, signature), false)
    })

    for (const [what, bytes] of [
      ['nothing', Buffer.alloc(0)],
      ['zeros', Buffer.alloc(signature.length)],
      ['one byte more', Buffer.concat([signature, Buffer.alloc(1)])],
      ['one byte less', signature.subarray(1)],
    ] as const) {
      test(`for ${alg} refuses ${what} for a signature`, async () => {
        assert.equal(await keyOf(signer, alg).verifies(TEXT, bytes), false)
      })
    }
  }

  const rsa = createSigner('RS256')
  for (const alg of ['RS384', 'RS512', 'PS256', 'PS384', 'PS512']) {
    test(`for ${alg} refuses the signature of its private key by RS256`, async () => {
      assert.equal(await keyOf(rsa, alg).verifies(TEXT, signBytes(rsa, TEXT.toString())), false)
    })
  }

  for (const saltLength of [0, 20, 64, 222]) {
    test(`for PS256 refuses a salt of ${saltLength} bytes`, async () => {
      const padding = constants.RSA_PKCS1_PSS_PADDING
      const signature = sign('sha256', TEXT, { key: rsa.privateKey, padding, saltLength })
      assert.equal(await keyOf(rsa, 'PS256').verifies(TEXT, signature), false)
    })
  }

  test('for ES256 refuses a signature in DER', async () => {
    const signer = createSigner('ES256')
    assert.equal(await keyOf(signer, 'ES256').verifies(TEXT, sign('sha256', TEXT, signer.privateKey)), false)
  })
})
