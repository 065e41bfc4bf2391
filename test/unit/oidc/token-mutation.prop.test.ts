import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { createTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { anIssuer, createSigner, signToken } from '../../support/oidc.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

const signers = ['ES256', 'RS256', 'EdDSA'].map((alg) => createSigner(alg, `key-${alg}`))
const tokens = signers.map((signer) => signToken(signer))

const verifier = createTokenVerifier({
  issuers: [anIssuer({ keys: { jwksUri: 'https://idp.example/keys' }, algorithms: ['ES256', 'RS256', 'EdDSA'] })],
  clock: new ManualClock(),
  events: new RecordedEvents(),
  maxTokenBytes: 16_384,
  fetchDocument: async () => Buffer.from(JSON.stringify({ keys: signers.map((signer) => signer.publicJwk) })),
})

async function isAccepted(token: string): Promise<boolean> {
  return (await verifier.verify(token, 600)).accepted
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.split('')

const anyToken = fc.constantFrom(...tokens)
const anyCharacter = fc.oneof(
  fc.constantFrom(...ALPHABET, '.', '=', '+', '/', ' ', '\t', '\r', '\n'),
  fc.string({ minLength: 1, maxLength: 1, unit: 'binary' }),
)

suite('a good token', () => {
  test('is accepted as it is', async () => {
    assert.deepEqual(await Promise.all(tokens.map(isAccepted)), [true, true, true])
  })

  test('is refused with any one character replaced', async () => {
    await fc.assert(
      fc.asyncProperty(anyToken, fc.nat(), anyCharacter, async (token, place, character) => {
        const at = place % token.length
        fc.pre(token[at] !== character)
        assert.equal(await isAccepted(token.slice(0, at) + character + token.slice(at + 1)), false)
      }),
      { numRuns: 1000 },
    )
  })

  test('is refused with any one character inserted', async () => {
    await fc.assert(
      fc.asyncProperty(anyToken, fc.nat(), anyCharacter, async (token, place, character) => {
        const at = place % (token.length + 1)
        assert.equal(await isAccepted(token.slice(0, at) + character + token.slice(at)), false)
      }),
      { numRuns: 500 },
    )
  })

  test('is refused with any part of it cut out', async () => {
    await fc.assert(
      fc.asyncProperty(anyToken, fc.nat(), fc.integer({ min: 1, max: 100 }), async (token, place, length) => {
        const at = place % token.length
        assert.equal(await isAccepted(token.slice(0, at) + token.slice(at + length)), false)
      }),
      { numRuns: 300 },
    )
  })

  test('is refused with every last character but its own', async () => {
    for (const token of tokens) {
      const others = ALPHABET.filter((character) => character !== token.at(-1))
      const accepted = await Promise.all(others.map((character) => isAccepted(token.slice(0, -1) + character)))
      assert.ok(!accepted.includes(true))
    }
  })
})
