import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CONFIG_CHARACTERS_MAX } from '../../../src/config/config-yaml.ts'
import { readConfig } from '../../../src/config/read-config.ts'
import type { Config } from '../../../src/config/config.ts'
import type { Problem } from '../../../src/config/problem.ts'
import { configWith, MINIMAL } from './config-text.ts'

const OPTIONS = { baseDir: '/etc/callout' }

function configOf(text: string): Config {
  const reading = readConfig(text, OPTIONS)
  if ('problems' in reading) assert.fail(JSON.stringify(reading.problems))
  return reading.config
}

function problemsOf(text: string): readonly Problem[] {
  const reading = readConfig(text, OPTIONS)
  return 'problems' in reading ? reading.problems : assert.fail('the text was accepted')
}

/** The one problem of `MINIMAL` with these changes, written `path: message`. */
function problemWith(changes: Record<string, unknown>): string {
  const problems = problemsOf(configWith(changes))
  assert.equal(problems.length, 1, JSON.stringify(problems))
  return problems.map(({ path, message }) => `${path}: ${message}`).join()
}

const COMPLETE = `
nats:
  servers: [nats://127.0.0.1:4222, tls://nats.example]
  user: auth
  password_file: secrets/auth.password
  queue: callout-2
  tls: { ca_file: ca.pem, cert_file: /run/cert.pem, key_file: key.pem }
  system: { user: sys, password_file: secrets/sys.password }
callout:
  issuer_seed_files: [secrets/issuer.nk, secrets/next.nk]
  xkey_seed_files: [secrets/xkey.nk]
  accounts: { APP: {}, OPS: {} }
  deadline: 900ms
  max_in_flight: 64
token: { sources: [password], max_bytes: 64KiB }
deny: { mode: drop, when_unavailable: reply }
limits: { failures_per_address: 0, failures_per_principal: 5, failure_window: 10s }
issuers:
  - id: corp
    issuer: https://idp.example/realms/prod
    keys: { discovery: { url: "https://idp.example/metadata" } }
    algorithms: [RS256, EdDSA]
    token_types: [""]
    audiences: [nats, other]
    authorized_parties: [app]
    match:
      - { path: typ, equals: Bearer }
      - { path: [realm_access, roles], any_of: [nats, 7, true] }
      - { path: a, all_of: [x] }
      - { path: a, none_of: [""] }
      - { path: a, prefix: x }
      - { path: a, glob: "x*" }
      - { path: a, present: true }
      - { path: a, absent: true }
    clock_skew: 0s
    max_lifetime: 1h
    http:
      timeout: 2s
      max_bytes: 64KiB
      ca_file: idp.pem
      bearer_token_file: /var/run/token
      proxy: http://proxy.example:3128
      allowed_hosts: [idp.example, "keys.example:8443", "[::1]:9000"]
    refresh: { interval: 1m, min_interval: 5s, max_stale: 1h, backoff_min: 500ms, backoff_max: 30s }
    identity:
      subject: { path: [oid] }
      client_id: { path: azp }
      groups: { path: ["https://idp.example/groups"] }
      kind: user
      attributes: { tenant: { path: [tid] } }
  - id: keyed
    issuer: http://127.0.0.1:9000
    keys: { jwks_uri: "https://other.example/keys?v=2" }
    algorithms: [ES256]
    audiences: [nats]
    identity:
      subject: { join: { parts: [tid, [oid]], separator: ":" } }
      client_id: { first_of: [[cid], [azp]] }
      groups: { path: scope, split: " ", prefix: "s:", max: 20 }
      kind: { client_if: { path: idtyp, equals: app } }
      display: { path: email, requires: { path: email_verified, equals: true } }
  - id: offline
    issuer: https://offline.example
    keys: { jwks_file: keys.json }
    algorithms: [PS256]
    audiences: [nats]
    identity: { subject: { first_of: [oid, sub] }, kind: { client_if: { path: name, prefix: service- } } }
session: { max: 8h, jitter: 20%, min_remaining: 1m }
grants: { max_stale: 0s }
store: { url: "spanner://projects/example.com:p/instances/i-1/databases/d_1" }
audit: { on_unavailable: deny }
http: { listen: "[::1]:0" }
log: { level: warn }
`

suite('a right configuration', () => {
  test('gets its defaults', () => {
    assert.deepEqual(configOf(MINIMAL), {
      nats: {
        servers: ['nats://127.0.0.1:4222'],
        login: { user: 'auth', passwordFile: '/etc/callout/secrets/auth.password' },
        queue: 'callout',
      },
      callout: {
        issuerSeedFiles: ['/etc/callout/secrets/issuer.nk'],
        xkeySeedFiles: [],
        accounts: new Map([['APP', {}]]),
        deadlineMs: 1_500,
        maxInFlight: 1_024,
      },
      token: { sources: ['auth_token', 'password'], maxBytes: 16_384 },
      issuers: [
        {
          id: 'corp',
          issuer: 'https://idp.example/realms/prod',
          keys: { discovery: {} },
          algorithms: ['RS256'],
          tokenTypes: ['JWT', 'at+jwt'],
          profile: 'generic',
          audiences: ['nats'],
          authorizedParties: [],
          match: [],
          clockSkewMs: 30_000,
          maxLifetimeMs: 86_400_000,
          requireClaims: [],
          senderConstraint: 'if_bound',
          http: { timeoutMs: 1_000, maxBytes: 262_144 },
          refresh: {
            intervalMs: 300_000,
            minIntervalMs: 10_000,
            maxStaleMs: 43_200_000,
            backoffMinMs: 1_000,
            backoffMaxMs: 60_000,
          },
          identity: { subject: { path: ['sub'] }, clientId: [['client_id'], ['azp']], kind: 'auto', attributes: {} },
        },
      ],
      deny: { mode: 'reply', whenUnavailable: 'reply' },
      limits: { perAddress: 100, perPrincipal: 30, windowMs: 60_000 },
      session: { maxMs: 3_600_000, jitter: 0.1, minRemainingMs: 30_000 },
      grants: { maxStaleMs: 0, approval: 'none' },
      store: { database: 'projects/p/instances/i/databases/d' },
      audit: {},
      http: { listen: { host: '127.0.0.1', port: 8222 } },
      log: { level: 'info' },
    })
  })

  test('may write every setting out', () => {
    const config = configOf(COMPLETE)
    assert.deepEqual(config.nats, {
      servers: ['nats://127.0.0.1:4222', 'tls://nats.example'],
      login: { user: 'auth', passwordFile: '/etc/callout/secrets/auth.password' },
      queue: 'callout-2',
      tls: { caFile: '/etc/callout/ca.pem', certFile: '/run/cert.pem', keyFile: '/etc/callout/key.pem' },
      system: { user: 'sys', passwordFile: '/etc/callout/secrets/sys.password' },
    })
    assert.deepEqual(config.token, { sources: ['password'], maxBytes: 65_536 })
    assert.deepEqual(config.deny, { mode: 'drop', whenUnavailable: 'reply' })
    assert.deepEqual(config.limits, { perAddress: 0, perPrincipal: 5, windowMs: 10_000 })
    assert.deepEqual(config.issuers[0]?.identity, {
      subject: { path: ['oid'] },
      clientId: [['azp']],
      groups: { path: ['https://idp.example/groups'], max: 500 },
      kind: 'user',
      attributes: { tenant: ['tid'] },
    })
    assert.deepEqual(config.issuers[1]?.identity, {
      subject: { join: [['tid'], ['oid']], separator: ':' },
      clientId: [['cid'], ['azp']],
      groups: { path: ['scope'], split: ' ', prefix: 's:', max: 20 },
      kind: { clientIf: { path: ['idtyp'], equals: 'app' } },
      attributes: {},
      display: { path: ['email'], requires: { path: ['email_verified'], equals: true } },
    })
    assert.deepEqual(config.issuers[2]?.identity.subject, { firstOf: [['oid'], ['sub']] })
    assert.deepEqual(config.issuers[2]?.identity.kind, { clientIf: { path: ['name'], prefix: 'service-' } })
    assert.deepEqual(
      config.issuers.map((issuer) => issuer.keys),
      [
        { discovery: { url: 'https://idp.example/metadata' } },
        { jwksUri: 'https://other.example/keys?v=2' },
        { jwksFile: '/etc/callout/keys.json' },
      ],
    )
    assert.deepEqual(config.issuers[0]?.match, [
      { path: ['typ'], equals: 'Bearer' },
      { path: ['realm_access', 'roles'], anyOf: ['nats', 7, true] },
      { path: ['a'], allOf: ['x'] },
      { path: ['a'], noneOf: [''] },
      { path: ['a'], prefix: 'x' },
      { path: ['a'], glob: 'x*' },
      { path: ['a'], present: true },
      { path: ['a'], absent: true },
    ])
    assert.deepEqual(config.issuers[0]?.http, {
      timeoutMs: 2_000,
      maxBytes: 65_536,
      caFile: '/etc/callout/idp.pem',
      bearerTokenFile: '/var/run/token',
      proxy: 'http://proxy.example:3128',
      allowedHosts: ['idp.example', 'keys.example:8443', '[::1]:9000'],
    })
    assert.deepEqual(config.issuers[0]?.refresh, {
      intervalMs: 60_000,
      minIntervalMs: 5_000,
      maxStaleMs: 3_600_000,
      backoffMinMs: 500,
      backoffMaxMs: 30_000,
    })
    assert.deepEqual(config.session, { maxMs: 28_800_000, jitter: 0.2, minRemainingMs: 60_000 })
    assert.equal(config.store.database, 'projects/example.com:p/instances/i-1/databases/d_1')
    assert.deepEqual(config.http.listen, { host: '::1', port: 0 })
  })

  test('may have several entries for one issuer, tokens without audience, and bounds of age', () => {
    const { issuers } = configOf(
      configWith({
        issuers: [
          issuer({ profile: 'rfc9068', max_age: '10m', require_claims: ['acr', ['a', 'b']] }),
          issuer({ id: 'b', profile: 'id_token', audiences: undefined, audiences_none_because: 'no aud' }),
        ],
      }),
    )
    assert.deepEqual(
      issuers.map(({ tokenTypes, maxAgeMs, requireClaims, audiences, audiencesNoneBecause }) => [
        tokenTypes,
        maxAgeMs,
        requireClaims,
        audiences,
        audiencesNoneBecause,
      ]),
      [
        [['at+jwt'], 600_000, [['acr'], ['a', 'b']], ['nats'], undefined],
        [['JWT'], undefined, [], [], 'no aud'],
      ],
    )
  })

  test('may log in with an nkey or with credentials', () => {
    const none = { 'nats.user': undefined, 'nats.password_file': undefined }
    assert.deepEqual(configOf(configWith({ ...none, 'nats.nkey_seed_file': '/k.nk' })).nats.login, {
      nkeySeedFile: '/k.nk',
    })
    assert.deepEqual(configOf(configWith({ ...none, 'nats.creds_file': '/a.creds' })).nats.login, {
      credsFile: '/a.creds',
    })
  })
})

suite('problems', () => {
  test('are reported all at once, also those between settings', () => {
    const paths = problemsOf(
      configWith({
        'nats.servers': [],
        'nats.creds_file': 'a.creds',
        'callout.deadline': '2s',
        'issuers.0.algorithms': ['HS256'],
        'issuers.0.keys.jwks_uri': 'http://idp.example/keys',
        'issuers.0.audience': 'nats',
        'session.max': '1m',
        'session.min_remaining': '2m',
        'store.url': undefined,
        'log.level': 'verbose',
      }),
    ).map(({ path }) => path)
    assert.deepEqual(paths.sort(), [
      'callout.deadline',
      'issuers[0].algorithms[0]',
      'issuers[0].audience',
      'issuers[0].keys',
      'issuers[0].keys.jwks_uri',
      'log.level',
      'nats',
      'nats.servers',
      'session',
      'store.url',
    ])
  })

  test('of an empty file name every setting that it needs', () => {
    const required = problemsOf('').map(({ path }) => path)
    assert.deepEqual(required, [
      'nats.servers',
      'nats',
      'callout.issuer_seed_files',
      'callout.accounts',
      'issuers',
      'store.url',
    ])
  })

  const single: [title: string, changes: Record<string, unknown>, problem: RegExp][] = [
    ['an unknown section', { oidc: {} }, /^oidc: is not a setting$/],
    [
      'a misspelt setting, with the right name',
      { 'nats.qeue': 'x' },
      /^nats\.qeue: is not a setting; did you mean "queue"\?$/,
    ],
    [
      'a secret in place, with the setting for its file',
      { 'nats.system': { user: 's', password: 'x', password_file: 'f' } },
      /^nats\.system\.password: .*"password_file"/,
    ],
    ['a section without content', { token: null }, /^token: must be a mapping, got nothing$/],
    [
      'text where a list belongs',
      { 'issuers.0.audiences': 'nats' },
      /^issuers\[0\]\.audiences: must be a list, got "nats"$/,
    ],
    ['a number as a name', { 'nats.user': 5 }, /^nats\.user: must be text, got 5$/],
    ['a duration without a unit', { 'callout.deadline': 1500 }, /^callout\.deadline: must be a duration with a unit/],
    [
      'a deadline too long for nats-server, saying why',
      { 'callout.deadline': '1901ms' },
      /200ms to 1900ms: nats-server gives up after 2 s/,
    ],
    ['a deadline too short', { 'callout.deadline': '199ms' }, /200ms to 1900ms/],
    ['no room for requests', { 'callout.max_in_flight': 0 }, /at least 1/],
    ['half a request', { 'callout.max_in_flight': 1.5 }, /^callout\.max_in_flight: must be /],
    ['no account', { 'callout.accounts': {} }, /^callout\.accounts: needs at least one account/],
    [
      'an account name with a space',
      { 'callout.accounts': { 'A B': {} } },
      /^callout\.accounts\["A B"\]: this name must be/,
    ],
    [
      'a setting of an account',
      { 'callout.accounts': { APP: { jetstream: true } } },
      /^callout\.accounts\.APP\.jetstream: is not a setting/,
    ],
    ['a server that is a web address', { 'nats.servers': ['http://a:1'] }, /^nats\.servers\[0\]: must be nats:/],
    [
      'a server with credentials',
      { 'nats.servers': ['nats://u:p@a:1'] },
      /^nats\.servers\[0\]: must not hold credentials/,
    ],
    ['a server twice', { 'nats.servers': ['nats://a:1', 'nats://a:1'] }, /names an entry twice/],
    [
      'two ways to log in',
      { 'nats.creds_file': 'a.creds' },
      /^nats: needs exactly one of user, nkey_seed_file, creds_file$/,
    ],
    [
      'a user without a password',
      { 'nats.password_file': undefined },
      /^nats: user and password_file belong together$/,
    ],
    ['a certificate without its key', { 'nats.tls': { cert_file: 'a.pem' } }, /^nats\.tls: cert_file and key_file/],
    ['a queue group with a wildcard', { 'nats.queue': 'a.*' }, /^nats\.queue: must be letters/],
    ['an issuer id with a colon', { 'issuers.0.id': 'a:b' }, /^issuers\[0\]\.id: must be lower-case/],
    ['an issuer in the clear', { 'issuers.0.issuer': 'http://idp.example' }, /^issuers\[0\]\.issuer: must be https/],
    ['an issuer that only looks like loopback', { 'issuers.0.issuer': 'http://localhost.example' }, /must be https/],
    ['an issuer with a query', { 'issuers.0.issuer': 'https://idp.example?x' }, /neither query nor fragment/],
    ['an issuer with credentials', { 'issuers.0.issuer': 'https://u:p@idp.example' }, /must not hold credentials/],
    [
      'a trust domain with a path',
      { 'issuers.0.issuer': 'spiffe://td/', 'issuers.0.keys': { jwks_file: 'k' } },
      /issuer: must be spiffe:\/\/ and a trust/,
    ],
    [
      'a trust domain in upper case',
      { 'issuers.0.issuer': 'spiffe://TD', 'issuers.0.keys': { jwks_file: 'k' } },
      /^issuers\[0\]\.issuer: must be spiffe:\/\/ and a trust domain in lower case/,
    ],
    [
      'a trust domain with discovery',
      { 'issuers.0.issuer': 'spiffe://td', 'issuers.0.keys': { discovery: {} } },
      /^issuers\[0\]\.keys\.discovery: is not for a SPIFFE trust domain/,
    ],
    [
      'a trust domain with ID tokens',
      { 'issuers.0.issuer': 'spiffe://td', 'issuers.0.keys': { jwks_file: 'k' }, 'issuers.0.profile': 'id_token' },
      /^issuers\[0\]\.profile: must be generic for a SPIFFE trust domain$/,
    ],
    [
      'no source of keys',
      { 'issuers.0.keys': {} },
      /^issuers\[0\]\.keys: needs exactly one of discovery, jwks_uri, jwks_file$/,
    ],
    ['two sources of keys', { 'issuers.0.keys.jwks_file': 'k.json' }, /^issuers\[0\]\.keys: needs exactly one/],
    ['a key set in the clear', { 'issuers.0.keys': { jwks_uri: 'http://a.example/keys' } }, /must be https/],
    [
      'a symmetric algorithm',
      { 'issuers.0.algorithms': ['HS256'] },
      /^issuers\[0\]\.algorithms\[0\]: .*only algorithms with public keys.*"HS256"/,
    ],
    ['the algorithm none', { 'issuers.0.algorithms': ['none'] }, /only algorithms with public keys/],
    ['no algorithm', { 'issuers.0.algorithms': [] }, /^issuers\[0\]\.algorithms: needs at least 1 entry$/],
    ['no audience', { 'issuers.0.audiences': [] }, /^issuers\[0\]\.audiences: needs at least 1 entry$/],
    ['an empty audience', { 'issuers.0.audiences': [''] }, /^issuers\[0\]\.audiences\[0\]: must not be empty$/],
    [
      'a match rule without a condition',
      { 'issuers.0.match': [{ path: 'a' }] },
      /^issuers\[0\]\.match\[0\]: needs exactly one of equals, any_of/,
    ],
    ['a match rule with two', { 'issuers.0.match': [{ path: 'a', equals: 1, absent: true }] }, /needs exactly one of/],
    ['a match rule without a claim', { 'issuers.0.match': [{ equals: 'x' }] }, /match\[0\]\.path: is required$/],
    ['a match with nothing', { 'issuers.0.match': [{ path: 'a', any_of: [] }] }, /any_of: needs at least 1 entry$/],
    ['a match with a list', { 'issuers.0.match': [{ path: 'a', equals: ['x'] }] }, /equals: must be text, true, false/],
    [
      'a match with a fraction',
      { 'issuers.0.match': [{ path: 'a', equals: 1.5 }] },
      /equals: must be text, true, false/,
    ],
    ['present: false', { 'issuers.0.match': [{ path: 'a', present: false }] }, /present: must be true/],
    ['a clock skew over five minutes', { 'issuers.0.clock_skew': '301s' }, /from 0s to 5m$/],
    [
      'an empty claim path',
      { 'issuers.0.identity.subject': { path: [] } },
      /identity\.subject\.path: must be a list of member names/,
    ],
    ['groups without a path', { 'issuers.0.identity.groups': {} }, /identity\.groups\.path: is required$/],
    [
      'two forms of subject',
      { 'issuers.0.identity.subject': { path: 'a', join: { parts: ['a', 'b'] } } },
      /identity\.subject: takes one of path, first_of, join$/,
    ],
    [
      'a separator of two characters',
      { 'issuers.0.identity.subject': { join: { parts: ['a', 'b'], separator: '::' } } },
      /subject\.join\.separator: must be one character$/,
    ],
    [
      'a kind that there is not',
      { 'issuers.0.identity.kind': 'service' },
      /identity\.kind: must be auto, user, client or \{/,
    ],
    [
      'a condition of a client without a value',
      { 'issuers.0.identity.kind': { client_if: { path: 'a' } } },
      /identity\.kind\.client_if: needs exactly one of equals, prefix$/,
    ],
    [
      'groups without bound',
      { 'issuers.0.identity.groups': { path: 'a', max: 501 } },
      /groups\.max: must be at most 500$/,
    ],
    [
      'a display name with a half condition',
      { 'issuers.0.identity.display': { path: 'email', requires: { path: 'email_verified' } } },
      /display\.requires\.equals: must be text, true, false or a whole number$/,
    ],
    [
      'both forms of client id',
      { 'issuers.0.identity.client_id': { path: 'a', first_of: [['b']] } },
      /path or first_of, not both/,
    ],
    [
      'an attribute that is built in',
      { 'issuers.0.identity.attributes': { subject: { path: 'a' } } },
      /attributes\.subject: this name must be/,
    ],
    [
      'two issuers with one id',
      { issuers: [issuer({}), issuer({ issuer: 'https://b.example' })] },
      /^issuers: two entries have the id "corp"$/,
    ],
    [
      'audiences beside the reason for none',
      { 'issuers.0.audiences_none_because': 'x' },
      /^issuers\[0\]\.audiences_none_because: stands beside audiences/,
    ],
    ['a tenant that is no GUID', { 'issuers.0.tenants': ['common'] }, /^issuers\[0\]\.tenants\[0\]: must be a GUID/],
    ['a profile that there is not', { 'issuers.0.profile': 'saml' }, /^issuers\[0\]\.profile: must be one of generic/],
    ['an age without bound', { 'issuers.0.max_age': '721h' }, /^issuers\[0\]\.max_age: must be from 1s to 720h$/],
    [
      'a proxy with a password',
      { 'issuers.0.http': { proxy: 'http://u:p@proxy.example:3128' } },
      /^issuers\[0\]\.http\.proxy: must not hold credentials$/,
    ],
    ['a proxy with a path', { 'issuers.0.http': { proxy: 'http://p.example/x' } }, /must end after the port$/],
    [
      'an allowed host that is a URL',
      { 'issuers.0.http': { allowed_hosts: ['https://idp.example'] } },
      /allowed_hosts\[0\]: must be a host in lower case/,
    ],
    ['no allowed host', { 'issuers.0.http': { allowed_hosts: [] } }, /allowed_hosts: needs at least 1 entry$/],
    ['documents without bound', { 'issuers.0.http': { max_bytes: '5MiB' } }, /max_bytes: must be from 1024 to/],
    [
      'keys fetched without pause',
      { 'issuers.0.refresh': { min_interval: '999ms' } },
      /refresh\.min_interval: must be from 1s to 1h$/,
    ],
    [
      'a least pause above the interval',
      { 'issuers.0.refresh': { interval: '10s', min_interval: '11s' } },
      /refresh: min_interval must not be longer than interval$/,
    ],
    [
      'keys that are stale before they are fetched again',
      { 'issuers.0.refresh': { max_stale: '4m' } },
      /refresh: max_stale must not be shorter than interval$/,
    ],
    [
      'a backoff that shrinks',
      { 'issuers.0.refresh': { backoff_min: '3s', backoff_max: '2s' } },
      /refresh: backoff_min must not be longer than backoff_max$/,
    ],
    ['no issuer', { issuers: [] }, /^issuers: needs at least 1 entry$/],
    [
      'a source of tokens that there is not',
      { 'token.sources': ['jwt'] },
      /^token\.sources\[0\]: must be one of auth_token, password; got "jwt"$/,
    ],
    ['tokens without bound', { 'token.max_bytes': '1MiB' }, /^token\.max_bytes: must be from 512 to 65536 bytes$/],
    ['a jitter without percent sign', { 'session.jitter': 0.1 }, /^session\.jitter: must be a percentage/],
    [
      'sessions always below the minimum',
      { 'session.max': '1m', 'session.min_remaining': '54s' },
      /^session: max, shortened by jitter/,
    ],
    ['stale grants', { 'grants.max_stale': '5s' }, /^grants\.max_stale: must be 0s: .*not offered/],
    ['unrecorded admissions', { 'audit.on_unavailable': 'allow' }, /^audit\.on_unavailable: .*not recorded/],
    ['a store that is not Spanner', { 'store.url': 'postgres://a/b' }, /^store\.url: must be spanner:/],
    [
      'a store with a parent folder in its name',
      { 'store.url': 'spanner://projects/p/instances/../databases/d' },
      /^store\.url/,
    ],
    ['a listen address without host', { 'http.listen': ':8222' }, /^http\.listen: must be host:port/],
    ['a port that there is not', { 'http.listen': '127.0.0.1:65536' }, /^http\.listen: must be host:port/],
  ]
  for (const [title, changes, problem] of single) {
    test(`name ${title}`, () => assert.match(problemWith(changes), problem))
  }
})

function issuer(changes: Record<string, unknown>): unknown {
  return {
    id: 'corp',
    issuer: 'https://idp.example',
    keys: { discovery: {} },
    algorithms: ['RS256'],
    audiences: ['nats'],
    ...changes,
  }
}

suite('a file that is not plain YAML', () => {
  test('is refused when it is too long, unread', () => {
    const [problem] = problemsOf(`${MINIMAL}#${' '.repeat(CONFIG_CHARACTERS_MAX)}`)
    assert.match(problem?.message ?? '', /longer than/)
  })

  test('is refused with the line of the mistake', () => {
    assert.match(problemsOf('nats:\n  servers: [a\n')[0]?.message ?? '', /^line \d+, column \d+: /)
  })

  test('is refused for a setting written twice', () => {
    assert.match(
      problemsOf('log: {level: info}\nlog: {level: warn}\n')[0]?.message ?? '',
      /^line 2, column 1: .*unique/,
    )
  })

  test('is refused for aliases, which can make a small file huge', () => {
    const bomb = `a: &a [x, x]\n${Array.from({ length: 40 }, (_, i) => `b${i}: &b${i} [*${i === 0 ? 'a' : `b${i - 1}`}, *${i === 0 ? 'a' : `b${i - 1}`}]`).join('\n')}`
    assert.match(problemsOf(bomb)[0]?.message ?? '', /aliases are not supported/)
  })

  test('is refused for __proto__, which records of JavaScript drop', () => {
    const text = MINIMAL.replace('{ APP: {} }', '{ APP: {}, __proto__: {} }')
    assert.match(problemsOf(text)[0]?.message ?? '', /"__proto__" cannot be a name/)
  })

  test('is refused for a second document', () => {
    assert.ok(problemsOf(`${MINIMAL}\n---\n${MINIMAL}`).length > 0)
  })

  test('is refused for nesting without end', () => {
    assert.ok(problemsOf('['.repeat(100_000)).length > 0)
  })

  test('is refused for a tag of its own', () => {
    assert.match(problemsOf(MINIMAL.replace('user: auth', 'user: !env AUTH'))[0]?.message ?? '', /tag/i)
  })
})

test('no message repeats a seed or a password that stands in the wrong place', () => {
  const seed = 'SAAGXTL3AB2CD4EF5GH6IJ7KL2MN3OP4QR5ST6UV7WX2YZ3AB2CDEFGHIJ'
  const problems = problemsOf(
    configWith({
      'callout.issuer_seed_files': [seed],
      'nats.nkey_seed_file': seed,
      'nats.password': 'hunter2',
      'nats.servers': ['nats://auth:hunter2@127.0.0.1:4222'],
    }),
  )
  assert.doesNotMatch(JSON.stringify(problems), /SAAGX|hunter2/)
})
