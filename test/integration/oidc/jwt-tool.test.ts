import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { createTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import type { OidcTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { anIssuer, createSigner, encode, publicPem, signToken, someClaims, startKeyServer } from '../../support/oidc.ts'
import type { KeyServer } from '../../support/oidc.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'
import { reasonOf } from '../../support/token-verifier.ts'

/**
 * The checks of jwt_tool, by its names. Whoever runs it has captured a good RS256 token, knows the public key, has keys
 * and a web server of their own, and does not have the key of the issuer.
 */

const SIGNER = createSigner('RS256', 'key-1')
const ATTACKER = createSigner('RS256', 'key-1')

let issuer: KeyServer
/** Serves the keys of the attacker, and counts who comes. */
let trap: KeyServer
let verifier: OidcTokenVerifier
let captured: string

before(async () => {
  issuer = await startKeyServer([SIGNER.publicJwk])
  trap = await startKeyServer([ATTACKER.publicJwk])
  verifier = createTokenVerifier({
    issuers: [anIssuer({ issuer: issuer.issuer, keys: { discovery: {} }, algorithms: ['RS256'] })],
    clock: new ManualClock(),
    events: new RecordedEvents(),
    maxTokenBytes: 16_384,
  })
  captured = signToken(SIGNER, claims())
})

after(async () => {
  await verifier.stop()
  await issuer[Symbol.asyncDispose]()
  await trap[Symbol.asyncDispose]()
})

function claims(change: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return someClaims({ iss: issuer.issuer, ...change })
}

/** The token as the tool rewrites it: a header of its own over tampered claims, and what stands for a signature. */
function tampered(header: Readonly<Record<string, unknown>>, signature: string | ((input: string) => string)): string {
  const headerText = JSON.stringify({ alg: 'RS256', kid: 'key-1', typ: 'JWT', ...header })
  const input = `${encode(headerText)}.${encode(JSON.stringify(claims({ sub: 'root' })))}`
  return `${input}.${typeof signature === 'string' ? signature : signature(input)}`
}

function hmac(secret: string): (input: string) => string {
  return (input) => createHmac('sha256', secret).update(input).digest('base64url')
}

function capturedSignature(): string {
  return captured.split('.')[2] ?? ''
}

suite('jwt_tool gets nothing by', () => {
  test('broken signature', async () => {
    assert.equal(await reasonOf(verifier, captured.slice(0, -2)), 'signature_invalid')
  })

  test('claim tampering', async () => {
    assert.equal(await reasonOf(verifier, tampered({}, capturedSignature())), 'signature_invalid')
  })

  test('blank password', async () => {
    assert.equal(await reasonOf(verifier, tampered({ alg: 'HS256' }, hmac(''))), 'algorithm_not_allowed')
  })

  test('null signature (CVE-2020-28042)', async () => {
    assert.equal(await reasonOf(verifier, tampered({}, '')), 'token_malformed')
  })

  for (const alg of ['none', 'None', 'NONE', 'nOnE']) {
    test(`alg ${alg}, without a signature or with that of the captured token`, async () => {
      const tokens = [tampered({ alg }, ''), tampered({ alg }, capturedSignature())]
      const reasons = await Promise.all(tokens.map((token) => reasonOf(verifier, token)))
      assert.deepEqual(reasons, ['token_malformed', 'algorithm_not_allowed'])
    })
  }

  test('RS/HS key confusion', async () => {
    const confused = tampered({ alg: 'HS256' }, hmac(publicPem(SIGNER)))
    assert.equal(await reasonOf(verifier, confused), 'algorithm_not_allowed')
  })

  test('injected inline JWKS', async () => {
    const token = signToken(ATTACKER, claims(), { jwk: ATTACKER.publicJwk })
    assert.equal(await reasonOf(verifier, token), 'token_malformed')
  })

  for (const [what, kid] of [
    ['blank kid', ''],
    ['kid path traversal', '../../../../../../etc/passwd'],
    ['kid /dev/null', '/dev/null'],
    ['kid of an invalid path', '/invalid/path/never/made'],
    ['kid command injection', 'key-1;sleep 10'],
    ['kid SQL injection', "x' UNION SELECT '1';--"],
  ] as const) {
    test(`${what}, with HMAC and a known secret or with the algorithm of the issuer`, async () => {
      const tokens = [tampered({ kid, alg: 'HS256' }, hmac('')), signToken(ATTACKER, claims(), { kid })]
      const reasons = await Promise.all(tokens.map((token) => reasonOf(verifier, token)))
      assert.deepEqual(reasons, ['algorithm_not_allowed', 'key_not_found'])
    })
  }

  test('weak HMAC words', async () => {
    const words = ['secret', 'password', 'changeme', 'jwt', 'key', '1234567890', 'your-256-bit-secret', 'nats']
    const reasons = words.map((word) => reasonOf(verifier, tampered({ alg: 'HS256' }, hmac(word))))
    assert.deepEqual(new Set(await Promise.all(reasons)), new Set(['algorithm_not_allowed']))
  })

  test('claim fuzzing', async () => {
    const values = [null, true, 0, '', 'root', [], {}, ['root'], "x' OR 1=1--", '${7*7}', '../..']
    const names = ['iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'jti', 'groups', 'azp', 'admin', 'role']
    for (const name of names) {
      for (const value of values) {
        const fuzzed = signToken(ATTACKER, claims({ [name]: value }))
        assert.notEqual(await reasonOf(verifier, fuzzed), 'accepted', `${name} ${JSON.stringify(value)}`)
      }
    }
  })

  test('timestamps: an expired token made young again', async () => {
    const [header, , signature] = signToken(SIGNER, claims({ exp: 1 })).split('.')
    const renewed = `${header}.${encode(JSON.stringify(claims()))}.${signature}`
    assert.equal(await reasonOf(verifier, renewed), 'signature_invalid')
  })
})

suite('jwt_tool causes no external interaction by', () => {
  const rewritings: [what: string, header: () => Record<string, unknown>, claims?: () => Record<string, unknown>][] = [
    ['spoofed jku', () => ({ jku: trap.jwksUri })],
    ['jku of an address that answers with nothing useful', () => ({ jku: `${trap.issuer}/jku` })],
    ['x5u', () => ({ x5u: `${trap.issuer}/x5u` })],
    ['x5c', () => ({ x5c: [`${trap.issuer}/x5c`] })],
    ['kid', () => ({ kid: trap.jwksUri })],
    ['iss', () => ({}), () => ({ iss: trap.issuer })],
  ]
  for (const [what, header, change = () => ({})] of rewritings) {
    test(what, async () => {
      const token = signToken(ATTACKER, claims(change()), header())
      assert.match(await reasonOf(verifier, token), /^(?:token_malformed|key_not_found|issuer_unknown)$/)
      await fetch(`${trap.issuer}/asked-by-the-test`)
      assert.deepEqual(new Set(trap.requests), new Set(['/asked-by-the-test']))
    })
  }
})

test('jwt_tool finds by its persistence check that the captured token is as good as before', async () => {
  assert.equal(await reasonOf(verifier, captured), 'accepted')
})
