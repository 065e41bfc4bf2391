import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { IssuerOptions } from '../../../src/oidc/issuer-options.ts'
import { FAILURES_BEFORE_NEW_ADDRESS } from '../../../src/oidc/key-address.ts'
import { createTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import { startConnectProxy } from '../../support/connect-proxy.ts'
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
import type { KeyServer } from '../../support/oidc.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

const SIGNER = createSigner('ES256', 'key-1')
const TLS = selfSignedCertificate()
const { refresh: REFRESH, http: HTTP } = anIssuer()

let folder: string
let caFile: string
let bearerTokenFile: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'key-http-'))
  caFile = join(folder, 'ca.pem')
  bearerTokenFile = join(folder, 'token')
  await writeFile(caFile, TLS.cert)
  await writeFile(bearerTokenFile, 'first.token\n')
})

after(() => rm(folder, { recursive: true }))

/** A verifier of tokens of the server, by discovery, with real HTTP and a clock that only the test moves. */
function verifierFor(
  server: KeyServer,
  http: Partial<IssuerOptions['http']> = {},
  change: Partial<IssuerOptions> = {},
) {
  const clock = new ManualClock()
  const events = new RecordedEvents()
  const issuer = anIssuer({ issuer: server.issuer, keys: { discovery: {} }, http: { ...HTTP, ...http }, ...change })
  const verifier = createTokenVerifier({ issuers: [issuer], clock, events, maxTokenBytes: 16_384 })
  const token = signToken(SIGNER, someClaims({ iss: server.issuer }))
  const verdict = async (): Promise<string> => {
    const verification = await verifier.verify(token, clock.monotonicMs() + 600)
    return verification.accepted ? 'accepted' : verification.detail
  }
  /** Moves on, and waits until as many fetches have ended as there should have been since the start. */
  const step = async (ms: number, fetches: number): Promise<void> => {
    await clock.advance(ms)
    await eventually(() => events.keySets.length >= fetches, `fetch ${fetches} ends`)
  }
  return { clock, events, verifier, verdict, step }
}

suite('A CA file of an issuer', () => {
  test('vouches for its server', async () => {
    await using server = await startKeyServer([SIGNER.publicJwk], TLS)
    const { verifier, verdict } = verifierFor(server, { caFile })
    await using _ = verifier
    assert.equal(await verdict(), 'accepted')
  })

  test('vouches for nobody else', async () => {
    await using server = await startKeyServer([SIGNER.publicJwk], selfSignedCertificate())
    const { verifier, verdict } = verifierFor(server, { caFile })
    await using _ = verifier
    assert.match(await verdict(), /^issuer corp: self-signed certificate/)
    assert.deepEqual(server.requests, [])
  })

  test('that is missing leaves the issuer unavailable, and says so', async () => {
    await using server = await startKeyServer([SIGNER.publicJwk], TLS)
    const { verifier, verdict } = verifierFor(server, { caFile: join(folder, 'absent.pem') })
    await using _ = verifier
    assert.match(await verdict(), /ENOENT/)
  })
})

suite('A bearer token file of an issuer', () => {
  test('is read anew for each fetch', async () => {
    await using server = await startKeyServer([SIGNER.publicJwk])
    const file = join(folder, 'rotated-token')
    await writeFile(file, 'first.token\n')
    const { verifier, verdict, step } = verifierFor(server, { bearerTokenFile: file })
    await using _ = verifier
    await verdict()
    await writeFile(file, 'second.token')
    await step(REFRESH.intervalMs, 2)
    assert.deepEqual(server.authorizations, ['Bearer first.token', 'Bearer first.token', 'Bearer second.token'])
  })

  test('does not follow the metadata to another host', async () => {
    await using elsewhere = await startKeyServer([SIGNER.publicJwk])
    await using server = await startKeyServer([])
    server.metadata = { jwks_uri: elsewhere.jwksUri }
    const { verifier, verdict } = verifierFor(server, { bearerTokenFile })
    await using _ = verifier
    assert.equal(await verdict(), 'accepted')
    assert.deepEqual([server.authorizations, elsewhere.authorizations], [['Bearer first.token'], [undefined]])
  })

  test('follows the metadata to an allowed host', async () => {
    await using elsewhere = await startKeyServer([SIGNER.publicJwk])
    await using server = await startKeyServer([])
    server.metadata = { jwks_uri: elsewhere.jwksUri }
    const allowedHosts = [new URL(server.issuer).host, new URL(elsewhere.issuer).host]
    const { verifier, verdict } = verifierFor(server, { bearerTokenFile, allowedHosts })
    await using _ = verifier
    assert.equal(await verdict(), 'accepted')
    assert.deepEqual(elsewhere.authorizations, ['Bearer first.token'])
  })

  for (const [what, content] of [
    ['is empty', ''],
    ['would add a header', 'x\r\nhost: evil.example'],
    ['is larger than any token', 'x'.repeat(17 * 1024)],
  ] as const) {
    test(`that ${what} is not sent and not repeated`, async () => {
      await using server = await startKeyServer([SIGNER.publicJwk])
      const file = join(folder, 'bad-token')
      await writeFile(file, content)
      const { verifier, verdict } = verifierFor(server, { bearerTokenFile: file })
      await using _ = verifier
      assert.match(
        await verdict(),
        /^issuer corp: (?:the file with the bearer token holds none|.* larger than 16384 bytes)$/,
      )
      assert.deepEqual(server.requests, [])
    })
  }
})

suite('A proxy of an issuer', () => {
  test('carries TLS that ends at the issuer', async () => {
    await using proxy = await startConnectProxy()
    await using server = await startKeyServer([SIGNER.publicJwk], TLS)
    const { verifier, verdict } = verifierFor(server, { caFile, proxy: proxy.url })
    await using _ = verifier
    assert.equal(await verdict(), 'accepted')
    const { host } = new URL(server.issuer)
    assert.deepEqual(proxy.asked, [host, host])
  })

  test('cannot stand in for the issuer', async () => {
    await using proxy = await startConnectProxy()
    await using server = await startKeyServer([SIGNER.publicJwk], selfSignedCertificate())
    const { verifier, verdict } = verifierFor(server, { caFile, proxy: proxy.url })
    await using _ = verifier
    assert.match(await verdict(), /^issuer corp: self-signed certificate/)
  })

  test('does not see the bearer token', async () => {
    await using proxy = await startConnectProxy()
    await using server = await startKeyServer([SIGNER.publicJwk], TLS)
    proxy.status = 407
    const { verifier, verdict } = verifierFor(server, { caFile, bearerTokenFile, proxy: proxy.url })
    await using _ = verifier
    assert.match(await verdict(), /^issuer corp: the proxy 127\.0\.0\.1:\d+ answered with status 407$/)
    assert.deepEqual(server.requests, [])
  })

  test('that says nothing ends with the timeout', async () => {
    await using proxy = await startConnectProxy()
    await using server = await startKeyServer([SIGNER.publicJwk], TLS)
    proxy.isSilent = true
    const { verifier, events, step } = verifierFor(server, { caFile, proxy: proxy.url })
    await using _ = verifier
    void verifier.start()
    await eventually(() => proxy.asked.length > 0, 'the proxy is asked')
    await step(HTTP.timeoutMs, 1)
    assert.equal(events.keySets[0]?.failure, 'no complete answer within 1000 ms')
  })
})

suite('Allowed hosts of an issuer', () => {
  test('are the only ones that metadata may name', async () => {
    await using elsewhere = await startKeyServer([SIGNER.publicJwk])
    await using server = await startKeyServer([SIGNER.publicJwk])
    server.metadata = { jwks_uri: elsewhere.jwksUri }
    const { verifier, verdict } = verifierFor(server, { allowedHosts: [new URL(server.issuer).host] })
    await using _ = verifier
    assert.equal(await verdict(), `issuer corp: ${new URL(elsewhere.issuer).host} is not an allowed host`)
    assert.deepEqual(elsewhere.requests, [])
  })

  test('hold for the configured address too', async () => {
    await using server = await startKeyServer([SIGNER.publicJwk])
    const { verifier, verdict } = verifierFor(server, { allowedHosts: ['127.0.0.1'] })
    await using _ = verifier
    assert.match(await verdict(), /is not an allowed host$/)
    assert.deepEqual(server.requests, [])
  })
})

suite('Metadata over TLS', () => {
  test('do not lead to an address of this machine in the clear', async () => {
    await using inside = await startKeyServer([SIGNER.publicJwk])
    await using server = await startKeyServer([SIGNER.publicJwk], TLS)
    server.metadata = { jwks_uri: inside.jwksUri }
    const { verifier, verdict } = verifierFor(server, { caFile })
    await using _ = verifier
    assert.equal(await verdict(), 'issuer corp: "jwks_uri" must be https')
    assert.deepEqual(inside.requests, [])
  })
})

suite('A document larger than allowed', () => {
  test('is cut off, not taken in', async () => {
    await using server = await startKeyServer([SIGNER.publicJwk])
    server.mode = 'huge'
    const { verifier, verdict } = verifierFor(server, { maxBytes: 4096 })
    await using _ = verifier
    assert.equal(await verdict(), 'issuer corp: the document is larger than 4096 bytes')
    await eventually(() => server.bytesSent > 0, 'the connections end')
    assert.ok(server.bytesSent < 32 * 1024 * 1024, `${server.bytesSent} bytes left the server`)
  })
})

const METADATA = '/.well-known/openid-configuration'

suite('An issuer found by discovery', () => {
  test('costs one request for a refresh', async () => {
    await using server = await startKeyServer([SIGNER.publicJwk])
    const { verifier, verdict, step } = verifierFor(server)
    await using _ = verifier
    await verdict()
    await step(REFRESH.intervalMs, 2)
    assert.deepEqual(server.requests, [METADATA, '/jwks', '/jwks'])
  })

  test('is asked for its metadata again after a day', async () => {
    await using server = await startKeyServer([SIGNER.publicJwk])
    const { verifier, verdict, step } = verifierFor(server, {}, { refresh: { ...REFRESH, intervalMs: 86_400_000 } })
    await using _ = verifier
    await verdict()
    await step(86_400_000, 2)
    assert.deepEqual(server.requests, [METADATA, '/jwks', METADATA, '/jwks'])
  })

  test('gets one request for each backoff step while its keys cannot be had', async () => {
    await using server = await startKeyServer([SIGNER.publicJwk])
    const { verifier, verdict, step } = verifierFor(server)
    await using _ = verifier
    await verdict()
    server.mode = 'error'
    await step(REFRESH.intervalMs, 2)
    for (let failures = 2; failures <= FAILURES_BEFORE_NEW_ADDRESS + 1; failures += 1) {
      await step(REFRESH.backoffMinMs * 2 ** (failures - 2), failures + 1)
    }
    const steps = [...Array.from({ length: FAILURES_BEFORE_NEW_ADDRESS }, () => '/jwks'), METADATA]
    assert.deepEqual(server.requests.slice(2), steps)
  })

  test('gets one request for each backoff step while it answers nothing, whatever the load', async () => {
    await using server = await startKeyServer([SIGNER.publicJwk])
    server.metadataMode = 'hang'
    const { clock, events, verifier, verdict } = verifierFor(server)
    await using _ = verifier
    const load = async (): Promise<void> => {
      const verdicts = Promise.all(Array.from({ length: 1000 }, verdict))
      await clock.advance(600)
      await verdicts
    }
    for (let steps = 1; steps <= 3; steps += 1) {
      await load()
      await eventually(() => server.requests.length === steps, 'the server is asked')
      await clock.advance(HTTP.timeoutMs - 600)
      await eventually(() => events.keySets.length === steps, 'the fetch fails')
      await load()
      await clock.advance(REFRESH.backoffMinMs * 2 ** (steps - 1) - 600)
    }
    assert.deepEqual(new Set(server.requests), new Set([METADATA]))
    assert.equal(events.keySets.length, 3)
  })

  test('that has moved its keys is followed', async () => {
    await using moved = await startKeyServer([SIGNER.publicJwk])
    await using server = await startKeyServer([SIGNER.publicJwk])
    const { verifier, verdict, events, step } = verifierFor(server)
    await using _ = verifier
    await verdict()
    server.mode = 'error'
    server.metadata = { jwks_uri: moved.jwksUri }
    await step(REFRESH.intervalMs, 2)
    for (let failures = 2; failures <= FAILURES_BEFORE_NEW_ADDRESS + 1; failures += 1) {
      await step(REFRESH.backoffMinMs * 2 ** (failures - 2), failures + 1)
    }
    assert.deepEqual([moved.requests, events.keySets.at(-1)?.failure], [['/jwks'], undefined])
  })
})
