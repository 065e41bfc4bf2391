import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createAccount, createCurve, createUser } from '@nats-io/nkeys'
import { CalloutError } from '../../../src/core/errors.ts'
import { createSigningKey, createXKey } from '../../../src/nats/keys.ts'
import { anIssuer, anXKey, seedOf } from '../../support/nats.ts'

const MESSAGE = Buffer.from('José 東京')

suite('an issuer seed', () => {
  test('gives signatures that @nats-io/nkeys verifies', async () => {
    const { key, pair } = anIssuer()
    assert.equal(key.publicKey, pair.getPublicKey())
    assert.ok(pair.verify(MESSAGE, await key.sign(MESSAGE)))
  })

  test('may be followed by the newline of its file', () => {
    const { seed, key } = anIssuer()
    assert.equal(createSigningKey(`${seed}\r\n`, 'issuer.nk').publicKey, key.publicKey)
  })

  test('of the wrong kind, or none at all, is refused by the name of its file and without its content', () => {
    const pair = createAccount()
    const seed = seedOf(pair)
    const wrong = [
      seedOf(createUser()),
      seedOf(createCurve()),
      pair.getPublicKey(),
      '',
      seed.slice(1),
      `${seed} ${seed}`,
    ]
    for (const text of wrong) {
      assert.throws(
        () => createSigningKey(text, 'secrets/issuer.nk'),
        (error: unknown) =>
          error instanceof CalloutError &&
          error.code === 'ERR_KEY_INVALID' &&
          error.message === 'secrets/issuer.nk: not a seed that begins with SA',
      )
    }
  })

  test('with a wrong checksum is refused', () => {
    const { seed } = anIssuer()
    const damaged = seed.slice(0, 20) + (seed[20] === 'A' ? 'B' : 'A') + seed.slice(21)
    assert.throws(() => createSigningKey(damaged, 'issuer.nk'), { code: 'ERR_KEY_INVALID' })
  })
})

suite('an xkey', () => {
  test('opens what @nats-io/nkeys sealed, and the other way round', () => {
    const ours = anXKey()
    const theirs = anXKey()
    const fromThem = theirs.pair.seal(MESSAGE, ours.key.publicKey)
    assert.deepEqual(Buffer.from(ours.key.open(fromThem, theirs.key.publicKey) ?? []), MESSAGE)
    const fromUs = ours.key.seal(MESSAGE, theirs.key.publicKey)
    assert.deepEqual(Buffer.from(theirs.pair.open(fromUs, ours.key.publicKey) ?? []), MESSAGE)
  })

  test('opens nothing that was sealed for another key or by another sender', () => {
    const [ours, theirs, other] = [anXKey(), anXKey(), anXKey()]
    assert.equal(ours.key.open(theirs.key.seal(MESSAGE, other.key.publicKey), theirs.key.publicKey), undefined)
    assert.equal(ours.key.open(theirs.key.seal(MESSAGE, ours.key.publicKey), other.key.publicKey), undefined)
  })

  test('opens nothing with any bit changed or any byte missing', () => {
    const [ours, theirs] = [anXKey(), anXKey()]
    const sealed = Buffer.from(theirs.key.seal(MESSAGE, ours.key.publicKey))
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed)
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8))
      assert.equal(ours.key.open(changed, theirs.key.publicKey), undefined, `byte ${at}`)
      assert.equal(ours.key.open(sealed.subarray(0, at), theirs.key.publicKey), undefined, `length ${at}`)
    }
  })

  test('opens nothing from a sender that is not a curve key', () => {
    const ours = anXKey()
    const sealed = anXKey().key.seal(MESSAGE, ours.key.publicKey)
    for (const sender of ['', 'X', createAccount().getPublicKey()])
      assert.equal(ours.key.open(sealed, sender), undefined)
  })

  test('seals the same text differently each time', () => {
    const ours = anXKey()
    const recipient = anXKey().key.publicKey
    assert.notDeepEqual(ours.key.seal(MESSAGE, recipient), ours.key.seal(MESSAGE, recipient))
  })

  test('does not seal for what is not a curve key', () => {
    assert.throws(() => anXKey().key.seal(MESSAGE, createAccount().getPublicKey()), TypeError)
  })

  test('seed of the wrong kind is refused by the name of its file', () => {
    assert.throws(() => createXKey(anIssuer().seed, 'secrets/xkey.nk'), {
      code: 'ERR_KEY_INVALID',
      message: 'secrets/xkey.nk: not a seed that begins with SX',
    })
  })
})
