import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { suite, test } from 'node:test'
import { compactVerify, importJWK } from 'jose'
import type { Verification } from '../../../src/service/ports.ts'
import type { IssuerOptions } from '../../../src/oidc/issuer-options.ts'
import { createTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import type { OidcTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import { NOW_SECONDS } from '../../support/builders.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import {
  anIssuer,
  createRsaSigner,
  createSigner,
  encode,
  forgeWithExponentOne,
  ISSUER,
  publicPem,
  signBytes,
  signToken,
  someClaims,
  without,
} from '../../support/oidc.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

const SIGNER = createSigner('ES256', 'key-1')
const RSA_SIGNER = createSigner('RS256', 'rsa-1')
const DEADLINE_MS = 600

/** A verifier whose issuers publish what `keys` says, by address of the key set. */
function verifierOf(
  keys: Readonly<Record<string, readonly unknown[]>>,
  issuers: readonly IssuerOptions[],
): OidcTokenVerifier {
  return createTokenVerifier({
    issuers,
    clock: new ManualClock(),
    events: new RecordedEvents(),
    maxTokenBytes: 16_384,
    fetchDocument: async (url) => Buffer.from(JSON.stringify({ keys: keys[url.href] })),
  })
}

const KEYS_URL = 'https://idp.example/keys'

function corpVerifier(
  keys: readonly unknown[] = [SIGNER.publicJwk, RSA_SIGNER.publicJwk],
  change: Partial<IssuerOptions> = {},
): OidcTokenVerifier {
  const issuer = anIssuer({ keys: { jwksUri: KEYS_URL }, algorithms: ['ES256', 'RS256'], ...change })
  return verifierOf({ [KEYS_URL]: keys }, [issuer])
}

async function verdict(token: string, verifier = corpVerifier()): Promise<string> {
  const verification = await verifier.verify(token, DEADLINE_MS)
  return verification.accepted ? 'accepted' : `${verification.reason}: ${verification.detail}`
}

async function reason(token: string, verifier = corpVerifier()): Promise<string> {
  const verification: Verification = await verifier.verify(token, DEADLINE_MS)
  return verification.accepted ? 'accepted' : verification.reason
}

suite('a token verifier accepts', () => {
  test('a good token, and says who it speaks for', async () => {
    const token = signToken(SIGNER, someClaims({ azp: 'cli', groups: ['ops'], tid: 't-1' }))
    const verification = await corpVerifier().verify(token, DEADLINE_MS)
    assert.ok(verification.accepted)
    const { token: facts, ...identity } = verification.identity
    assert.deepEqual(identity, {
      issuerId: 'corp',
      kind: 'user',
      subject: 'alice',
      clientId: 'cli',
      groups: ['ops'],
      attributes: { tenant: 't-1' },
    })
    assert.deepEqual([facts.id, facts.expiresAt, facts.keyId], ['token-1', NOW_SECONDS + 3600, 'key-1'])
  })

  for (const alg of ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA']) {
    test(`a token signed with ${alg}`, async () => {
      const signer = createSigner(alg)
      assert.equal(
        await verdict(signToken(signer), corpVerifier([signer.publicJwk], { algorithms: [alg] })),
        'accepted',
      )
    })
  }

  test('a token of RFC 9068', async () => {
    const token = signToken(SIGNER, someClaims({ client_id: 'web' }), { typ: 'application/at+jwt' })
    assert.equal(await verdict(token), 'accepted')
  })

  test('a token without a key id when the issuer has one key for the algorithm', async () => {
    assert.equal(await verdict(signToken(SIGNER, someClaims(), { kid: undefined })), 'accepted')
  })

  test('a token that a broken key beside a good one cannot spoil', async () => {
    const keys = [null, { kty: 'oct', k: 'AA' }, { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }, SIGNER.publicJwk]
    assert.equal(await verdict(signToken(SIGNER), corpVerifier(keys)), 'accepted')
  })
})

suite('a token verifier refuses', () => {
  for (const alg of ['none', 'None', 'NONE', 'nOnE', '', undefined, null, ['ES256'], 'HS256', 'ES384', 'es256']) {
    test(`alg ${JSON.stringify(alg)}`, async () => {
      assert.equal(await reason(signToken(SIGNER, someClaims(), { alg })), 'algorithm_not_allowed')
    })
  }

  test('an unsigned token', async () => {
    const token = `${encode('{"alg":"none"}')}.${encode(JSON.stringify(someClaims()))}.`
    assert.equal(await reason(token), 'token_malformed')
  })

  test('a public key used as an HMAC secret', async () => {
    const input = `${encode('{"alg":"HS256","kid":"rsa-1","typ":"JWT"}')}.${encode(JSON.stringify(someClaims()))}`
    const signature = createHmac('sha256', publicPem(RSA_SIGNER)).update(input).digest('base64url')
    assert.equal(await verdict(`${input}.${signature}`), 'algorithm_not_allowed: the "alg" header is "HS256"')
  })

  test('a symmetric key that the issuer published', async () => {
    const keys = [SIGNER.publicJwk, { kty: 'oct', k: 'c2VjcmV0', kid: 'shared', alg: 'ES256' }]
    const token = signToken(SIGNER, someClaims(), { kid: 'shared' })
    assert.equal(await verdict(token, corpVerifier(keys)), 'key_invalid: the key is symmetric')
  })

  test('a key that the token brings along', async () => {
    const attacker = createSigner('ES256', 'key-1')
    assert.equal(await reason(signToken(attacker, someClaims(), { jwk: attacker.publicJwk })), 'token_malformed')
  })

  for (const name of ['jku', 'x5u', 'x5c', 'crit', 'b64']) {
    test(`a "${name}" header`, async () => {
      assert.equal(
        await verdict(signToken(SIGNER, someClaims(), { [name]: null })),
        `token_malformed: the header holds "${name}"`,
      )
    })
  }

  test('a signature by another key under the id of a real one', async () => {
    assert.equal(
      await verdict(signToken(createSigner('ES256', 'key-1'))),
      'signature_invalid: the signature does not verify',
    )
  })

  test('claims that were changed after signing', async () => {
    const [header, , signature] = signToken(SIGNER).split('.')
    const claims = encode(JSON.stringify(someClaims({ sub: 'root' })))
    assert.equal(await reason(`${header}.${claims}.${signature}`), 'signature_invalid')
  })

  for (const [what, signature] of [
    ['of zeros', Buffer.alloc(64)],
    ['in DER', Buffer.from('3006020101020101', 'hex')],
    ['of one byte', Buffer.alloc(1)],
    ['of 8 KiB', Buffer.alloc(8192, 1)],
  ] as const) {
    test(`a signature ${what}`, async () => {
      const input = signToken(SIGNER).split('.').slice(0, 2).join('.')
      assert.equal(await reason(`${input}.${encode(signature)}`), 'signature_invalid')
    })
  }

  for (const [what, change] of [
    ['a trailing newline', (token: string) => `${token}\n`],
    ['padding', (token: string) => `${token}==`],
    ['a tab inside of the signature', (token: string) => `${token.slice(0, -5)}\t${token.slice(-5)}`],
    ['a leading space', (token: string) => ` ${token}`],
    ['a "Bearer " prefix', (token: string) => `Bearer ${token}`],
    ['a fourth part', (token: string) => `${token}.e30`],
  ] as const) {
    test(`another spelling of a good token: ${what}`, async () => {
      assert.equal(await reason(change(signToken(SIGNER))), 'token_malformed')
    })
  }

  test('another spelling of a good token: changed trailing bits', async () => {
    const token = signToken(RSA_SIGNER)
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet[alphabet.indexOf(token.at(-1) ?? '') + 1]
    assert.equal(await reason(token.slice(0, -1) + last), 'token_malformed')
  })

  for (const [what, claims, expected] of [
    ['no exp', without(someClaims(), 'exp'), 'claim_missing'],
    ['exp 1e400', JSON.stringify(someClaims()).replace(/"exp":\d+/, '"exp":1e400'), 'claim_invalid'],
    ['exp with a fraction', someClaims({ exp: NOW_SECONDS + 0.5 }), 'claim_invalid'],
    ['exp as text', someClaims({ exp: String(NOW_SECONDS + 60) }), 'claim_invalid'],
    ['an expiry in the past', someClaims({ exp: NOW_SECONDS - 31 }), 'token_expired'],
    ['ten years of life', someClaims({ exp: NOW_SECONDS + 315_360_000 }), 'token_lifetime_too_long'],
    ['iat in the future', someClaims({ iat: NOW_SECONDS + 300 }), 'token_not_yet_valid'],
    ['nbf in the future', someClaims({ nbf: NOW_SECONDS + 300 }), 'token_not_yet_valid'],
    ['another audience', someClaims({ aud: 'billing' }), 'audience_mismatch'],
    ['no audience', without(someClaims(), 'aud'), 'claim_missing'],
    ['no issuer', without(someClaims(), 'iss'), 'claim_missing'],
    ['a list of issuers', someClaims({ iss: [ISSUER] }), 'claim_invalid'],
    ['an issuer with a slash more', someClaims({ iss: `${ISSUER}/` }), 'issuer_unknown'],
    ['an issuer in capitals', someClaims({ iss: ISSUER.toUpperCase() }), 'issuer_unknown'],
    ['an issuer named like a member of every object', someClaims({ iss: 'constructor' }), 'issuer_unknown'],
    ['sub as a number', someClaims({ sub: 1 }), 'claim_invalid'],
    ['an empty sub', someClaims({ sub: '' }), 'claim_invalid'],
    ['NUL in sub', someClaims({ sub: 'a\u0000' }), 'identity_invalid'],
    ['a bidirectional override in sub', someClaims({ sub: 'a\u202e' }), 'identity_invalid'],
    ['a lone surrogate in sub', String.raw`{"iss":"${ISSUER}","sub":"a\ud800"}`, 'token_malformed'],
    ['a long sub', someClaims({ sub: 'x'.repeat(10_000) }), 'identity_invalid'],
    ['sub twice', `{"sub":"root",${JSON.stringify(someClaims()).slice(1)}`, 'token_malformed'],
    [
      'a security event',
      someClaims({ events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }),
      'claim_invalid',
    ],
    ['a token bound to a certificate', someClaims({ cnf: { 'x5t#S256': 'x' } }), 'claim_invalid'],
    ['groups that were left out', someClaims({ _claim_names: { groups: 'src1' } }), 'claim_invalid'],
    ['an array as claims', '[]', 'token_malformed'],
    ['bytes that are not UTF-8 as claims', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'token_malformed'],
  ] as const) {
    test(`signed by the issuer all the same: ${what}`, async () => {
      assert.equal(await reason(signToken(SIGNER, claims)), expected)
    })
  }

  test('a token of 17 KiB before anything else', async () => {
    assert.equal(await reason(signToken(SIGNER, someClaims({ pad: 'x'.repeat(13_000) }))), 'token_oversized')
  })

  for (const typ of ['logout+jwt', 'secevent+jwt', 'dpop+jwt', undefined, 7]) {
    test(`typ ${typ}`, async () => {
      assert.equal(await reason(signToken(SIGNER, someClaims(), { typ })), 'token_type_not_allowed')
    })
  }

  for (const kid of ['../../dev/null', "' OR 1=1 --", 'KEY-1', 'key-1\u0000', '__proto__', '']) {
    test(`key id ${JSON.stringify(kid)}`, async () => {
      assert.equal(await reason(signToken(SIGNER, someClaims(), { kid })), 'key_not_found')
    })
  }

  test('a token without a key id when two keys fit', async () => {
    const verifier = corpVerifier([SIGNER.publicJwk, createSigner('ES256', 'key-2').publicJwk])
    assert.equal(
      await verdict(signToken(SIGNER, someClaims(), { kid: undefined }), verifier),
      'key_not_found: several ES256 keys fit "kid" absent',
    )
  })

  test('a key id that two keys have', async () => {
    const verifier = corpVerifier([SIGNER.publicJwk, createSigner('ES256', 'key-1').publicJwk])
    assert.equal(await reason(signToken(SIGNER), verifier), 'key_not_found')
  })

  test('a forgery under an RSA key with e = 1, which jose alone accepts', async () => {
    const { token, jwk } = forgeWithExponentOne()
    await compactVerify(token, await importJWK(jwk, 'RS256'))
    const verifier = corpVerifier([SIGNER.publicJwk, jwk])
    assert.equal(await verdict(token, verifier), 'key_invalid: the RSA exponent is not 65537')
  })

  test('a token signed with a small RSA key', async () => {
    const small = createRsaSigner(1024, 'small')
    const verifier = corpVerifier([SIGNER.publicJwk, small.publicJwk])
    assert.equal(await verdict(signToken(small), verifier), 'key_invalid: the RSA modulus has 1024 bits')
  })

  test('a token for another algorithm of the same key', async () => {
    const token = signToken({ ...RSA_SIGNER, alg: 'PS256' }, someClaims())
    const verifier = corpVerifier([RSA_SIGNER.publicJwk], { algorithms: ['RS256', 'PS256'] })
    assert.equal(await reason(token, verifier), 'key_not_found')
  })
})

suite('a token verifier with two issuers', () => {
  const other = createSigner('ES256', 'key-1')
  const OTHER_URL = 'https://other.example/keys'
  const both = (): OidcTokenVerifier =>
    verifierOf({ [KEYS_URL]: [SIGNER.publicJwk], [OTHER_URL]: [other.publicJwk] }, [
      anIssuer({ keys: { jwksUri: KEYS_URL } }),
      anIssuer({
        id: 'other',
        issuer: 'https://other.example',
        keys: { jwksUri: OTHER_URL },
        audiences: ['other'],
      }),
    ])

  test('does not let one sign in the name of the other, even under the same key id', async () => {
    assert.equal(await reason(signToken(other, someClaims()), both()), 'signature_invalid')
  })

  test('holds each to its own audience', async () => {
    const claims = someClaims({ iss: 'https://other.example', aud: 'nats' })
    assert.equal(await reason(signToken(other, claims), both()), 'audience_mismatch')
  })

  test('gives the same subject two identities', async () => {
    const verifier = both()
    const tokens = [signToken(SIGNER), signToken(other, someClaims({ iss: 'https://other.example', aud: 'other' }))]
    const ids = await Promise.all(
      tokens.map(async (token) => {
        const verification = await verifier.verify(token, DEADLINE_MS)
        return verification.accepted && verification.identity.issuerId
      }),
    )
    assert.deepEqual(ids, ['corp', 'other'])
  })
})

suite('a refusal', () => {
  test('names the issuer entry and carries the facts for the audit', async () => {
    const verification = await corpVerifier().verify(signToken(SIGNER, someClaims({ aud: 'x' })), DEADLINE_MS)
    assert.ok(!verification.accepted)
    assert.deepEqual(
      [verification.issuerId, verification.token.subject, verification.token.audience],
      ['corp', 'alice', ['x']],
    )
  })

  test('never holds the token or a part of it', async () => {
    const tokens = [
      signToken(SIGNER, someClaims({ aud: 'x' })),
      signToken(createSigner(), someClaims()),
      signToken(SIGNER, someClaims(), { alg: 'x'.repeat(500) }),
      `${signToken(SIGNER)}=`,
    ]
    for (const token of tokens) {
      const text = JSON.stringify(await corpVerifier().verify(token, DEADLINE_MS))
      assert.ok(!token.split('.').some((part) => text.includes(part)), text)
      assert.ok(text.length < 1000)
    }
  })
})

suite('a token verifier', () => {
  test('says that keys are unavailable instead of judging a token', async () => {
    const verifier = verifierOf({}, [anIssuer({ keys: { jwksUri: KEYS_URL } })])
    const verification = await verifier.verify(signToken(SIGNER), DEADLINE_MS)
    assert.ok(!verification.accepted)
    assert.deepEqual([verification.reason, verification.issuerId], ['issuer_unavailable', anIssuer().id])
    assert.notEqual(verification.token.sha256, undefined)
  })

  test('is built only from options that can be safe', () => {
    assert.throws(() => corpVerifier([], { algorithms: ['HS256'] }), { code: 'ERR_CONFIG_INVALID' })
  })

  test('reports readiness and key age of each issuer', async () => {
    const verifier = corpVerifier()
    const before = [verifier.readiness(), verifier.keySetAges()]
    await verifier.verify(signToken(SIGNER), DEADLINE_MS)
    assert.deepEqual(
      [...before, verifier.readiness(), verifier.keySetAges()],
      [
        [{ part: 'issuer:corp', ready: false, why: 'the keys have not been fetched yet' }],
        new Map(),
        [{ part: 'issuer:corp', ready: true }],
        new Map([['corp', 0]]),
      ],
    )
  })

  test('spreads the fetches of its replicas by the random number that it is given', async () => {
    const clock = new ManualClock()
    const fetches: number[] = []
    await using verifier = createTokenVerifier({
      issuers: [anIssuer({ keys: { jwksUri: KEYS_URL } })],
      clock,
      events: new RecordedEvents(),
      maxTokenBytes: 16_384,
      random: () => 0.5,
      fetchDocument: async () => {
        fetches.push(clock.monotonicMs())
        return Buffer.from(JSON.stringify({ keys: [SIGNER.publicJwk] }))
      },
    })
    verifier.start()
    await clock.advance(300_000)
    assert.deepEqual(fetches, [0, 270_000])
  })

  test('refuses what signs its own input with a stray signature length', async () => {
    const input = signToken(SIGNER).split('.').slice(0, 2).join('.')
    const twice = Buffer.concat([signBytes(SIGNER, input), signBytes(SIGNER, input)])
    assert.equal(await reason(`${input}.${encode(twice)}`), 'signature_invalid')
  })
})
