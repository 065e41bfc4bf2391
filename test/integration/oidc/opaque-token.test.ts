import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { privateDirectory } from '../../../src/dev/child-process.ts'
import { startOpenIdProvider } from '../../../src/dev/openid-provider.ts'
import type { OpenIdProvider } from '../../../src/dev/openid-provider.ts'
import { createTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import type { OidcTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import type { Verification } from '../../../src/service/ports.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { anIssuer } from '../../support/oidc.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

const CACHE_MS = 30_000
const home = privateDirectory('callout-opaque')
const clock = new (class extends ManualClock {
  /** The dates of the tokens are real. */
  readonly #startedMs = Date.now() - super.nowMs()

  override nowMs(): number {
    return this.#startedMs + super.nowMs()
  }
})()
let provider: OpenIdProvider
let verifier: OidcTokenVerifier

before(async () => {
  provider = await startOpenIdProvider({ audience: 'nats', people: { alice: ['engineering'] } })
  const secretFile = path.join(home.path, 'client.secret')
  await writeFile(secretFile, provider.clientSecret, { mode: 0o600 })
  const { identity } = anIssuer()
  verifier = createTokenVerifier({
    issuers: [
      anIssuer({
        issuer: provider.issuer,
        keys: { discovery: {} },
        algorithms: ['RS256'],
        introspection: {
          client: { method: 'client_secret_basic', clientId: 'reporting', secretFile },
          cacheMs: CACHE_MS,
          negativeCacheMs: 0,
          maxInFlight: 4,
        },
        identity: { ...identity, subject: { firstOf: [['sub'], ['client_id']] } },
      }),
    ],
    clock,
    events: new RecordedEvents(),
    maxTokenBytes: 16_384,
  })
})

after(async () => {
  await verifier.stop()
  await provider.stop()
  home.remove()
})

function verify(token: string): Promise<Verification> {
  return verifier.verify(token, clock.monotonicMs() + 5000)
}

async function verdict(token: string): Promise<string> {
  const verification = await verify(token)
  return verification.accepted ? 'accepted' : `${verification.reason}: ${verification.detail}`
}

suite('an opaque token of a certified OpenID provider', () => {
  test('of a person stands for the user, with groups', async () => {
    const token = await provider.deviceLogin('alice', { opaque: true })
    assert.ok(!token.includes('.'))
    const verification = await verify(token)
    assert.ok(verification.accepted)
    const { kind, subject, groups } = verification.identity
    assert.deepEqual({ kind, subject, groups }, { kind: 'user', subject: 'alice', groups: ['engineering'] })
  })

  test('of a service stands for the client', async () => {
    const verification = await verify(await provider.clientCredentials('orders-service', { opaque: true }))
    assert.ok(verification.accepted)
    assert.deepEqual([verification.identity.kind, verification.identity.subject], ['client', 'orders-service'])
  })

  test('is refused for another audience', async () => {
    const token = await provider.clientCredentials('orders-service', { opaque: true, audience: 'billing' })
    assert.match(await verdict(token), /^audience_mismatch/)
  })

  test('is refused after its revocation, once the answer is no longer remembered', async () => {
    const token = await provider.clientCredentials('orders-service', { opaque: true })
    assert.equal(await verdict(token), 'accepted')
    await provider.revoke('orders-service', token)
    await clock.advance(CACHE_MS)
    assert.match(await verdict(token), /^token_inactive/)
  })

  test('is refused when somebody made it up', async () => {
    assert.match(await verdict('n0-provider-ever-issued-this-one'), /^token_inactive/)
  })

  test('leaves the JWTs of the same issuer to its keys', async () => {
    assert.equal(await verdict(await provider.clientCredentials('orders-service')), 'accepted')
  })
})
