import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { BUDGET_MS, corpVerifier } from '../../support/token-verifier.ts'
import { createSigner, encode, signToken, someClaims } from '../../support/oidc.ts'

const RSA_SIGNER = createSigner('RS256', 'rsa-1')
const signers = [createSigner('ES256', 'ec-1'), RSA_SIGNER, createSigner('EdDSA', 'ed-1')]
const ALGORITHMS = signers.map((signer) => signer.alg)
const tokens = signers.map((signer) => signToken(signer))
const verifier = corpVerifier(
  signers.map((signer) => signer.publicJwk),
  { algorithms: ALGORITHMS },
)

async function isAccepted(token: string): Promise<boolean> {
  return (await verifier.verify(token, BUDGET_MS)).accepted
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.split('')
const FOREIGN = ['.', '=', '+', '/', ' ', '\t', '\n', '\u0000', '\u00e9', '\ud800']

const anyToken = fc.constantFrom(...tokens)
const anyCharacter = fc.oneof(
  fc.constantFrom(...ALPHABET, ...FOREIGN),
  fc.string({ minLength: 1, maxLength: 1, unit: 'binary' }),
)

/** Whatever can stand in one place: each of the six bits of the character flipped, and what is no base64url at all. */
function otherCharacters(character: string): readonly string[] {
  const value = ALPHABET.indexOf(character)
  const flipped = value === -1 ? ALPHABET : [1, 2, 4, 8, 16, 32].map((bit) => ALPHABET[value ^ bit] ?? '')
  return [...flipped, ...FOREIGN].filter((other) => other !== character)
}

suite('a good token', () => {
  test('is accepted as it is', async () => {
    assert.deepEqual(await Promise.all(tokens.map(isAccepted)), [true, true, true])
  })

  for (const [index, token] of tokens.entries()) {
    test(`of ${ALGORITHMS[index]} is refused with any bit of it flipped, and with a foreign character in any place`, async () => {
      for (let at = 0; at < token.length; at += 1) {
        const others = otherCharacters(token.charAt(at))
        const mutated = others.map((character) => token.slice(0, at) + character + token.slice(at + 1))
        const accepted = await Promise.all(mutated.map(isAccepted))
        assert.deepEqual(
          others.filter((_, place) => accepted[place]),
          [],
          `accepted in place ${at} of ${token}`,
        )
      }
    })
  }

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

  test('is refused with any run of its characters replaced', async () => {
    const run = fc.string({ minLength: 1, maxLength: 40, unit: fc.constantFrom(...ALPHABET) })
    await fc.assert(
      fc.asyncProperty(anyToken, fc.nat(), run, async (token, place, characters) => {
        const at = place % token.length
        const mutated = token.slice(0, at) + characters + token.slice(at + characters.length)
        fc.pre(mutated !== token)
        assert.equal(await isAccepted(mutated), false)
      }),
      { numRuns: 500 },
    )
  })
})

/** Big-endian, as many bytes as `size`. */
function bytesOf(value: bigint, size: number): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * size, '0'), 'hex')
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
}

const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const ED25519_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n

/** The token with a signature that means the same where the verifier does its arithmetic laxly. */
function respelled(token: string, change: (signature: Buffer) => Buffer): string {
  const [header, payload, signature = ''] = token.split('.')
  return `${header}.${payload}.${encode(change(Buffer.from(signature, 'base64url')))}`
}

suite('a good signature has one spelling:', () => {
  const [ec = '', rsa = '', edwards = ''] = tokens

  test('Ed25519, whose S may not be S plus the order', async () => {
    const other = respelled(edwards, (signature) => {
      const scalar = numberOf(signature.subarray(32).toReversed())
      return Buffer.concat([signature.subarray(0, 32), bytesOf(scalar + ED25519_ORDER, 32).toReversed()])
    })
    assert.equal(await isAccepted(other), false)
  })

  test('RSA, whose number may not be larger by the modulus', async () => {
    const modulus = numberOf(Buffer.from(String(RSA_SIGNER.publicJwk['n']), 'base64url'))
    const fits = (token: string): boolean => (signatureNumber(token) + modulus) >> 2048n === 0n
    let token = rsa
    for (let count = 0; !fits(token); count += 1) token = signToken(RSA_SIGNER, someClaims({ count }))
    const other = respelled(token, (signature) => bytesOf(numberOf(signature) + modulus, 256))
    assert.deepEqual([await isAccepted(token), await isAccepted(other)], [true, false])
  })

  test('RSA, which may have no zero before it', async () => {
    assert.equal(await isAccepted(respelled(rsa, (signature) => Buffer.concat([Buffer.alloc(1), signature]))), false)
  })

  test('but ECDSA, by design, has two, which are one token to everything that records or compares', async () => {
    const other = respelled(ec, (signature) => {
      const opposite = P256_ORDER - numberOf(signature.subarray(32))
      return Buffer.concat([signature.subarray(0, 32), bytesOf(opposite, 32)])
    })
    assert.notEqual(other, ec)
    assert.deepEqual(await verifier.verify(other, BUDGET_MS), await verifier.verify(ec, BUDGET_MS))
  })
})

function signatureNumber(token: string): bigint {
  return numberOf(Buffer.from(token.split('.')[2] ?? '', 'base64url'))
}
