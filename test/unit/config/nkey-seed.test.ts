import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createAccount, createCurve, createOperator, createUser } from '@nats-io/nkeys'
import fc from 'fast-check'
import { problemOfSeed } from '../../../src/config/nkey-seed.ts'

const text = (seed: Uint8Array): string => new TextDecoder().decode(seed)
const account = text(createAccount().getSeed())
const curve = text(createCurve().getSeed())
const user = text(createUser().getSeed())

suite('a seed', () => {
  test('of the wanted kind is right', () => {
    assert.equal(problemOfSeed(account, 'SA'), undefined)
    assert.equal(problemOfSeed(curve, 'SX'), undefined)
    assert.equal(problemOfSeed(user, 'SU'), undefined)
  })

  test('of another kind is named by its kind', () => {
    assert.match(problemOfSeed(curve, 'SA') ?? '', /an account seed \(SA…\), but a curve seed \(SX…\)/)
    assert.match(problemOfSeed(account, 'SX') ?? '', /a curve seed \(SX…\), but an account seed/)
    assert.match(problemOfSeed(text(createOperator().getSeed()), 'SA') ?? '', /but an operator seed/)
  })

  test('is not a public key, an empty text or a property of every object', () => {
    for (const wrong of [createAccount().getPublicKey(), '', 'SA', 'constructor']) {
      assert.notEqual(problemOfSeed(wrong, 'SA'), undefined)
    }
  })

  test('with one character changed, missing or added is damaged, and the message does not repeat it', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 55 }), fc.constantFrom(...alphabet.split('')), (at, character) => {
        fc.pre(account[at] !== character)
        const changed = account.slice(0, at) + character + account.slice(at + 1)
        const problem = problemOfSeed(changed, 'SA') ?? assert.fail('accepted')
        assert.ok(!problem.includes(changed.slice(4, 20)))
      }),
    )
    for (const damaged of [account.slice(0, -1), `${account}A`, ` ${account}`, account.toLowerCase()]) {
      assert.notEqual(problemOfSeed(damaged, 'SA'), undefined)
    }
  })
})
