import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Config } from '../../../src/config/config.ts'
import { readConfig } from '../../../src/config/read-config.ts'
import { configWith } from './config-text.ts'

const OPTIONS = { baseDir: '/etc/callout' }
const AT = 'issuers.0.introspection'
const BASIC = { [`${AT}.client_id`]: 'callout', [`${AT}.client_secret_file`]: 'client.secret' }
const KEYLESS = { 'issuers.0.keys': undefined, 'issuers.0.algorithms': undefined }

function issuerOf(changes: Readonly<Record<string, unknown>>): Config['issuers'][number] | undefined {
  const reading = readConfig(configWith(changes), OPTIONS)
  return 'config' in reading ? reading.config.issuers[0] : assert.fail(JSON.stringify(reading.problems))
}

function problems(changes: Readonly<Record<string, unknown>>): string[] {
  const reading = readConfig(configWith(changes), OPTIONS)
  return 'problems' in reading ? reading.problems.map(({ path, message }) => `${path}: ${message}`) : []
}

suite('introspection in callout.yaml', () => {
  test('needs a client and its secret, and replaces keys and algorithms', () => {
    const issuer = issuerOf({ ...BASIC, ...KEYLESS })
    assert.deepEqual([issuer?.keys, issuer?.algorithms], [undefined, []])
    assert.deepEqual(issuer?.introspection, {
      client: { clientId: 'callout', method: 'client_secret_basic', secretFile: '/etc/callout/client.secret' },
      cacheMs: 30_000,
      negativeCacheMs: 2000,
      maxInFlight: 64,
    })
  })

  test('is taken as written', () => {
    const issuer = issuerOf({
      [AT]: {
        endpoint: 'https://idp.example/introspect',
        client_id: 'callout',
        auth: 'private_key_jwt',
        private_key_file: 'client.pem',
        algorithm: 'ES256',
        key_id: 'k1',
        cache: '5s',
        negative_cache: '0s',
        token_prefix: 'ory_at_',
        max_in_flight: 8,
      },
    })
    assert.deepEqual(issuer?.introspection, {
      endpoint: 'https://idp.example/introspect',
      client: {
        clientId: 'callout',
        method: 'private_key_jwt',
        keyFile: '/etc/callout/client.pem',
        algorithm: 'ES256',
        keyId: 'k1',
      },
      cacheMs: 5000,
      negativeCacheMs: 0,
      tokenPrefix: 'ory_at_',
      maxInFlight: 8,
    })
  })

  const SECRET = `issuers[0].introspection.client_secret_file`
  const KEY = 'issuers[0].introspection.private_key_file'
  const refused: readonly (readonly [what: string, changes: Readonly<Record<string, unknown>>, problem: string])[] = [
    ['no secret', { [`${AT}.client_id`]: 'callout' }, `${SECRET}: goes with`],
    ['a secret and a key', { ...BASIC, [`${AT}.private_key_file`]: 'k.pem' }, `${KEY}: goes with private_key_jwt`],
    ['a key without an algorithm', { [AT]: { client_id: 'c', auth: 'private_key_jwt', private_key_file: 'k' } }, KEY],
    ['a symmetric algorithm', { ...BASIC, [`${AT}.algorithm`]: 'HS256' }, 'issuers[0].introspection.algorithm: '],
    ['a long cache', { ...BASIC, [`${AT}.cache`]: '31s' }, 'issuers[0].introspection.cache: must be from 0s'],
    ['a prefix with a space', { ...BASIC, [`${AT}.token_prefix`]: 'a b' }, 'issuers[0].introspection.token_prefix: '],
    [
      'an endpoint in the clear',
      { ...BASIC, [`${AT}.endpoint`]: 'http://a.example/' },
      'introspection.endpoint: must be',
    ],
    [
      'algorithms without keys',
      { ...BASIC, 'issuers.0.keys': undefined },
      'issuers[0].algorithms: stands without keys',
    ],
    [
      'a SPIFFE trust domain',
      { ...BASIC, ...KEYLESS, 'issuers.0.issuer': 'spiffe://td' },
      'issuers[0].introspection: is not for a SPIFFE trust domain',
    ],
    ['keys without algorithms', { ...BASIC, 'issuers.0.algorithms': undefined }, 'issuers[0].algorithms: is required'],
  ]
  for (const [what, changes, problem] of refused) {
    test(`with ${what} is refused`, () => {
      const found = problems(changes)
      assert.ok(
        found.some((text) => text.includes(problem)),
        found.join('\n'),
      )
    })
  }
})
