import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { IssuerOptions } from '../../../../src/oidc/issuer-options.ts'
import { createSigner, signToken, someClaims } from '../../../support/oidc.ts'
import { corpVerifier, verdictOf } from '../../../support/token-verifier.ts'

const SIGNER = createSigner('ES256', 'key-1')

/** The verdict about a token that the issuer signed with this header. */
function verdict(header: Record<string, unknown> | string, change: Partial<IssuerOptions> = {}): Promise<string> {
  return verdictOf(corpVerifier([SIGNER.publicJwk], change), signToken(SIGNER, someClaims(), header))
}

suite('"alg" is refused whatever the signature, when it is', () => {
  const algorithms = ['none', 'None', 'NONE', 'nOnE', '', undefined, null, ['ES256'], 'HS256', 'ES384', 'es256']
  for (const alg of algorithms) {
    test(JSON.stringify(alg) ?? 'absent', async () => {
      assert.match(await verdict({ alg }), /^algorithm_not_allowed: the "alg" header is /)
    })
  }

  test('written twice, for two parsers to read differently', async () => {
    const header = '{"alg":"none","alg":"ES256","kid":"key-1","typ":"JWT"}'
    assert.equal(await verdict(header), 'token_malformed: the header holds a member name twice')
  })
})

suite('a header that brings or names a key is refused:', () => {
  for (const [name, value] of [
    ['jwk', SIGNER.publicJwk],
    ['jku', 'https://evil.example/keys'],
    ['x5u', 'https://evil.example/certificate'],
    ['x5c', ['MIIB']],
  ] as const) {
    test(`"${name}"`, async () => {
      assert.equal(await verdict({ [name]: value }), `token_malformed: the header holds "${name}"`)
    })

    test(`"${name}" of null`, async () => {
      assert.equal(await verdict({ [name]: null }), `token_malformed: the header holds "${name}"`)
    })
  }
})

suite('a header that changes what is signed is refused:', () => {
  for (const [what, header] of [
    ['an empty "crit"', { crit: [] }],
    ['an unknown name in "crit"', { crit: ['x'], x: 1 }],
    ['"crit" as a string', { crit: 'b64' }],
    ['"crit" of a member that is absent', { crit: ['x'] }],
    ['"crit" of __proto__', { crit: ['__proto__'] }],
    ['"b64" with "crit"', { b64: false, crit: ['b64'] }],
  ] as const) {
    test(what, async () => assert.equal(await verdict(header), 'token_malformed: the header holds "crit"'))
  }

  for (const b64 of [false, true]) {
    test(`"b64" ${b64} without "crit", which jose passes over`, async () => {
      assert.equal(await verdict({ b64 }), 'token_malformed: the header holds "b64"')
    })
  }
})

suite('a "kid" finds no other key, and is no key of anything else:', () => {
  for (const [what, kid] of [
    ['path traversal', '../../../../dev/null'],
    ['SQL', "x' UNION SELECT 'secret"],
    ['another case', 'KEY-1'],
    ['NUL', 'key-1\u0000'],
    ['empty text', ''],
    ['__proto__', '__proto__'],
    ['constructor', 'constructor'],
    ['256 characters', 'x'.repeat(256)],
  ] as const) {
    test(what, async () => assert.match(await verdict({ kid }), /^key_not_found: no ES256 key fits "kid" /))
  }

  for (const [what, kid] of [
    ['a number', 1],
    ['null', null],
    ['an object', { kid: 'key-1' }],
    ['a list', ['key-1']],
    ['257 characters', 'x'.repeat(257)],
  ] as const) {
    test(what, async () => {
      assert.equal(
        await verdict({ kid }),
        'token_malformed: the "kid" header is not a string of at most 256 characters',
      )
    })
  }

  test('a megabyte', async () => {
    assert.match(await verdict({ kid: 'x'.repeat(1024 * 1024) }), /^token_oversized: /)
  })
})

suite('a token whose "kid" does not decide', () => {
  const withoutKeyId = signToken(SIGNER, someClaims(), { kid: undefined })

  test('is accepted without "kid" when the issuer has one key for its algorithm', async () => {
    const keys = [SIGNER.publicJwk, createSigner('RS256', 'rsa-1').publicJwk]
    assert.equal(await verdictOf(corpVerifier(keys), withoutKeyId), 'accepted')
  })

  test('is refused without "kid" when two keys fit', async () => {
    const keys = [SIGNER.publicJwk, createSigner('ES256', 'key-2').publicJwk]
    const expected = 'key_not_found: several ES256 keys fit "kid" absent'
    assert.equal(await verdictOf(corpVerifier(keys), withoutKeyId), expected)
  })

  test('is refused when two keys have that "kid"', async () => {
    const keys = [SIGNER.publicJwk, createSigner('ES256', 'key-1').publicJwk]
    const expected = 'key_not_found: several ES256 keys fit "kid" "key-1"'
    assert.equal(await verdictOf(corpVerifier(keys), signToken(SIGNER)), expected)
  })
})

suite('a token that the issuer made for something else is no login:', () => {
  for (const typ of ['logout+jwt', 'secevent+jwt', 'dpop+jwt', undefined, 7]) {
    test(`"typ" ${typ}`, async () => assert.match(await verdict({ typ }), /^token_type_not_allowed: /))
  }

  test('an ID token where access tokens are expected', async () => {
    const accessOnly = { tokenTypes: ['at+jwt'], profile: 'rfc9068' } as const
    assert.match(await verdict({ typ: 'JWT' }, accessOnly), /^token_type_not_allowed: /)
  })

  test('an access token where ID tokens are expected', async () => {
    const idOnly = { tokenTypes: ['JWT'], profile: 'id_token' } as const
    assert.match(await verdict({ typ: 'at+jwt' }, idOnly), /^token_type_not_allowed: /)
  })
})
