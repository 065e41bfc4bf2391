import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createSigner, encode, ISSUER, signToken, someClaims } from '../../../support/oidc.ts'
import { corpVerifier, verdictOf } from '../../../support/token-verifier.ts'

const SIGNER = createSigner('ES256', 'key-1')
const RSA_SIGNER = createSigner('RS256', 'rsa-1')
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

function verdict(token: string): Promise<string> {
  return verdictOf(corpVerifier([SIGNER.publicJwk, RSA_SIGNER.publicJwk]), token)
}

/** The next character has the same leading bits: only those that no byte uses differ. */
function withOtherTrailingBits(token: string): string {
  return token.slice(0, -1) + (ALPHABET[ALPHABET.indexOf(token.at(-1) ?? '') + 1] ?? '')
}

suite('another spelling of a good token is refused, though jose reads the same bytes from some:', () => {
  const token = signToken(RSA_SIGNER)
  for (const [what, spelling] of [
    ['a newline behind it', `${token}\n`],
    ['padding', `${token}==`],
    ['a tab inside of the signature', `${token.slice(0, -5)}\t${token.slice(-5)}`],
    ['a space inside of the signature', `${token.slice(0, -5)} ${token.slice(-5)}`],
    ['other trailing bits', withOtherTrailingBits(token)],
    ['a space before it', ` ${token}`],
    ['"Bearer " before it', `Bearer ${token}`],
  ] as const) {
    test(what, async () => {
      assert.equal(await verdict(spelling), 'token_malformed: a part of the token is not canonical base64url')
    })
  }
})

suite('what is no compact JWS is refused:', () => {
  const [header = '', payload = '', signature = ''] = signToken(SIGNER).split('.')
  const protectedPart = { protected: header, signature }
  const pbes2 = encode('{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2000000,"p2s":"AAAAAAAAAAA"}')
  for (const [what, text] of [
    ['a JWE', 'e30.e30.e30.e30.e30'],
    ['a JWE that asks for two million rounds of PBES2', `${pbes2}.e30.e30.e30.e30`],
    ['a flattened JSON serialization', JSON.stringify({ payload, ...protectedPart })],
    ['a general JSON serialization', JSON.stringify({ payload, signatures: [protectedPart] })],
    ['a good token with a fourth part', `${signToken(SIGNER)}.e30`],
    ['a good token without its signature', `${header}.${payload}.`],
    ['a good token without its payload', `${header}..${signature}`],
  ] as const) {
    test(what, async () => {
      assert.equal(await verdict(text), 'token_malformed: the token is not three non-empty parts separated by dots')
    })
  }
})

suite('a payload that is no claims is refused, though the issuer signed it:', () => {
  const claims = JSON.stringify(someClaims())
  for (const [what, payload, fault] of [
    ['an array', '[]', 'is not a JSON object'],
    ['a token', signToken(SIGNER), 'is not JSON'],
    ['claims behind a byte order mark', `\ufeff${claims}`, 'is not JSON'],
    ['bytes that are not UTF-8', Buffer.from(claims.replace('alice', '\xe9'), 'latin1'), 'is not UTF-8'],
    ['claims with a name twice', `{"sub":"root",${claims.slice(1)}`, 'holds a member name twice'],
    ['claims with a name twice, once escaped', `{"s\\u0075b":"root",${claims.slice(1)}`, 'holds a member name twice'],
    ['a lone surrogate', `{"iss":"${ISSUER}","sub":"a\\ud800"}`, 'holds a lone surrogate'],
    ['3,000 nested lists', `{"a":${'['.repeat(3000)}${']'.repeat(3000)}}`, 'nests deeper than 32'],
  ] as const) {
    test(what, async () => {
      assert.equal(await verdict(signToken(SIGNER, payload)), `token_malformed: the payload ${fault}`)
    })
  }
})

suite('a token over the limit is refused before anything of it is read:', () => {
  for (const [what, token] of [
    ['10 MB with a good signature', () => signToken(SIGNER, someClaims({ pad: 'x'.repeat(7_500_000) }))],
    ['50 MB of header', () => `${'x'.repeat(50_000_000)}.e30.c2ln`],
    ['5,000,000 nested lists', () => `e30.${encode('['.repeat(5_000_000))}.c2ln`],
    ['one character more than the limit', () => 'x'.repeat(16_385)],
  ] as const) {
    test(what, async () => {
      const text = token()
      const expected = `token_oversized: the token has ${text.length} characters, the limit is 16384`
      assert.equal(await verdict(text), expected)
    })
  }
})
