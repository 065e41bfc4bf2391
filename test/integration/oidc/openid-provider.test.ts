import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { forgeSignature } from '../../../src/dev/forged-token.ts'
import { startOpenIdProvider } from '../../../src/dev/openid-provider.ts'
import type { OpenIdProvider } from '../../../src/dev/openid-provider.ts'
import type { Verification } from '../../../src/service/ports.ts'
import { systemClock } from '../../../src/service/clock.ts'
import { createTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import type { OidcTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import { anIssuer } from '../../support/oidc.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

let provider: OpenIdProvider
let verifier: OidcTokenVerifier

before(async () => {
  provider = await startOpenIdProvider({ audience: 'nats', people: { alice: ['engineering'] } })
  verifier = createTokenVerifier({
    issuers: [anIssuer({ issuer: provider.issuer, keys: { discovery: {} }, algorithms: ['RS256'] })],
    clock: systemClock,
    events: new RecordedEvents(),
    maxTokenBytes: 16_384,
  })
})

after(async () => {
  await verifier.stop()
  await provider.stop()
})

function verify(token: string): Promise<Verification> {
  return verifier.verify(token, systemClock.monotonicMs() + 5000)
}

async function reason(token: string): Promise<string> {
  const verification = await verify(token)
  return verification.accepted ? 'accepted' : verification.reason
}

suite('a token of a certified OpenID provider', () => {
  test('of a service stands for the client', async () => {
    const verification = await verify(await provider.clientCredentials('orders-service'))
    assert.ok(verification.accepted)
    const { kind, subject, clientId, groups } = verification.identity
    assert.deepEqual(
      { kind, subject, clientId, groups },
      { kind: 'client', subject: 'orders-service', clientId: 'orders-service', groups: [] },
    )
  })

  test('of a person stands for the user, with groups', async () => {
    const verification = await verify(await provider.deviceLogin('alice'))
    assert.ok(verification.accepted)
    const { kind, subject, groups } = verification.identity
    assert.deepEqual({ kind, subject, groups }, { kind: 'user', subject: 'alice', groups: ['engineering'] })
  })

  test('is refused for another audience', async () => {
    const token = await provider.clientCredentials('orders-service', { audience: 'billing' })
    assert.equal(await reason(token), 'audience_mismatch')
  })

  test('is refused after its expiry', async () => {
    const token = await provider.clientCredentials('orders-service', { expired: true })
    assert.equal(await reason(token), 'token_expired')
  })

  test('is refused with a forged signature', async () => {
    const token = await forgeSignature(await provider.clientCredentials('orders-service'))
    assert.equal(await reason(token), 'signature_invalid')
  })
})
