import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { createAccount, createCurve, createUser } from '@nats-io/nkeys'
import { checkFiles } from '../../../src/config/check-files.ts'
import { CONFIG_REFERENCE } from '../../../src/config/reference.ts'
import { readConfig } from '../../../src/config/read-config.ts'
import { loadSecrets, type SecretsReading } from '../../../src/config/secrets.ts'
import { selfSignedCertificate } from '../../support/oidc.ts'
import { configWith } from './config-text.ts'

const text = (seed: Uint8Array): string => new TextDecoder().decode(seed)
const account = text(createAccount().getSeed())
const curve = text(createCurve().getSeed())
const user = text(createUser().getSeed())
const creds = '-----BEGIN NATS USER JWT-----\nx\n------END NATS USER JWT------\n-----BEGIN USER NKEY SEED-----\ny\n'
const { cert: certificate } = selfSignedCertificate()
const key = '-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n'

let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'callout-secrets-'))
})
after(() => rm(dir, { recursive: true, force: true }))

/** Writes files with mode 0600 and reads the secrets of the minimal configuration with these changes. */
async function load(
  changes: Record<string, unknown>,
  files: Record<string, string | Uint8Array>,
): Promise<SecretsReading> {
  const baseDir = await mkdtemp(join(dir, 'case-'))
  for (const [name, content] of Object.entries({ 'auth.password': 'p\n', 'issuer.nk': `${account}\n`, ...files })) {
    await writeFile(join(baseDir, name), content, { mode: 0o600 })
  }
  const reading = readConfig(
    configWith({ 'nats.password_file': 'auth.password', 'callout.issuer_seed_files': ['issuer.nk'], ...changes }),
    { baseDir },
  )
  if ('problems' in reading) assert.fail(JSON.stringify(reading.problems))
  return loadSecrets(reading.config)
}

function problemsOf(reading: SecretsReading): string[] {
  if (!('problems' in reading)) assert.fail('the secrets were accepted')
  return reading.problems.map(({ path, message }) => `${path}: ${message.replaceAll(dir, '…')}`)
}

const noUser = { 'nats.user': undefined, 'nats.password_file': undefined }

suite('secrets', () => {
  test('are read from the files that the configuration names, without the newline at their end', async () => {
    const reading = await load(
      {
        'callout.xkey_seed_files': ['xkey.nk'],
        'nats.system': { user: 'sys', password_file: 'sys.password' },
        'nats.tls': { ca_file: 'ca.pem', cert_file: 'cert.pem', key_file: 'key.pem' },
      },
      {
        'xkey.nk': `${curve}\r\n`,
        'sys.password': ' s ',
        'ca.pem': certificate,
        'cert.pem': certificate,
        'key.pem': key,
      },
    )
    assert.ok('secrets' in reading)
    const { nats, issuerSeeds, xkeySeeds } = reading.secrets
    assert.deepEqual(nats.login, { kind: 'password', user: 'auth', password: 'p' })
    assert.deepEqual(nats.system, { kind: 'password', user: 'sys', password: ' s ' })
    assert.deepEqual(Object.keys(nats.tls ?? {}), ['ca', 'cert', 'key'])
    assert.deepEqual([issuerSeeds.map(({ seed }) => seed), xkeySeeds.map(({ seed }) => seed)], [[account], [curve]])
    assert.match(issuerSeeds[0]?.label ?? '', /\/issuer\.nk$/)
    assert.deepEqual(reading.warnings, [])
  })

  test('may be as many authorities as a system trusts', async () => {
    const bundle = certificate.repeat(Math.ceil(220_000 / certificate.length))
    const reading = await load({ 'nats.tls': { ca_file: 'ca.pem' } }, { 'ca.pem': bundle })
    assert.ok('secrets' in reading)
    assert.equal(reading.secrets.nats.tls?.ca, bundle.trimEnd())
  })

  test('may be a user nkey or a credentials file', async () => {
    const nkey = await load({ ...noUser, 'nats.nkey_seed_file': 'user.nk' }, { 'user.nk': user })
    assert.ok('secrets' in nkey && nkey.secrets.nats.login.kind === 'nkey' && nkey.secrets.nats.login.seed === user)
    const file = await load({ ...noUser, 'nats.creds_file': 'a.creds' }, { 'a.creds': creds })
    assert.ok('secrets' in file && file.secrets.nats.login.kind === 'creds')
  })

  test('with problems are reported all at once', async () => {
    const problems = problemsOf(
      await load(
        { 'callout.xkey_seed_files': ['issuer.nk', 'absent.nk'], 'issuers.0.keys': { jwks_file: 'absent.json' } },
        { 'auth.password': '', 'issuer.nk': curve.replace(/.$/, '') },
      ),
    )
    assert.deepEqual(
      problems.map((problem) => problem.split(': ')[0]),
      [
        'nats.password_file',
        'callout.issuer_seed_files[0]',
        'callout.xkey_seed_files[0]',
        'callout.xkey_seed_files[1]',
        'issuers[0].keys.jwks_file',
      ],
    )
  })

  const wrong: [
    title: string,
    changes: Record<string, unknown>,
    files: Record<string, string | Uint8Array>,
    problem: RegExp,
  ][] = [
    ['an empty seed file', {}, { 'issuer.nk': '' }, /does not hold an account seed/],
    [
      'a public key in place of a seed',
      {},
      { 'issuer.nk': createAccount().getPublicKey() },
      /does not hold an account seed/,
    ],
    ['an xkey in place of an issuer', {}, { 'issuer.nk': curve }, /but a curve seed/],
    ['an issuer in place of an xkey', { 'callout.xkey_seed_files': ['issuer.nk'] }, {}, /does not hold a curve seed/],
    [
      'the same issuer twice',
      { 'callout.issuer_seed_files': ['issuer.nk', 'again.nk'] },
      { 'again.nk': account },
      /\[1\]: holds the same seed/,
    ],
    ['a password of two lines', {}, { 'auth.password': 'a\nb\n' }, /must hold one line/],
    ['a password that is not text', {}, { 'auth.password': Uint8Array.of(0xff, 0xfe) }, /is not UTF-8/],
    ['a file without bound', {}, { 'auth.password': 'x'.repeat(100_000) }, /is longer than 65536 bytes/],
    [
      'credentials without a seed',
      { ...noUser, 'nats.creds_file': 'a.creds' },
      { 'a.creds': creds.slice(0, 60) },
      /is not a credentials file/,
    ],
    [
      'a certificate in place of a key',
      { 'nats.tls': { cert_file: 'c.pem', key_file: 'c.pem' } },
      { 'c.pem': certificate },
      /key_file: holds no PEM block of a private key/,
    ],
    [
      'an authority of an issuer that is no certificate',
      { 'issuers.0.http': { ca_file: 'ca.pem' } },
      { 'ca.pem': key },
      /^issuers\[0\]\.http\.ca_file: holds no PEM block of a certificate/,
    ],
    [
      'authorities of which one is damaged',
      { 'nats.tls': { ca_file: 'ca.pem' } },
      { 'ca.pem': `${certificate}${certificate.replace(/M/, '')}` },
      /^nats\.tls\.ca_file: holds a certificate that cannot be read/,
    ],
    [
      'an empty token for the keys of an issuer',
      { 'issuers.0.http': { bearer_token_file: 'token' } },
      { token: '' },
      /^issuers\[0\]\.http\.bearer_token_file: must hold one line/,
    ],
    [
      'an empty secret for introspection',
      { 'issuers.0.introspection': { client_id: 'callout', client_secret_file: 'secret' } },
      { secret: '' },
      /^issuers\[0\]\.introspection\.client_secret_file: must hold one line with the client secret/,
    ],
    [
      'a private key for introspection that cannot be read',
      {
        'issuers.0.introspection': {
          client_id: 'callout',
          auth: 'private_key_jwt',
          private_key_file: 'key',
          algorithm: 'ES256',
        },
      },
      { key: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n' },
      /^issuers\[0\]\.introspection\.private_key_file: holds no private key in PEM/,
    ],
    ['a folder', { 'nats.password_file': '.' }, {}, /is not a regular file/],
  ]
  for (const [title, changes, files, problem] of wrong) {
    test(`refuse ${title}`, async () => {
      const problems = problemsOf(await load(changes, files))
      assert.equal(problems.length, 1, problems.join('\n'))
      assert.match(problems[0] ?? '', problem)
    })
  }

  test('are not waited for in a pipe that nobody writes to', async () => {
    const pipe = join(dir, 'pipe')
    execFileSync('mkfifo', [pipe])
    assert.match(problemsOf(await load({ 'nats.password_file': pipe }, {}))[0] ?? '', /is not a regular file/)
  })

  test('are never part of a message', async () => {
    const reading = await load(
      { 'callout.xkey_seed_files': ['issuer.nk', 'password.nk'] },
      { 'password.nk': 'hunter2', 'issuer.nk': account.slice(0, -1) },
    )
    assert.doesNotMatch(JSON.stringify(reading), new RegExp(`hunter2|${account.slice(3, 12)}`))
  })

  test('that every user of the machine can read are a warning, as mounts of Kubernetes are', async () => {
    const name = join(dir, 'open.password')
    await writeFile(name, 'p')
    await chmod(name, 0o644)
    const reading = await load({ 'nats.password_file': name }, {})
    assert.ok('secrets' in reading)
    assert.deepEqual(
      reading.warnings.map(({ path }) => path),
      ['nats.password_file'],
    )
    assert.match(reading.warnings[0]?.message ?? '', /chmod 600/)
  })
})

suite('the files of a configuration that is not right', () => {
  test('are checked all the same, in place of stopping at the first kind of problem', async () => {
    await writeFile(join(dir, 'wrong.nk'), curve, { mode: 0o600 })
    const text = configWith({
      'nats.qeue': 1,
      'nats.password_file': 'absent',
      'callout.issuer_seed_files': ['wrong.nk', 5],
      'issuers.0.keys': { jwks_file: 'absent.json', jwks_uri: 'x' },
    })
    const problems = await checkFiles(text, { baseDir: dir })
    assert.deepEqual(
      problems.map(({ path }) => path),
      ['nats.password_file', 'callout.issuer_seed_files[0]', 'issuers[0].keys.jwks_file'],
    )
  })

  test('are not looked for in what is no mapping, no YAML or no file name', async () => {
    const seed = { 'callout.issuer_seed_files': [account, 'a\u0000b', '', null] }
    for (const text of [
      '',
      '5',
      '- nats',
      '{',
      'nats: []',
      'issuers: {a: 1}',
      configWith({ ...seed, nats: undefined }),
    ]) {
      assert.deepEqual(await checkFiles(text, { baseDir: dir }), [], text)
    }
  })

  test('include every setting that names a file', async () => {
    for (const { path, type } of CONFIG_REFERENCE) {
      if (type !== 'file' && type !== 'list of files') continue
      const value = type === 'file' ? 'absent' : ['absent']
      const clean = { nats: {}, callout: {}, issuers: [{}] }
      const problems = await checkFiles(configWith({ ...clean, [path.replace('[]', '.0')]: value }), { baseDir: dir })
      assert.equal(problems.length, 1, path)
    }
  })
})
