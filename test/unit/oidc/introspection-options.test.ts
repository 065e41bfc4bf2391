import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { assertIssuerOptions } from '../../../src/oidc/issuer-options.ts'
import type { IssuerOptions } from '../../../src/oidc/issuer-options.ts'
import type { IntrospectionOptions } from '../../../src/oidc/introspection-options.ts'
import { anIssuer } from '../../support/oidc.ts'

const { keys: _, ...KEYLESS } = anIssuer({ algorithms: [] })

function introspection(change: Partial<IntrospectionOptions> = {}): IntrospectionOptions {
  return {
    client: { method: 'client_secret_basic', clientId: 'callout', secretFile: '/secret' },
    cacheMs: 30_000,
    negativeCacheMs: 2000,
    maxInFlight: 64,
    ...change,
  }
}

function entry(change: Partial<IntrospectionOptions> = {}, issuer: Partial<IssuerOptions> = {}): IssuerOptions {
  return { ...KEYLESS, introspection: introspection(change), ...issuer }
}

/** An entry of another issuer. */
function other(change: Partial<IntrospectionOptions>): IssuerOptions {
  return entry(change, { id: 'other', issuer: 'https://idp.example/other' })
}

suite('introspection', () => {
  test('takes the place of keys', () => {
    assert.doesNotThrow(() => assertIssuerOptions([entry()]))
  })

  test('stands beside keys', () => {
    const { keys, algorithms } = anIssuer()
    assert.ok(keys)
    assert.doesNotThrow(() => assertIssuerOptions([entry({}, { keys, algorithms })]))
  })

  test('may serve two issuers when a prefix tells their tokens apart', () => {
    assert.doesNotThrow(() => assertIssuerOptions([entry(), other({ tokenPrefix: 'ory_at_' })]))
    assert.doesNotThrow(() =>
      assertIssuerOptions([entry({ tokenPrefix: 'glpat-' }), other({ tokenPrefix: 'ory_at_' })]),
    )
  })

  const refused: readonly (readonly [what: string, issuers: readonly IssuerOptions[], problem: RegExp])[] = [
    ['neither keys nor introspection', [KEYLESS], /needs keys or introspection/],
    ['algorithms without keys', [entry({}, { algorithms: ['ES256'] })], /algorithms stand without keys/],
    [
      'an endpoint in the clear',
      [entry({ endpoint: 'http://idp.example/i' })],
      /introspection address .*must be https/,
    ],
    ['an endpoint with a password', [entry({ endpoint: 'https://a:b@idp.example/i' })], /must not hold credentials/],
    ['metadata in the clear', [entry({}, { issuer: 'http://idp.example' })], /introspection address .*must be https/],
    ['ID tokens', [entry({}, { profile: 'id_token' })], /never about an id_token/],
    ['a cache that outlives a revocation', [entry({ cacheMs: 30_001 })], /cacheMs must be 0 to 30000/],
    ['a long memory for "no"', [entry({ negativeCacheMs: 5001 })], /negativeCacheMs must be 0 to 5000/],
    ['a cache without end', [entry({ cacheMs: Number.NaN })], /cacheMs must be/],
    ['no question at all', [entry({ maxInFlight: 0 })], /maxInFlight must be at least 1/],
    ['a prefix that every token has', [entry({ tokenPrefix: '' })], /tokenPrefix must not be empty/],
    [
      'a symmetric assertion',
      [entry({ client: { method: 'private_key_jwt', clientId: 'c', keyFile: '/k', algorithm: 'HS256' } })],
      /not an asymmetric signature algorithm/,
    ],
    [
      'two issuers for one token',
      [entry(), other({})],
      /corp and other could both be asked about the same opaque token/,
    ],
    [
      'two issuers whose prefixes overlap',
      [entry({ tokenPrefix: 'ory_' }), other({ tokenPrefix: 'ory_at_' })],
      /could both be asked/,
    ],
    [
      'entries of one issuer that are asked differently',
      [entry(), entry({ cacheMs: 0 }, { id: 'later', audiences: ['jobs'] })],
      /differ in keys, introspection/,
    ],
  ]
  for (const [what, issuers, problem] of refused) {
    test(`with ${what} is refused`, () => {
      assert.throws(() => assertIssuerOptions(issuers), problem)
    })
  }
})
