import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { suite, test } from 'node:test'
import { readWycheproof } from '../../support/vectors.ts'
import type { WycheproofGroup } from '../../support/vectors.ts'

type Check = (message: Buffer, signature: Buffer) => boolean | Promise<boolean>

interface Scheme {
  readonly file: string
  readonly params: Parameters<typeof crypto.subtle.importKey>[2]
  readonly digest: string | null
}

const SCHEMES: readonly Scheme[] = [
  {
    file: 'ecdsa_secp256r1_sha256_p1363_test.json',
    params: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
    digest: 'sha256',
  },
  {
    file: 'ecdsa_secp384r1_sha384_p1363_test.json',
    params: { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
    digest: 'sha384',
  },
  { file: 'ed25519_test.json', params: { name: 'Ed25519' }, digest: null },
  {
    file: 'rsa_signature_2048_sha256_test.json',
    params: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
    digest: 'sha256',
  },
]

/** Ids of the cases on which the platform disagrees with the vectors; "acceptable" counts as to be refused. */
async function disagreements(scheme: Scheme, checkOf: (key: Buffer) => Promise<Check>): Promise<number[]> {
  const wrong = []
  for (const group of readWycheproof(scheme.file)) {
    const check = await checkOf(spkiOf(group))
    for (const { tcId, msg = '', sig = '', result } of group.tests) {
      const isAccepted = await check(Buffer.from(msg, 'hex'), Buffer.from(sig, 'hex'))
      if (isAccepted !== (result === 'valid')) wrong.push(tcId)
    }
  }
  return wrong
}

function spkiOf({ publicKeyDer = '' }: WycheproofGroup): Buffer {
  return Buffer.from(publicKeyDer, 'hex')
}

suite('The platform under jose', () => {
  for (const scheme of SCHEMES) {
    test(`decides like Wycheproof about ${scheme.file} with WebCrypto`, async () => {
      const wrong = await disagreements(scheme, async (spki) => {
        const key = await crypto.subtle.importKey('spki', spki, scheme.params, false, ['verify'])
        return (message, signature) => crypto.subtle.verify(scheme.params, key, signature, message)
      })
      assert.deepEqual(wrong, [])
    })

    test(`decides like Wycheproof about ${scheme.file} with node:crypto`, async () => {
      const wrong = await disagreements(scheme, async (spki) => {
        const key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
        return (message, signature) => verify(scheme.digest, message, { key, dsaEncoding: 'ieee-p1363' }, signature)
      })
      assert.deepEqual(wrong, [])
    })
  }
})
