import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import { importWebKeys } from '../../../src/oidc/web-key.ts'
import { readVectors, signatureVerdict, VECTORS, verifierVerdict } from '../../support/vectors.ts'
import type { Jwk } from '../../support/vectors.ts'

interface Example {
  readonly input: { readonly key: Jwk | readonly Jwk[]; readonly alg: string | readonly string[] }
  readonly output: { readonly compact?: string; readonly json?: unknown; readonly json_flat?: unknown }
}

const PRIVATE = new Set(['d', 'p', 'q', 'dp', 'dq', 'qi'])

/** The public half of a key as an issuer would publish it. */
function published(key: Jwk): Jwk {
  return Object.fromEntries(Object.entries(key).filter(([name]) => !PRIVATE.has(name)))
}

function keysOf({ input }: Example): readonly Jwk[] {
  return [input.key].flat().map(published)
}

const ACCEPTED: readonly (readonly [string, string])[] = [
  ['jws_4_1.rsa_v15_signature.json', 'RS256'],
  ['jws_4_2.rsa-pss_signature.json', 'PS384'],
  ['jws_4_3.ecdsa_signature.json', 'ES512'],
  ['curve25519_jws.json', 'EdDSA'],
]

const REFUSED = [
  'jws_4_4.hmac-sha2_integrity_protection.json',
  'jws_4_5.signature_with_detached_content.json',
  'jws_4_6.protecting_specific_header_fields.json',
  'jws_4_7.protecting_content_only.json',
  'jws_4_8.multiple_signatures.json',
  'rfc7797_4.2.hmac-sha2_b64_false.json',
  'rfc7797_hmac-sha2_b64_false.json',
]

const PUBLIC_KEYS = ['jwk_3_1.ec_public_key.json', 'jwk_3_3.rsa_public_key.json']

const NO_PUBLIC_KEYS: readonly (readonly [string, string])[] = [
  ['jwk_3_2.ec_private_key.json', 'a private key'],
  ['jwk_3_4.rsa_private_key.json', 'a private key'],
  ['jwk_3_5.symmetric_key_mac_computation.json', 'a secret'],
  ['jwk_3_6.symmetric_key_encryption.json', 'a secret'],
]

const NESTED = '6.nesting_signatures_and_encryption.json'

suite('The examples of RFC 7520 and RFC 8037', () => {
  for (const [file, alg] of ACCEPTED) {
    test(`verify: ${file}`, async () => {
      const example = readVectors(`rfc7520/${file}`) as Example
      assert.equal(await signatureVerdict(keysOf(example), example.output.compact ?? '', [alg]), 'accepted')
    })

    test(`do not verify for another algorithm of the key: ${file}`, async () => {
      const example = readVectors(`rfc7520/${file}`) as Example
      const others = ['RS512', 'PS256', 'ES256', 'Ed25519']
      assert.equal(
        await signatureVerdict(keysOf(example), example.output.compact ?? '', others),
        'algorithm_not_allowed',
      )
    })
  }

  for (const file of REFUSED) {
    test(`are refused in every form that is no signed compact JWS: ${file}`, async () => {
      const example = readVectors(`rfc7520/${file}`) as Example
      const { compact, json, json_flat: flat } = example.output
      const messages = [compact, JSON.stringify(json), JSON.stringify(flat)].filter((text) => text !== undefined)
      const verdicts = await Promise.all(
        messages.flatMap((text) => [signatureVerdict(keysOf(example), text), verifierVerdict(keysOf(example), text)]),
      )
      assert.ok(!verdicts.includes('accepted'))
    })
  }

  test('verify inside, and are refused outside, where a signature is nested in an encryption', async () => {
    const { sign, encrypt } = readVectors(`rfc7520/${NESTED}`) as {
      sign: { input: { key: Jwk }; output: { compact: string } }
      encrypt: { output: { compact: string } }
    }
    const keys = [published(sign.input.key)]
    const verdicts = [
      await signatureVerdict(keys, sign.output.compact, ['PS256']),
      await verifierVerdict(keys, encrypt.output.compact),
    ]
    assert.deepEqual(verdicts, ['accepted', 'token_malformed'])
  })

  for (const file of PUBLIC_KEYS) {
    test(`are a usable public key: ${file}`, () => {
      const keys = [readVectors(`rfc7520/${file}`)]
      const [key] = importWebKeys({ keys }, ['RS256', 'ES512'])
      assert.equal(key?.algorithms.length, 1)
    })
  }

  for (const [file, what] of NO_PUBLIC_KEYS) {
    test(`are ${what} and never used: ${file}`, () => {
      const keys = [readVectors(`rfc7520/${file}`)]
      assert.throws(() => importWebKeys({ keys }, ['RS256', 'ES512']), /no usable signature key/)
    })
  }

  test('are all run', () => {
    const run = [...ACCEPTED, ...NO_PUBLIC_KEYS].map(([file]) => file).concat(REFUSED, PUBLIC_KEYS, NESTED)
    const held = readdirSync(path.join(VECTORS, 'rfc7520')).filter((name) => name !== 'LICENSE')
    assert.deepEqual(held.sort(), run.sort())
  })
})
