import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { lastLines, startChild } from '../../../src/dev/child-process.ts'
import { forgeSignature } from '../../../src/dev/forged-token.ts'
import { freePort } from '../../../src/dev/free-port.ts'
import { startOpenIdProvider } from '../../../src/dev/openid-provider.ts'
import type { OpenIdProvider } from '../../../src/dev/openid-provider.ts'

suite('the local OpenID provider', () => {
  let provider: OpenIdProvider
  let accept: (token: string) => ReturnType<typeof jwtVerify>
  before(async () => {
    provider = await startOpenIdProvider()
    const discovery = await fetch(`${provider.issuer}/.well-known/openid-configuration`)
    const { jwks_uri: keysUri } = (await discovery.json()) as { jwks_uri: string }
    const keys = createRemoteJWKSet(new URL(keysUri))
    const rules = { issuer: provider.issuer, audience: 'nats', typ: 'at+jwt', algorithms: ['RS256'] }
    accept = (token) => jwtVerify(token, keys, rules)
  })
  after(() => provider.stop())

  test('issues a service an access token that says who it is', async () => {
    const { payload } = await accept(await provider.clientCredentials('orders-service'))
    assert.equal(payload.sub, 'orders-service')
    assert.equal(payload['client_id'], 'orders-service')
    assert.equal('groups' in payload, false)
  })

  test('issues a person who signs in on a device an access token with name and groups', async () => {
    const { payload } = await accept(await provider.deviceLogin('alice'))
    assert.equal(payload.sub, 'alice')
    assert.equal(payload['client_id'], 'cli')
    assert.deepEqual(payload['groups'], ['engineering'])
  })

  test('issues tokens for another audience when asked to', async () => {
    const token = await provider.clientCredentials('orders-service', { audience: 'billing' })
    assert.equal(decodeJwt(token).aud, 'billing')
    await assert.rejects(accept(token), { code: 'ERR_JWT_CLAIM_VALIDATION_FAILED', claim: 'aud' })
  })

  test('issues tokens that have expired when asked to, in order in every other way', async () => {
    const token = await provider.deviceLogin('alice', { expired: true })
    await assert.rejects(accept(token), { code: 'ERR_JWT_EXPIRED' })
    const { iat, exp } = decodeJwt(token)
    assert.equal(Number(exp) - Number(iat), 3600)
  })

  test('a forged signature differs from the real token in nothing but the signature', async () => {
    const token = await provider.clientCredentials('orders-service')
    const forged = await forgeSignature(token)
    assert.deepEqual(decodeJwt(forged), decodeJwt(token))
    assert.deepEqual(decodeProtectedHeader(forged), decodeProtectedHeader(token))
    await assert.rejects(accept(forged), { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' })
  })

  test('refuses a service that it does not know', async () => {
    await assert.rejects(provider.clientCredentials('stranger'), /invalid_client/)
  })

  test('refuses a service with a wrong secret', async () => {
    const body = new URLSearchParams({ grant_type: 'client_credentials' })
    const headers = { authorization: `Basic ${btoa('orders-service:wrong')}` }
    assert.equal((await fetch(provider.tokenEndpoint, { method: 'POST', headers, body })).status, 401)
  })

  test('refuses a person whom it does not know', async () => {
    await assert.rejects(provider.deviceLogin('nobody'), /does not know nobody/)
    await assert.rejects(provider.deviceLogin('__proto__'), /does not know __proto__/)
  })

  test('refuses a resource that stands for no audience', async () => {
    await assert.rejects(provider.clientCredentials('orders-service', { audience: 'a b' }), /invalid_target/)
  })

  test('a request without a resource gets a token for the usual audience', async () => {
    const { clientSecret, tokenEndpoint } = provider
    const headers = { authorization: `Basic ${btoa(`reporting:${clientSecret}`)}` }
    const body = new URLSearchParams({ grant_type: 'client_credentials' })
    const response = await fetch(tokenEndpoint, { method: 'POST', headers, body })
    const { access_token: token } = (await response.json()) as { access_token: string }
    assert.equal((await accept(token)).payload.sub, 'reporting')
  })
})

suite('the local OpenID provider as a process', () => {
  test('says where it is, and nothing else, and ends with status 0 when told to', async () => {
    const port = await freePort()
    const program = `${import.meta.dirname}/../../../src/dev/openid-provider.ts`
    await using child = await startChild(process.execPath, [program, '--port', String(port)])
    const issuer = `http://127.0.0.1:${port}`
    const deadline = performance.now() + 20_000
    while (!child.log().includes('ready')) {
      assert.ok(!child.hasExited() && performance.now() < deadline, lastLines(child.log(), 10))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await (await fetch(`${issuer}/jwks`)).json()
    child.signal('SIGTERM')
    assert.deepEqual(await child.exited, { code: 0, signal: null })
    assert.equal(child.log(), `OpenID provider ready: ${issuer}/.well-known/openid-configuration\n`)
  })
})
