import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { assertIssuerOptions } from '../../../src/oidc/issuer-options.ts'
import type { IssuerOptions } from '../../../src/oidc/issuer-options.ts'
import { wellKnownUrl } from '../../../src/oidc/key-url.ts'
import { anIssuer } from '../../support/oidc.ts'

function problems(...changes: Partial<IssuerOptions>[]): string {
  try {
    assertIssuerOptions(changes.map((change) => anIssuer(change)))
    return ''
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
}

const issuer = anIssuer()
const { identity } = issuer

suite('assertIssuerOptions', () => {
  for (const [what, change] of [
    ['https keys', { keys: { jwksUri: 'https://idp.example/keys' } }],
    ['keys on this machine', { keys: { jwksUri: 'http://[::1]:8080/keys' } }],
    ['discovery below the issuer', { keys: { discovery: {} } }],
    ['a key file for an issuer that is no URL', { issuer: 'kubernetes/serviceaccount', keys: { jwksFile: 'k.json' } }],
    ['tokens without a type', { tokenTypes: [''] }],
    ['no clock skew', { clockSkewMs: 0 }],
    ['no audience for a reason', { audiences: [], audiencesNoneBecause: 'x', authorizedParties: ['cli'] }],
    ['RFC 9068', { profile: 'rfc9068', tokenTypes: ['application/at+jwt'] }],
  ] as const) {
    test(`accepts ${what}`, () => {
      assert.equal(problems(change), '')
    })
  }

  for (const [what, change, expected] of [
    ['HMAC', { algorithms: ['HS256'] }, 'algorithm "HS256" is not an asymmetric signature algorithm'],
    ['alg none', { algorithms: ['RS256', 'none'] }, 'algorithm "none" is not an asymmetric signature algorithm'],
    ['no algorithm', { algorithms: [] }, 'algorithms must not be empty'],
    [
      'no audience for a reason, without any other mark of its tokens',
      {
        audiences: [],
        audiencesNoneBecause: 'x',
        match: [
          { path: ['a'], present: true },
          { path: ['b'], noneOf: ['x'] },
        ],
      },
      'without audiences it needs authorizedParties or a match rule with a value',
    ],
    [
      'no audience for no reason',
      { audiences: [], audiencesNoneBecause: '', authorizedParties: ['a'] },
      'must say why',
    ],
    [
      'a reason for none beside audiences',
      { audiencesNoneBecause: 'x' },
      'audiencesNoneBecause stands beside audiences',
    ],
    ['ID tokens as RFC 9068', { profile: 'rfc9068' }, 'profile rfc9068 takes the token type at+jwt only'],
    ['access tokens as ID tokens', { profile: 'id_token' }, 'profile id_token does not take the token type at+jwt'],
    [
      'a profile for tokens without audience',
      { profile: 'id_token', tokenTypes: ['JWT'], audiences: [], audiencesNoneBecause: 'x', authorizedParties: ['a'] },
      'profile id_token needs audiences',
    ],
    ['no age', { maxAgeMs: 0 }, 'maxAgeMs must be a positive number'],
    ['an empty path of a required claim', { requireClaims: [[]] }, 'a required claim must name at least one member'],
    ['no audience', { audiences: [] }, 'audiences must not be empty'],
    ['an empty audience', { audiences: [''] }, 'audiences and authorizedParties must not hold an empty string'],
    ['an empty party', { authorizedParties: [''] }, 'audiences and authorizedParties must not hold an empty string'],
    ['no token type', { tokenTypes: [] }, 'tokenTypes must not be empty'],
    ['logout tokens', { tokenTypes: ['Logout+JWT'] }, 'token type Logout+JWT is never a login token'],
    ['a token type with a space', { tokenTypes: ['a b'] }, 'token type "a b" is not a media type'],
    ['an id with a colon', { id: 'a:b' }, 'id must be lower-case letters, digits and "-", at most 63'],
    ['an empty issuer', { issuer: '' }, 'issuer must not be empty; '],
    ['http keys', { keys: { jwksUri: 'http://idp.example/k' } }, 'must be https (http only to a loopback address)'],
    ['a host that starts like loopback', { keys: { jwksUri: 'http://127.0.0.1.evil.example/' } }, 'must be https'],
    ['keys in a file URL', { keys: { jwksUri: 'file:///etc/passwd' } }, 'must be https'],
    ['a password in the address', { keys: { jwksUri: 'https://a:b@idp.example/' } }, 'must not hold credentials'],
    ['discovery of no URL', { issuer: 'corp', keys: { discovery: {} } }, 'is not a URL'],
    ['an empty file name', { keys: { jwksFile: '' } }, 'jwksFile must not be empty'],
    ['an unbounded lifetime', { maxLifetimeMs: Number.POSITIVE_INFINITY }, 'maxLifetimeMs must be a positive number'],
    ['a negative skew', { clockSkewMs: -1 }, 'clockSkewMs must be a positive number'],
    ['no timeout', { http: { ...issuer.http, timeoutMs: 0 } }, 'http.timeoutMs must be a positive number'],
    ['a match of nothing', { match: [{ path: [], equals: 'x' }] }, 'a claim path must name at least one member'],
    ['a match that always holds', { match: [{ path: ['a'], noneOf: [] }] }, 'match of "a": the list must not be empty'],
    ['no bytes', { http: { ...issuer.http, maxBytes: 0 } }, 'http.maxBytes must be a positive number of bytes'],
    ['no pause between fetches', { refresh: { ...issuer.refresh, minIntervalMs: 0 } }, 'refresh.minIntervalMs must be'],
    [
      'keys that are never fetched again',
      { refresh: { ...issuer.refresh, intervalMs: Number.POSITIVE_INFINITY } },
      'refresh.intervalMs must be',
    ],
    [
      'keys that are held for ever',
      { refresh: { ...issuer.refresh, maxStaleMs: Number.POSITIVE_INFINITY } },
      'refresh.maxStaleMs must be',
    ],
    ['no pause after a failure', { refresh: { ...issuer.refresh, backoffMinMs: 0 } }, 'refresh.backoffMinMs must be'],
    [
      'an empty path',
      { identity: { ...identity, subject: { path: [] } } },
      'a claim path must name at least one member',
    ],
    ['no claim for the subject', { identity: { ...identity, subject: { firstOf: [] } } }, 'firstOf must not be empty'],
    [
      'a join of one',
      { identity: { ...identity, subject: { join: [['a']], separator: '/' } } },
      'subject join needs at least two parts',
    ],
    ...['', '::'].map(
      (separator) =>
        [
          `the separator "${separator}"`,
          { identity: { ...identity, subject: { join: [['a'], ['b']], separator } } },
          'the separator of subject join must be one character',
        ] as const,
    ),
    ['groups of none', { identity: { ...identity, groups: { path: ['g'], max: 0 } } }, 'must be from 1 to 500'],
    ['groups without bound', { identity: { ...identity, groups: { path: ['g'], max: 501 } } }, 'must be from 1 to 500'],
    [
      'groups split between all letters',
      { identity: { ...identity, groups: { path: ['g'], max: 5, split: '' } } },
      'groups split must be one character',
    ],
    [
      'a condition for clients without a claim for them',
      { identity: { ...identity, kind: { clientIf: { path: ['a'], equals: 1 } }, clientId: [] } },
      'kind clientIf needs a clientId path',
    ],
    [
      'clients without a claim for them',
      { identity: { ...identity, kind: 'client' as const, clientId: [] } },
      'kind client needs a clientId path',
    ],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.ok(problems(change).includes(expected.replace(/; $/, '')), problems(change))
    })
  }

  test('refuses two entries with one id', () => {
    assert.match(problems({}, { issuer: 'https://b.example' }), /^issuer id "corp" is used twice$/)
  })

  test('reports every problem at once', () => {
    assert.equal(problems({ algorithms: [], audiences: [] }).split('; ').length, 2)
  })
})

suite('wellKnownUrl', () => {
  test('keeps the path and drops one trailing slash', () => {
    assert.deepEqual(['https://a.example/realms/x', 'https://a.example/'].map(wellKnownUrl), [
      'https://a.example/realms/x/.well-known/openid-configuration',
      'https://a.example/.well-known/openid-configuration',
    ])
  })
})
