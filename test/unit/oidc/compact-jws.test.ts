import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { decodeBase64url, parseCompactJws } from '../../../src/oidc/compact-jws.ts'
import { encode } from '../../support/oidc.ts'

const LIMIT = 16_384
const CLAIMS = {
  iss: 'https://idp.example',
  sub: 'alice',
  aud: ['nats', 'other'],
  iat: 100,
  exp: 200,
  jti: 'id-1',
}

function tokenOf(header: unknown, claims: unknown = CLAIMS): string {
  return `${encode(JSON.stringify(header))}.${encode(JSON.stringify(claims))}.c2ln`
}

function refusalOf(token: string): string {
  const jws = parseCompactJws(token, LIMIT)
  return jws.wellFormed ? 'accepted' : `${jws.refusal.reason}: ${jws.refusal.detail}`
}

suite('parseCompactJws', () => {
  test('reads header and claims', () => {
    const jws = parseCompactJws(tokenOf({ alg: 'ES256', kid: 'k' }), LIMIT)
    assert.ok(jws.wellFormed)
    assert.deepEqual([jws.header, jws.claims], [{ alg: 'ES256', kid: 'k' }, CLAIMS])
  })

  test('gathers what an audit row may say', () => {
    const token = tokenOf({ alg: 'ES256', kid: 'k' })
    const signed = token.slice(0, token.lastIndexOf('.'))
    assert.deepEqual(parseCompactJws(token, LIMIT).facts, {
      issuer: 'https://idp.example',
      subject: 'alice',
      id: 'id-1',
      keyId: 'k',
      algorithm: 'ES256',
      audience: ['nats', 'other'],
      issuedAt: 100,
      expiresAt: 200,
      sha256: createHash('sha256').update(signed).digest('hex'),
    })
  })

  test('leaves out of the facts what a row could not hold or show', () => {
    const claims = { iss: ['x'], sub: 'a\u202eb', aud: 7, iat: 1.5, exp: 1e15, jti: 'x'.repeat(600), uti: 'u' }
    const { facts } = parseCompactJws(tokenOf({ alg: 5, kid: 'a\u0000' }, claims), LIMIT)
    assert.deepEqual(Object.keys(facts), ['id', 'sha256'])
  })

  for (const [what, token, refusal] of [
    ['an empty token', '', 'token_malformed: the token is not three non-empty parts separated by dots'],
    ['three dots', '...', 'token_malformed: the token is not three non-empty parts separated by dots'],
    ['two dots', '..', 'token_malformed: the token is not three non-empty parts separated by dots'],
    ['an empty signature', 'e30.e30.', 'token_malformed: the token is not three non-empty parts separated by dots'],
    ['text that is not base64url', 'a.b$.c', 'token_malformed: a part of the token is not canonical base64url'],
    ['padding', 'e30.e30.c2k=', 'token_malformed: a part of the token is not canonical base64url'],
    ['standard base64', 'e30.e30.a+/a', 'token_malformed: a part of the token is not canonical base64url'],
    [
      'trailing bits that are not zero',
      'e30.e30.c2l',
      'token_malformed: a part of the token is not canonical base64url',
    ],
    ['an impossible length', 'e30.e30.c2lnc', 'token_malformed: a part of the token is not canonical base64url'],
    ['a string as claims', tokenOf({}, 'x'), 'token_malformed: the payload is not a JSON object'],
    ['an array as header', tokenOf([]), 'token_malformed: the header is not a JSON object'],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.equal(refusalOf(token), refusal)
    })
  }

  test('refuses a token over the limit before it looks inside', () => {
    assert.equal(
      refusalOf('x'.repeat(17 * 1024)),
      'token_oversized: the token has 17408 characters, the limit is 16384',
    )
  })

  test('keeps nothing of one token in another, whatever their sizes', () => {
    const sizes = [1, 20_000, 10, 12_000, 16_384, 3]
    const tokens = sizes.map((size) => tokenOf({ alg: 'ES256', pad: 'h'.repeat(size) }, { sub: 'p'.repeat(size) }))
    const parsed = tokens.map((token) => parseCompactJws(token, 65_536))
    assert.deepEqual(
      parsed.map((jws) => jws.wellFormed && [String(jws.header['pad']).length, String(jws.claims['sub']).length]),
      sizes.map((size) => [size, size]),
    )
  })

  test('never throws, whatever the text', () => {
    const part = fc.oneof(fc.string({ unit: 'binary' }), fc.json().map(encode), fc.base64String())
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        parseCompactJws(parts.join('.'), LIMIT)
      }),
    )
  })
})

suite('a header that was read before', () => {
  test('is judged as it was the first time', () => {
    const good = tokenOf({ alg: 'ES256', kid: 'again' })
    const bad = tokenOf({ alg: 'ES256', kid: 'again', crit: ['exp'] })
    const verdicts = [good, bad, good, bad].map((token) => parseCompactJws(token, LIMIT).wellFormed)
    assert.deepEqual(verdicts, [true, false, true, false])
  })

  test('is read again after a flood of others', () => {
    const good = tokenOf({ alg: 'ES256', kid: 'flooded' })
    const before = parseCompactJws(good, LIMIT)
    for (let n = 0; n < 200; n += 1) parseCompactJws(tokenOf({ alg: 'ES256', kid: `flood-${n}` }), LIMIT)
    assert.deepEqual(parseCompactJws(good, LIMIT), before)
  })

  test('says nothing about the claims beside it', () => {
    const header = { alg: 'ES256', kid: 'shared' }
    const subjects = ['alice', 'bob'].map((sub) => parseCompactJws(tokenOf(header, { sub }), LIMIT).facts.subject)
    assert.deepEqual(subjects, ['alice', 'bob'])
  })
})

suite('decodeBase64url', () => {
  test('accepts exactly one spelling of every byte string', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 8 }),
        fc.string({ maxLength: 2, unit: 'binary-ascii' }),
        (bytes, tail) => {
          const text = encode(bytes)
          assert.deepEqual(decodeBase64url(text), Buffer.from(bytes))
          const other = decodeBase64url(text + tail)
          assert.ok(tail === '' || other === undefined || !other.equals(bytes))
        },
      ),
    )
  })

  test('agrees with writing the bytes again, for any text over the alphabet', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/='
    const character = fc.constantFrom(...alphabet.split(''))
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 9, unit: character }), (text) => {
        const isCanonical = Buffer.from(text, 'base64url').toString('base64url') === text
        assert.equal(decodeBase64url(text) !== undefined, isCanonical)
      }),
      { numRuns: 2000 },
    )
  })
})
