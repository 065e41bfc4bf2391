import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { createLocalJWKSet, jwtVerify } from 'jose'
import type { Verification } from '../../../src/service/ports.ts'
import type { IntrospectionOptions } from '../../../src/oidc/introspection-options.ts'
import type { IssuerOptions } from '../../../src/oidc/issuer-options.ts'
import { createTokenVerifier } from '../../../src/oidc/token-verifier.ts'

import { NOW_MS, NOW_SECONDS } from '../../support/builders.ts'
import { startConnectProxy } from '../../support/connect-proxy.ts'
import { anActiveToken, startIntrospectionServer } from '../../support/introspection-server.ts'
import type { IntrospectionMode, IntrospectionServer } from '../../support/introspection-server.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import {
  anIssuer,
  createSigner,
  eventually,
  selfSignedCertificate,
  signToken,
  someClaims,
  startKeyServer,
} from '../../support/oidc.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

/** 40 % of the default deadline of a request, which is what the service leaves to verification. */
const BUDGET_MS = 600
const TOKEN = 'opaque-token-of-alice-0001'
const SECRET = 'p&ss: word+%/='
const { keys: _, ...KEYLESS } = anIssuer({ algorithms: [] })

let folder: string
let secretFile: string

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'introspection-'))
  secretFile = path.join(folder, 'client.secret')
  await writeFile(secretFile, `${SECRET}\n`)
})
after(() => rm(folder, { recursive: true }))

function introspection(change: Partial<IntrospectionOptions> = {}): IntrospectionOptions {
  return {
    client: { method: 'client_secret_basic', clientId: 'callout', secretFile },
    cacheMs: 30_000,
    negativeCacheMs: 2_000,
    maxInFlight: 64,
    ...change,
  }
}

/** A verifier with real HTTP to the server, on a clock that only the test moves. */
function verifierFor(
  server: IntrospectionServer,
  change: Partial<IntrospectionOptions> = {},
  entry: Partial<IssuerOptions> = {},
) {
  const clock = new ManualClock()
  const events = new RecordedEvents()
  const issuer = { ...KEYLESS, issuer: server.issuer, introspection: introspection(change), ...entry }
  const verifier = createTokenVerifier({ issuers: [issuer], clock, events, maxTokenBytes: 16_384 })
  const verify = (token = TOKEN): Promise<Verification> => verifier.verify(token, clock.monotonicMs() + BUDGET_MS)
  const verdict = async (token = TOKEN): Promise<string> => {
    const verification = await verify(token)
    return verification.accepted ? 'accepted' : verification.reason
  }
  return { clock, events, verifier, verify, verdict }
}

async function aliceServer(change: Readonly<Record<string, unknown>> = {}): Promise<IntrospectionServer> {
  const server = await startIntrospectionServer()
  server.answers.set(TOKEN, anActiveToken(change))
  return server
}

suite('an opaque token', () => {
  test('is accepted when its issuer says that it is active', async () => {
    await using server = await startIntrospectionServer()
    server.answers.set(TOKEN, anActiveToken({ groups: ['ops'], jti: 'token-1', iss: server.issuer }))
    const { verifier, verify } = verifierFor(server)
    await using _ = verifier
    const verification = await verify()
    assert.ok(verification.accepted)
    const { kind, subject, clientId, groups, token } = verification.identity
    assert.deepEqual([kind, subject, clientId, groups], ['user', 'alice', 'cli', ['ops']])
    assert.deepEqual([token.id, token.expiresAt, token.sha256?.length], ['token-1', NOW_SECONDS + 3600, 64])
  })

  test('that is not active is refused', async () => {
    await using server = await startIntrospectionServer()
    const { verifier, verdict } = verifierFor(server)
    await using _ = verifier
    assert.equal(await verdict(), 'token_inactive')
  })

  const answers: readonly (readonly [what: string, change: Readonly<Record<string, unknown>>, reason: string])[] = [
    ['for another audience', { aud: 'billing' }, 'audience_mismatch'],
    ['without an audience', { aud: undefined }, 'claim_missing'],
    ['without an expiry', { exp: undefined }, 'claim_missing'],
    ['without an issue date', { iat: undefined }, 'claim_missing'],
    ['that has expired, whatever the issuer says', { exp: NOW_SECONDS - 31, iat: NOW_SECONDS - 60 }, 'token_expired'],
    ['that lives too long', { exp: NOW_SECONDS + 90_000 }, 'token_lifetime_too_long'],
    ['without a subject', { sub: undefined }, 'claim_missing'],
    ['with a subject that no principal may have', { sub: 'a\u202eb' }, 'identity_invalid'],
    ['of another issuer', { iss: 'https://idp.example/other' }, 'claim_invalid'],
    ['bound to a key', { cnf: { jkt: 'x' } }, 'claim_invalid'],
    ['bound to a certificate that was not shown', { cnf: { 'x5t#S256': 'A'.repeat(43) } }, 'certificate_mismatch'],
    ['with a proof of possession', { token_type: 'DPoP' }, 'token_type_not_allowed'],
    ['that is a refresh token of Ory', { token_use: 'refresh_token' }, 'token_type_not_allowed'],
    ['that is a refresh token of Keycloak', { typ: 'Refresh' }, 'token_type_not_allowed'],
    ['of no kind and for nobody', { token_type: undefined, aud: undefined }, 'token_type_not_allowed'],
  ]
  for (const [what, change, reason] of answers) {
    test(`${what} is refused`, async () => {
      await using server = await aliceServer(change)
      const { verifier, verdict } = verifierFor(server)
      await using _ = verifier
      assert.equal(await verdict(), reason)
    })
  }

  test('of a form that no token has is never sent', async () => {
    await using server = await startIntrospectionServer()
    const { verifier, verdict } = verifierFor(server)
    await using _ = verifier
    for (const text of ['hunter2', 'a passphrase of several words', `${TOKEN}\n`, `${TOKEN}\u00e9`, '='.repeat(30)]) {
      assert.equal(await verdict(text), 'token_malformed')
    }
    assert.equal(await verdict('x'.repeat(16_385)), 'token_oversized')
    assert.equal(server.questions.length, 0)
  })
})

suite('a JWT', () => {
  const signer = createSigner('ES256')

  test('of a SPIFFE trust domain, which may name no issuer, is never sent to one', async () => {
    await using server = await startIntrospectionServer()
    const { verifier, verdict } = verifierFor(server)
    await using _ = verifier
    const { iss: _iss, ...claims } = someClaims()
    assert.equal(await verdict(signToken(signer, { ...claims, sub: 'spiffe://td/orders' })), 'issuer_unknown')
    assert.equal(await verdict(signToken(signer, { ...claims, sub: 'spiffe://TD/orders' })), 'claim_invalid')
    assert.equal(server.questions.length, 0)
  })

  test('of an issuer without keys is introspected', async () => {
    await using server = await startIntrospectionServer()
    const { verifier, verdict } = verifierFor(server)
    await using _ = verifier
    const token = signToken(signer, someClaims({ iss: server.issuer }))
    server.answers.set(token, anActiveToken())
    assert.equal(await verdict(token), 'accepted')
  })

  test('of an issuer without keys is nothing by itself', async () => {
    await using server = await startIntrospectionServer()
    const { verifier, verdict } = verifierFor(server)
    await using _ = verifier
    assert.equal(await verdict(signToken(signer, someClaims({ iss: server.issuer }))), 'token_inactive')
  })

  test('of an issuer with keys is verified here, and not sent', async () => {
    await using server = await startIntrospectionServer()
    await using keyServer = await startKeyServer([signer.publicJwk])
    const entry = { keys: { jwksUri: keyServer.jwksUri }, algorithms: ['ES256'] }
    const { verifier, verdict } = verifierFor(server, {}, entry)
    await using _ = verifier
    assert.equal(await verdict(signToken(signer, someClaims({ iss: server.issuer }))), 'accepted')
    server.answers.set(TOKEN, anActiveToken())
    assert.equal(await verdict(), 'accepted')
    assert.deepEqual(
      server.questions.map(({ form }) => form['token']),
      [TOKEN],
    )
  })

  test('of another issuer, or in a broken spelling, is not sent to this one', async () => {
    await using server = await startIntrospectionServer()
    const { verifier, verdict } = verifierFor(server)
    await using _ = verifier
    const token = signToken(signer)
    assert.equal(await verdict(token), 'issuer_unknown')
    assert.equal(await verdict(`${token}=`), 'token_malformed')
    assert.equal(await verdict(signToken(signer, someClaims(), { crit: ['b64'] })), 'token_malformed')
    assert.equal(await verdict(signToken(signer, '{"iss":"a","iss":"b"}')), 'token_malformed')
    assert.equal(server.questions.length, 0)
  })
})

suite('among several issuers', () => {
  async function asked(prefixes: readonly (string | undefined)[], token: string): Promise<number[]> {
    await using servers = new AsyncDisposableStack()
    const started: IntrospectionServer[] = []
    for (const _ of prefixes) started.push(servers.use(await startIntrospectionServer()))
    const clock = new ManualClock()
    await using verifier = createTokenVerifier({
      issuers: started.map(({ issuer }, index): IssuerOptions => {
        const tokenPrefix = prefixes[index]
        const options = introspection(tokenPrefix === undefined ? {} : { tokenPrefix })
        return { ...KEYLESS, id: `idp-${index}`, issuer, introspection: options }
      }),
      clock,
      events: new RecordedEvents(),
      maxTokenBytes: 16_384,
    })
    const { accepted } = await verifier.verify(token, BUDGET_MS)
    assert.equal(accepted, false)
    return started.map(({ questions }) => questions.length)
  }

  test('the one whose prefix fits is asked, and no other', async () => {
    assert.deepEqual(await asked([undefined, 'ory_at_', 'glpat-'], 'ory_at_0123456789012345678901'), [0, 1, 0])
  })

  test('the one without a prefix is asked when none fits', async () => {
    assert.deepEqual(await asked(['ory_at_', undefined], TOKEN), [0, 1])
  })

  test('none is asked when no prefix fits', async () => {
    assert.deepEqual(await asked(['ory_at_', 'glpat-'], TOKEN), [0, 0])
  })
})

suite('the question', () => {
  test('names the token and authenticates the client, form-encoded as RFC 6749 has it', async () => {
    await using server = await aliceServer()
    const { verifier, verdict } = verifierFor(server)
    await using _ = verifier
    await verdict()
    const [question] = server.questions
    assert.deepEqual(question?.form, { token: TOKEN, token_type_hint: 'access_token' })
    assert.deepEqual(
      [question?.method, question?.path, question?.headers['content-type'], question?.headers.accept],
      ['POST', '/introspect', 'application/x-www-form-urlencoded', 'application/json'],
    )
    const basic = Buffer.from(question?.headers.authorization?.slice('Basic '.length) ?? '', 'base64').toString()
    assert.equal(basic, 'callout:p%26ss%3A+word%2B%25%2F%3D')
  })

  test('may carry the secret in the form', async () => {
    await using server = await aliceServer()
    const client = { method: 'client_secret_post', clientId: 'callout', secretFile } as const
    const { verifier, verdict } = verifierFor(server, { client })
    await using _ = verifier
    await verdict()
    const [question] = server.questions
    assert.deepEqual(
      [question?.form['client_id'], question?.form['client_secret'], question?.headers.authorization],
      ['callout', SECRET, undefined],
    )
  })

  test('may carry an assertion for this issuer, a new one each time', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const keyFile = path.join(folder, 'client.pem')
    await writeFile(keyFile, privateKey.export({ format: 'pem', type: 'pkcs8' }))
    await using server = await aliceServer()
    const client = { method: 'private_key_jwt', clientId: 'callout', keyFile, algorithm: 'ES256', keyId: 'k1' } as const
    const { verifier, verdict } = verifierFor(server, { client, cacheMs: 0 })
    await using _ = verifier
    assert.deepEqual([await verdict(), await verdict()], ['accepted', 'accepted'])
    const keys = createLocalJWKSet({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1', kty: 'EC' }] })
    const ids = new Set<unknown>()
    for (const { form } of server.questions) {
      const { payload } = await jwtVerify(form['client_assertion'] ?? '', keys, {
        issuer: 'callout',
        subject: 'callout',
        audience: server.issuer,
        currentDate: new Date(NOW_MS),
      })
      assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 60)
      ids.add(payload.jti)
      assert.equal(form['client_assertion_type'], 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    }
    assert.equal(ids.size, 2)
  })

  test('goes over a connection that is kept', async () => {
    await using server = await aliceServer()
    const { verifier, verdict } = verifierFor(server, { cacheMs: 0 })
    await using _ = verifier
    for (let round = 0; round < 3; round += 1) assert.equal(await verdict(), 'accepted')
    assert.equal(new Set(server.questions.map(({ port }) => port)).size, 1)
  })

  test('uses a secret that was rotated in its file', async () => {
    const rotated = path.join(folder, 'rotated.secret')
    await writeFile(rotated, 'first')
    await using server = await aliceServer()
    const client = { method: 'client_secret_post', clientId: 'callout', secretFile: rotated } as const
    const { verifier, verdict } = verifierFor(server, { client, cacheMs: 0 })
    await using _ = verifier
    await verdict()
    await writeFile(rotated, 'second')
    await verdict()
    assert.deepEqual(
      server.questions.map(({ form }) => form['client_secret']),
      ['first', 'second'],
    )
  })

  test('goes where the metadata say, which are read once', async () => {
    await using server = await aliceServer()
    const { verifier, verdict } = verifierFor(server, { cacheMs: 0 })
    await using _ = verifier
    await Promise.all([verdict(), verdict('another-opaque-token-0002'), verdict('another-opaque-token-0003')])
    await verdict()
    assert.equal(server.metadataRequests(), 1)
  })

  test('goes to a configured endpoint without any metadata', async () => {
    await using server = await aliceServer()
    const { verifier, verdict } = verifierFor(server, { endpoint: server.endpoint })
    await using _ = verifier
    assert.equal(await verdict(), 'accepted')
    assert.equal(server.metadataRequests(), 0)
  })

  for (const [what, metadata] of [
    ['name no endpoint', { introspection_endpoint: undefined }],
    ['are of another issuer', { issuer: 'https://idp.example' }],
    ['name an endpoint in the clear', { introspection_endpoint: 'http://idp.example/introspect' }],
    ['name a host that is not allowed', { introspection_endpoint: 'https://evil.example/introspect' }],
  ] as const) {
    test(`is not sent when the metadata ${what}`, async () => {
      await using server = await aliceServer()
      server.metadata = metadata
      const http = { ...KEYLESS.http, allowedHosts: [new URL(server.issuer).host] }
      const { verifier, verdict } = verifierFor(server, {}, { http })
      await using _ = verifier
      assert.equal(await verdict(), 'issuer_unavailable')
      assert.equal(server.questions.length, 0)
    })
  }
})

suite('over TLS a question', () => {
  const certificate = selfSignedCertificate()
  const another = selfSignedCertificate()

  async function asked(trusted: string, more: Partial<IssuerOptions['http']> = {}) {
    const caFile = path.join(folder, 'ca.pem')
    await writeFile(caFile, trusted)
    await using server = await startIntrospectionServer(certificate)
    server.answers.set(TOKEN, anActiveToken())
    const { verifier, verdict } = verifierFor(server, { cacheMs: 0 }, { http: { ...KEYLESS.http, caFile, ...more } })
    await using _ = verifier
    const verdicts = [await verdict(), await verdict()]
    return { verdicts, questions: server.questions.length }
  }

  test('goes to an issuer that the certificates of the entry vouch for', async () => {
    assert.deepEqual(await asked(certificate.cert), { verdicts: ['accepted', 'accepted'], questions: 2 })
  })

  test('goes to no other, and neither token nor secret does', async () => {
    const { verdicts, questions } = await asked(another.cert)
    assert.deepEqual([verdicts, questions], [['issuer_unavailable', 'issuer_unavailable'], 0])
  })

  test('goes through a proxy', async () => {
    await using proxy = await startConnectProxy()
    const { verdicts } = await asked(certificate.cert, { proxy: proxy.url })
    assert.deepEqual(verdicts, ['accepted', 'accepted'])
    assert.ok(proxy.asked.length > 2)
  })
})

suite('an answer', () => {
  test('is used for other connections with the token, for a while', async () => {
    await using server = await aliceServer()
    const { clock, verifier, verdict } = verifierFor(server)
    await using _ = verifier
    await verdict()
    server.answers.delete(TOKEN)
    await clock.advance(29_999)
    assert.equal(await verdict(), 'accepted')
    await clock.advance(1)
    assert.equal(await verdict(), 'token_inactive')
  })

  test('is shared by all who wait for it', async () => {
    await using server = await aliceServer()
    const { verifier, verdict } = verifierFor(server)
    await using _ = verifier
    const verdicts = await Promise.all(Array.from({ length: 50 }, () => verdict()))
    assert.deepEqual([new Set(verdicts), server.questions.length], [new Set(['accepted']), 1])
  })

  test('is never used past the expiry of the token', async () => {
    await using server = await aliceServer({ exp: NOW_SECONDS + 10 })
    const { clock, verifier, verdict } = verifierFor(server)
    await using _ = verifier
    assert.equal(await verdict(), 'accepted')
    server.answers.delete(TOKEN)
    await clock.advance(10_000)
    assert.equal(await verdict(), 'token_inactive')
  })

  test('that a token is not active is used for seconds only', async () => {
    await using server = await startIntrospectionServer()
    const { clock, verifier, verdict } = verifierFor(server)
    await using _ = verifier
    await verdict()
    server.answers.set(TOKEN, anActiveToken())
    await clock.advance(1_999)
    assert.equal(await verdict(), 'token_inactive')
    await clock.advance(1)
    assert.equal(await verdict(), 'accepted')
  })

  test('is not used at all when the cache is off', async () => {
    await using server = await aliceServer()
    const { verifier, verdict } = verifierFor(server, { cacheMs: 0 })
    await using _ = verifier
    await verdict()
    server.answers.delete(TOKEN)
    assert.equal(await verdict(), 'token_inactive')
  })

  for (const [what, answer] of [
    ['says "true" in a text', { ...anActiveToken(), active: 'true' }],
    ['does not say whether', anActiveToken({ active: undefined })],
    ['names a member twice', '{"active":false,"active":true,"sub":"alice"}'],
    ['is a list', [anActiveToken()]],
  ] as const) {
    test(`that ${what} is none`, async () => {
      await using server = await startIntrospectionServer()
      server.answers.set(TOKEN, answer)
      const { verifier, verdict } = verifierFor(server)
      await using _ = verifier
      assert.equal(await verdict(), 'issuer_unavailable')
    })
  }
})

/** Every fault, and what is said about it. The last two end only when the clock passes the timeout. */
const FAULTS: readonly (readonly [IntrospectionMode, string])[] = [
  ['error', 'answered with status 500'],
  ['unauthorized', 'refuses our client credentials (status 401)'],
  ['redirect', 'answered with status 307'],
  ['page', 'answered with something else than JSON'],
  ['mislabelled', 'answered with something else than JSON'],
  ['empty', 'is not JSON'],
  ['huge', 'larger than 262144 bytes'],
  ['truncated', 'aborted'],
  ['upgrade', 'ended without an answer'],
  ['hang', 'no complete answer within 1000 ms'],
  ['drip', 'no complete answer within 1000 ms'],
]

suite('an issuer that answers wrongly', () => {
  for (const [mode, failure] of FAULTS) {
    test(`in mode ${mode} never makes a token inactive, and is not asked again before the backoff`, async () => {
      await using server = await aliceServer()
      server.mode = mode
      const { clock, events, verifier, verdict } = verifierFor(server)
      await using _ = verifier
      const isSlow = mode === 'hang' || mode === 'drip'
      const verdicts = Promise.all(Array.from({ length: 20 }, () => verdict()))
      for (const count of [1, 2]) {
        await eventually(() => server.questions.length >= count, `question ${count}`)
        if (isSlow) await clock.advance(1000)
        await eventually(() => events.introspections.length >= count, `fault ${count}`)
      }
      assert.deepEqual(new Set(await verdicts), new Set(['issuer_unavailable']))
      assert.equal(await verdict(), 'issuer_unavailable')
      assert.ok(events.introspections[0]?.failure?.includes(failure), events.introspections[0]?.failure)
      assert.match(verifier.readiness()[0]?.why ?? '', new RegExp(failure.slice(0, 10)))
      assert.equal(server.questions.length, 2)
    })
  }

  test('by hanging gets one probe for each step, whatever the load, and no token waits longer than its share', async () => {
    await using server = await startIntrospectionServer()
    server.mode = 'hang'
    const { clock, events, verifier, verdict } = verifierFor(server)
    await using _ = verifier
    const costsMs: number[] = []
    const reasons = new Map<string, number>()
    const login = async (number: number): Promise<void> => {
      const sinceMs = clock.monotonicMs()
      const reason = await verdict(`opaque-token-number-${number.toString().padStart(6, '0')}`)
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
      costsMs.push(clock.monotonicMs() - sinceMs)
    }
    // 64 questions take the timeout of a second, and so does each probe; then follow pauses of 1, 2, 4 and 8 seconds.
    const probesAtMs = [1000, 3000, 6000, 11_000, 20_000]
    for (let tick = 0; tick < 210; tick += 1) {
      for (let count = 0; count < 50; count += 1) void login(tick * 50 + count)
      const probes = probesAtMs.filter((atMs) => atMs <= clock.monotonicMs()).length
      const expected = tick === 0 ? 50 : 64 + probes
      await eventually(() => server.questions.length >= expected, `question ${expected}`)
      await clock.advance(100)
      const ended = probesAtMs.filter((atMs) => atMs + 1000 <= clock.monotonicMs()).length
      await eventually(() => ended === 0 || events.introspections.length >= 64 + ended, `fault ${64 + ended}`)
    }
    await clock.advance(BUDGET_MS)
    await eventually(() => costsMs.length === 10_500, 'every token is answered')
    assert.deepEqual([...reasons.keys()].sort(), ['issuer_unavailable', 'overloaded'])
    assert.deepEqual([server.questions.length, Math.max(...costsMs) <= BUDGET_MS], [64 + probesAtMs.length, true])
  })

  test('is used again after the backoff, without a restart', async () => {
    await using server = await aliceServer()
    server.mode = 'error'
    const { clock, verifier, verdict } = verifierFor(server)
    await using _ = verifier
    await verdict()
    await eventually(() => server.questions.length === 2, 'the issuer is probed')
    await eventually(() => verifier.readiness()[0]?.why?.includes('500') === true, 'the probe fails')
    server.mode = 'answer'
    await clock.advance(1000)
    await eventually(() => verifier.readiness()[0]?.ready === true, 'the issuer is probed again')
    assert.equal(await verdict(), 'accepted')
  })

  test('about one token only goes on answering about others', async () => {
    await using server = await aliceServer()
    const poison = 'a-token-the-issuer-trips-over'
    server.modeOf.set(poison, 'error')
    const { verifier, verdict } = verifierFor(server)
    await using _ = verifier
    for (let round = 0; round < 10; round += 1) assert.equal(await verdict(poison), 'issuer_unavailable')
    assert.equal(await verdict(), 'accepted')
    const probes = server.questions.filter(({ form }) => form['token'] !== poison && form['token'] !== TOKEN)
    assert.equal(probes.length, 1)
  })

  test('by calling everything active is not believed', async () => {
    await using server = await startIntrospectionServer()
    server.answers.get = () => anActiveToken()
    const { verifier, verdict } = verifierFor(server)
    await using _ = verifier
    void verifier.start()
    assert.equal(await verdict(), 'issuer_unavailable')
    assert.match(verifier.readiness()[0]?.why ?? '', /calls a made-up token active/)
  })

  test('is found out at the start, before the first client', async () => {
    await using server = await startIntrospectionServer()
    server.mode = 'unauthorized'
    const { verifier } = verifierFor(server)
    await using _ = verifier
    assert.deepEqual(verifier.readiness(), [
      { part: 'introspection:corp', ready: false, why: 'the issuer has not answered yet' },
    ])
    void verifier.start()
    await eventually(() => verifier.readiness()[0]?.why?.includes('credentials') === true, 'the probe is refused')
  })

  test('does not hold up the end of the service', async () => {
    await using server = await startIntrospectionServer()
    server.mode = 'hang'
    const { verifier, verdict } = verifierFor(server)
    const waiting = verdict()
    await eventually(() => server.questions.length > 0, 'the server is asked')
    await verifier.stop()
    assert.equal(await waiting, 'issuer_unavailable')
  })
})

test('beyond the limit of questions a token is refused at once', async () => {
  await using server = await startIntrospectionServer()
  server.mode = 'hang'
  const { verifier, verdict } = verifierFor(server, { maxInFlight: 2 })
  await using _ = verifier
  const waiting = [1, 2].map((number) => verdict(`opaque-token-number-000${number}`))
  await eventually(() => server.questions.length === 2, 'two questions are open')
  assert.equal(await verdict(), 'overloaded')
  await verifier.stop()
  assert.deepEqual(await Promise.all(waiting), ['issuer_unavailable', 'issuer_unavailable'])
})

test('no event and no refusal holds the token or the secret', async () => {
  await using server = await aliceServer({ aud: 'billing' })
  const { events, verifier, verify } = verifierFor(server)
  await using _ = verifier
  const said = JSON.stringify([await verify(), events])
  assert.ok(!said.includes(TOKEN) && !said.includes(SECRET))
})
