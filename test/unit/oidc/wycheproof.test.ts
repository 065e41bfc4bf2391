import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import { keysOf, readWycheproof, signatureVerdict, VECTORS, verifierVerdict } from '../../support/vectors.ts'
import type { WycheproofCase, WycheproofGroup } from '../../support/vectors.ts'

/** `test/vectors/SOURCES.md` says why. */
const VALID_BUT_REFUSED: Readonly<Record<string, readonly number[]>> = {
  'json_web_signature_test.json': [346, 347, 350, 351],
}

const FILES = ['json_web_signature_test.json', 'json_web_crypto_test.json', 'json_web_key_test.json']

function textOf(message: unknown): string {
  return typeof message === 'string' ? message : JSON.stringify(message)
}

function publishedKeys(group: WycheproofGroup) {
  return keysOf(group.public ?? group.private ?? {})
}

function shouldBeAccepted(file: string, group: WycheproofGroup, { tcId, result, jws }: WycheproofCase): boolean {
  const isSymmetric = publishedKeys(group).every((key) => key['kty'] === 'oct' || Object.hasOwn(key, 'd'))
  const isEmpty = typeof jws === 'string' && jws.split('.')[1] === ''
  return result === 'valid' && !isSymmetric && !isEmpty && !VALID_BUT_REFUSED[file]?.includes(tcId)
}

for (const file of FILES) {
  suite(`Wycheproof ${file}`, () => {
    for (const [index, group] of readWycheproof(file).entries()) {
      const messages = group.tests.filter((entry) => entry.jws !== undefined)
      if (messages.length === 0) continue
      test(`decides as expected about group ${index}, ${group.comment}`, async () => {
        const keys = publishedKeys(group)
        const accepted = []
        for (const entry of messages) {
          if ((await signatureVerdict(keys, textOf(entry.jws))) === 'accepted') accepted.push(entry.tcId)
        }
        const expected = messages.filter((entry) => shouldBeAccepted(file, group, entry)).map((entry) => entry.tcId)
        assert.deepEqual(accepted, expected)
      })
    }

    test('holds nothing that the whole verifier takes for a login', async () => {
      const accepted = []
      for (const group of readWycheproof(file)) {
        for (const { tcId, jws, jwe } of group.tests) {
          const verdict = await verifierVerdict(publishedKeys(group), textOf(jws ?? jwe))
          if (verdict === 'accepted') accepted.push(tcId)
        }
      }
      assert.deepEqual(accepted, [])
    })

    test('holds private keys, none of which is used when an issuer publishes it', async () => {
      const used = []
      for (const group of readWycheproof(file)) {
        for (const { tcId, jws } of group.tests) {
          if (jws === undefined || group.private === undefined) continue
          if ((await signatureVerdict(keysOf(group.private), textOf(jws))) === 'accepted') used.push(tcId)
        }
      }
      assert.deepEqual(used, [])
    })
  })
}

suite('Wycheproof json_web_encryption_test.json', () => {
  test('holds only tokens that are refused for their form: nothing is ever decrypted', async () => {
    const reasons = new Set<string>()
    for (const group of readWycheproof('json_web_encryption_test.json')) {
      for (const { jwe } of group.tests) {
        reasons.add(await verifierVerdict(keysOf(group.private ?? {}), textOf(jwe)))
      }
    }
    assert.deepEqual(reasons, new Set(['token_malformed']))
  })
})

suite('The folder of Wycheproof vectors', () => {
  test('holds no file that is not run', () => {
    const raw = ['ecdsa_secp256r1_sha256_p1363', 'ecdsa_secp384r1_sha384_p1363', 'ed25519', 'rsa_signature_2048_sha256']
    const run = [...FILES, 'json_web_encryption_test.json', ...raw.map((name) => `${name}_test.json`)]
    const held = readdirSync(path.join(VECTORS, 'wycheproof')).filter((name) => name !== 'LICENSE')
    assert.deepEqual(held.sort(), run.sort())
  })
})
