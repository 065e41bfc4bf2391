import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createAccount, createCurve, createOperator, createServer, createUser, fromPublic } from '@nats-io/nkeys'
import fc from 'fast-check'
import { createServerKeys, decodePublicNkey, decodeSeed } from '../../../src/nats/nkey.ts'
import type { NkeyKind } from '../../../src/nats/nkey.ts'
import { rawPublicKey, seedOf } from '../../support/nats.ts'

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

suite('public nkeys', () => {
  test('decode to the bytes that node:crypto derives from the seed', () => {
    for (const [kind, pair] of [
      ['account', createAccount()],
      ['server', createServer()],
      ['user', createUser()],
    ] as const) {
      assert.deepEqual(decodePublicNkey(kind, pair.getPublicKey()), rawPublicKey(seedOf(pair)))
    }
  })

  test('of one kind are not taken for another', () => {
    const keys = { account: createAccount(), server: createServer(), user: createUser(), curve: createCurve() }
    const operator = createOperator().getPublicKey()
    for (const kind of Object.keys(keys) as NkeyKind[]) {
      for (const [other, pair] of Object.entries(keys)) {
        assert.equal(decodePublicNkey(kind, pair.getPublicKey()) !== undefined, kind === other, `${other} as ${kind}`)
      }
      assert.equal(decodePublicNkey(kind, operator), undefined)
    }
  })

  test('with any one character changed are refused', () => {
    const nkey = createUser().getPublicKey()
    for (let at = 0; at < nkey.length; at++) {
      for (const character of BASE32) {
        if (character === nkey[at]) continue
        assert.equal(decodePublicNkey('user', nkey.slice(0, at) + character + nkey.slice(at + 1)), undefined)
      }
    }
  })

  test('of another length, case or alphabet are refused', () => {
    const nkey = createServer().getPublicKey()
    const others = [nkey.slice(0, -1), `${nkey}A`, nkey.toLowerCase(), `${nkey.slice(0, -1)}=`, ` ${nkey}`, `${nkey}\n`]
    for (const other of [...others, '', 'N', 'N'.repeat(56), nkey.replace(/.$/, '\u{1F511}')]) {
      assert.equal(decodePublicNkey('server', other), undefined, JSON.stringify(other))
    }
  })

  test('are judged as @nats-io/nkeys judges them, for any text of the right length', () => {
    const characters = fc.constantFrom(...BASE32.split(''), 'a', '1', '=')
    fc.assert(
      fc.property(fc.string({ unit: characters, minLength: 55, maxLength: 55 }), (rest) => {
        const text = `U${rest}`
        assert.equal(decodePublicNkey('user', text) !== undefined, isPublicForOracle(text))
      }),
    )
  })
})

suite('seeds', () => {
  test('of one kind are not taken for another', () => {
    const seed = seedOf(createAccount())
    assert.equal(decodeSeed('account', seed)?.length, 32)
    for (const kind of ['user', 'server', 'curve'] as const) assert.equal(decodeSeed(kind, seed), undefined)
  })

  test('are refused when the two spare bits at the end are not zero', () => {
    const seed = seedOf(createAccount())
    const last = BASE32.indexOf(seed.at(-1) ?? '')
    assert.equal(last % 4, 0)
    for (const spare of [1, 2, 3]) {
      assert.equal(decodeSeed('account', seed.slice(0, -1) + BASE32.charAt(last + spare)), undefined)
    }
  })

  test('are not public keys, and public keys are not seeds', () => {
    const pair = createAccount()
    assert.equal(decodePublicNkey('account', seedOf(pair)), undefined)
    assert.equal(decodeSeed('account', pair.getPublicKey()), undefined)
  })
})

test('a server key is imported once and found again', () => {
  const keyOf = createServerKeys()
  const nkey = createServer().getPublicKey()
  assert.equal(keyOf(nkey)?.asymmetricKeyType, 'ed25519')
  assert.equal(keyOf(nkey), keyOf(nkey))
})

test('keys of accounts and users are not server keys', () => {
  const keyOf = createServerKeys()
  assert.equal(keyOf(createAccount().getPublicKey()), undefined)
  assert.equal(keyOf(createUser().getPublicKey()), undefined)
})

function isPublicForOracle(text: string): boolean {
  try {
    return fromPublic(text).getPublicKey() === text
  } catch {
    return false
  }
}
