import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import type { IssuerOptions } from '../../../src/oidc/issuer-options.ts'
import { createTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import type { OidcTokenVerifier } from '../../../src/oidc/token-verifier.ts'
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
import type { KeyServer, KeyServerMode } from '../../support/oidc.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

const SIGNER = createSigner('ES256', 'key-1')
const ROTATED = createSigner('ES256', 'key-2')
/** 40 % of the default deadline of a request, which is what the service leaves to verification. */
const BUDGET_MS = 600
const { refresh: REFRESH } = anIssuer()

/** A verifier with real HTTP to the server, on a clock that only the test moves. */
function verifierFor(change: Partial<IssuerOptions>) {
  const clock = new ManualClock()
  const events = new RecordedEvents()
  const verifier = createTokenVerifier({ issuers: [anIssuer(change)], clock, events, maxTokenBytes: 16_384 })
  return { clock, events, verifier }
}

async function verdict(verifier: OidcTokenVerifier, clock: ManualClock, token: string): Promise<string> {
  const verification = await verifier.verify(token, clock.monotonicMs() + BUDGET_MS)
  return verification.accepted ? 'accepted' : verification.reason
}

function tokenFor(server: KeyServer, signer = SIGNER): string {
  return signToken(signer, someClaims({ iss: server.issuer }))
}

function discovered(server: KeyServer): Partial<IssuerOptions> {
  return { issuer: server.issuer, keys: { discovery: {} } }
}

suite('keys over HTTP', () => {
  test('are found by discovery', async () => {
    await using server = await startKeyServer([SIGNER.publicJwk])
    const { clock, verifier } = verifierFor(discovered(server))
    await using _ = verifier
    assert.equal(await verdict(verifier, clock, tokenFor(server)), 'accepted')
    assert.deepEqual(server.requests, ['/.well-known/openid-configuration', '/jwks'])
  })

  test('are found at a configured metadata address', async () => {
    await using server = await startKeyServer([SIGNER.publicJwk])
    server.metadata = { issuer: 'https://idp.example/realms/prod' }
    const url = `${server.issuer}/elsewhere/.well-known/openid-configuration`
    const { clock, verifier } = verifierFor({ keys: { discovery: { url } } })
    await using _ = verifier
    assert.equal(await verdict(verifier, clock, signToken(SIGNER)), 'accepted')
  })

  test('are read from a configured address without discovery', async () => {
    await using server = await startKeyServer([SIGNER.publicJwk])
    const { clock, verifier } = verifierFor({ keys: { jwksUri: server.jwksUri } })
    await using _ = verifier
    assert.equal(await verdict(verifier, clock, signToken(SIGNER)), 'accepted')
    assert.deepEqual(server.requests, ['/jwks'])
  })

  test('are fetched in the background after start, before any token', async () => {
    await using server = await startKeyServer([SIGNER.publicJwk])
    const { verifier } = verifierFor(discovered(server))
    await using _ = verifier
    void verifier.start()
    await eventually(() => verifier.readiness().every((check) => check.ready), 'the issuer becomes ready')
  })
})

suite('keys over HTTP are not taken', () => {
  for (const [what, metadata, why] of [
    ['without an issuer', { issuer: undefined }, 'the discovery document is for another issuer'],
    ['without an address of the keys', { jwks_uri: undefined }, 'the discovery document has no "jwks_uri"'],
    ['with keys in the clear', { jwks_uri: 'http://idp.example/k' }, 'the address of the keys must be https'],
    ['with keys in a file', { jwks_uri: 'file:///etc/passwd' }, 'the address of the keys must be https'],
  ] as const) {
    test(`from a discovery document ${what}`, async () => {
      await using server = await startKeyServer([SIGNER.publicJwk])
      server.metadata = metadata
      const { clock, events, verifier } = verifierFor(discovered(server))
      await using _ = verifier
      assert.equal(await verdict(verifier, clock, tokenFor(server)), 'issuer_unavailable')
      assert.equal(events.keySets[0]?.failure?.slice(0, why.length), why)
      assert.deepEqual(server.requests, ['/.well-known/openid-configuration'])
    })
  }

  test('from an issuer whose name differs by a slash from that of its discovery document', async () => {
    await using server = await startKeyServer([SIGNER.publicJwk])
    const issuer = `${server.issuer}/`
    const { clock, verifier } = verifierFor({ issuer, keys: { discovery: {} } })
    await using _ = verifier
    const token = signToken(SIGNER, someClaims({ iss: issuer }))
    assert.equal(await verdict(verifier, clock, token), 'issuer_unavailable')
  })

  test('from an https server that nobody vouches for, until its certificate is trusted', async () => {
    const tls = selfSignedCertificate()
    await using server = await startKeyServer([SIGNER.publicJwk], tls)
    const { clock, events, verifier } = verifierFor(discovered(server))
    await using _ = verifier
    assert.equal(await verdict(verifier, clock, tokenFor(server)), 'issuer_unavailable')
    assert.match(events.keySets[0]?.failure ?? '', /^self-signed certificate/)
    assert.deepEqual(server.requests, [])
    const trusted = getCACertificates('default')
    setDefaultCACertificates([...trusted, tls.cert])
    try {
      await clock.advance(1000)
      await eventually(() => verifier.readiness().every((check) => check.ready), 'the issuer becomes ready')
    } finally {
      setDefaultCACertificates(trusted)
    }
  })
})

/** Every fault, and what is said about it. `time` faults end only when the clock passes the timeout. */
const FAULTS: readonly (readonly [KeyServerMode, string])[] = [
  ['error', 'answered with status 500'],
  ['redirect', 'answered with status 307'],
  ['page', 'the document is not JSON'],
  ['empty', 'the key set holds no usable signature key'],
  ['huge', 'the document is larger than 262144 bytes'],
  ['truncated', 'aborted'],
  ['upgrade', 'ended without an answer'],
  ['hang', 'no complete answer within 1000 ms'],
  ['drip', 'no complete answer within 1000 ms'],
]

suite('a faulty key server', () => {
  for (const [mode, failure] of FAULTS) {
    test(`in mode ${mode} never makes a token "invalid", and is asked once`, async () => {
      await using server = await startKeyServer([SIGNER.publicJwk])
      server.mode = mode
      const { clock, events, verifier } = verifierFor({ keys: { jwksUri: server.jwksUri } })
      await using _ = verifier
      const verdicts = Promise.all(Array.from({ length: 100 }, () => verdict(verifier, clock, signToken(SIGNER))))
      await eventually(() => server.requests.length > 0, 'the server is asked')
      if (mode === 'hang' || mode === 'drip') await clock.advance(1000)
      await eventually(() => events.keySets.length > 0, 'the fetch fails')
      assert.deepEqual(new Set(await verdicts), new Set(['issuer_unavailable']))
      assert.ok(events.keySets[0]?.failure?.includes(failure), events.keySets[0]?.failure)
      assert.deepEqual(server.requests, ['/jwks'])
    })

    test(`in mode ${mode} does not take away the keys that are held`, async () => {
      await using server = await startKeyServer([SIGNER.publicJwk])
      const { clock, events, verifier } = verifierFor({ keys: { jwksUri: server.jwksUri } })
      await using _ = verifier
      await verdict(verifier, clock, signToken(SIGNER))
      server.mode = mode
      await clock.advance(REFRESH.intervalMs)
      await eventually(() => server.requests.length > 1, 'the server is asked again')
      if (mode === 'hang' || mode === 'drip') await clock.advance(1000)
      await eventually(() => events.keySets.length > 1, 'the refresh fails')
      assert.deepEqual(
        [await verdict(verifier, clock, signToken(SIGNER)), events.keySets.length, verifier.readiness()],
        ['accepted', 2, [{ part: 'issuer:corp', ready: true }]],
      )
    })
  }

  test('that hangs gets one request for each backoff step, and costs no token of 10,000 more than its share', async () => {
    await using server = await startKeyServer([SIGNER.publicJwk])
    server.mode = 'hang'
    const { clock, events, verifier } = verifierFor({ keys: { jwksUri: server.jwksUri } })
    await using _ = verifier
    const token = signToken(SIGNER)
    const costsMs: number[] = []
    const reasons = new Set<string>()
    const login = async (): Promise<void> => {
      const sinceMs = clock.monotonicMs()
      reasons.add(await verdict(verifier, clock, token))
      costsMs.push(clock.monotonicMs() - sinceMs)
    }
    // Each fetch takes the timeout of a second; then follow pauses of 1, 2, 4 and 8 seconds.
    const fetchesAtMs = [0, 2000, 5000, 10_000, 19_000]
    for (let tick = 0; tick < 200; tick += 1) {
      for (let count = 0; count < 50; count += 1) void login()
      const expected = fetchesAtMs.filter((atMs) => atMs <= clock.monotonicMs()).length
      await eventually(() => server.requests.length >= expected, `request ${expected}`)
      await clock.advance(100)
    }
    await clock.advance(BUDGET_MS)
    await eventually(() => costsMs.length === 10_000, 'every token is answered')
    assert.deepEqual(
      [reasons, server.requests.length, events.keySets.length, Math.max(...costsMs) <= BUDGET_MS],
      [new Set(['issuer_unavailable']), fetchesAtMs.length, fetchesAtMs.length, true],
    )
  })

  test('that is back is used again after the backoff, without a restart', async () => {
    await using server = await startKeyServer([SIGNER.publicJwk])
    server.mode = 'error'
    const { clock, events, verifier } = verifierFor({ keys: { jwksUri: server.jwksUri } })
    await using _ = verifier
    await verdict(verifier, clock, signToken(SIGNER))
    server.mode = 'answer'
    await clock.advance(1000)
    await eventually(() => events.keySets.length === 2, 'the keys are fetched again')
    assert.equal(await verdict(verifier, clock, signToken(SIGNER)), 'accepted')
  })

  test('does not hold up the end of the service', async () => {
    await using server = await startKeyServer([SIGNER.publicJwk])
    server.mode = 'hang'
    const { verifier } = verifierFor({ keys: { jwksUri: server.jwksUri } })
    void verifier.start()
    await eventually(() => server.requests.length > 0, 'the server is asked')
    await verifier.stop()
  })
})

suite('keys in a file', () => {
  test('are used, and reread at the refresh interval', async (context) => {
    const folder = await mkdtemp(join(tmpdir(), 'keys-'))
    context.after(() => rm(folder, { recursive: true }))
    const jwksFile = join(folder, 'jwks.json')
    await writeFile(jwksFile, JSON.stringify({ keys: [SIGNER.publicJwk] }))
    const { clock, events, verifier } = verifierFor({ keys: { jwksFile } })
    await using _ = verifier
    assert.equal(await verdict(verifier, clock, signToken(SIGNER)), 'accepted')
    await writeFile(jwksFile, JSON.stringify({ keys: [ROTATED.publicJwk] }))
    await clock.advance(REFRESH.intervalMs)
    await eventually(() => events.keySets.length === 2, 'the file is read again')
    assert.equal(await verdict(verifier, clock, signToken(ROTATED)), 'accepted')
  })

  test('that is not there leave the issuer unavailable', async () => {
    const { clock, verifier } = verifierFor({ keys: { jwksFile: '/nonexistent/jwks.json' } })
    await using _ = verifier
    assert.equal(await verdict(verifier, clock, signToken(SIGNER)), 'issuer_unavailable')
  })
})
