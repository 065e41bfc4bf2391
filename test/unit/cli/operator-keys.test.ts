import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { decode, type Account, type Operator, type User } from '@nats-io/jwt'
import { fromSeed } from '@nats-io/nkeys'
import { callout } from './recorded-io.ts'

const SERVICE_FILES = [
  'account-APP.nk',
  'account-OPS.nk',
  'issuer.nk',
  'service-system.creds',
  'service.creds',
  'xkey.nk',
]
const OTHER_FILES = ['nats-server.jwts.conf', 'sentinel.creds', 'sys.creds']
const OFFLINE_FILES = [
  'account-APP.nk',
  'account-OPS.nk',
  'callout-account.nk',
  'operator-signing.nk',
  'operator.nk',
  'system-account.nk',
].map((name) => `offline/${name}`)

let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'callout-operator-keys-'))
})
after(() => rm(root, { recursive: true, force: true }))

interface Generated {
  readonly dir: string
  readonly files: Readonly<Record<string, string>>
  readonly stdout: string
  readonly stderr: string
}

async function generate(...args: readonly string[]): Promise<Generated> {
  const dir = join(await mkdtemp(join(root, 'case-')), 'secrets')
  const { exitCode, stdout, stderr } = await callout(['keys', 'generate', '--operator', '--dir', dir, ...args])
  assert.equal(exitCode, 0, stderr)
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  const names = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const contents = await Promise.all(
    names.map(async (name) => [name.slice(dir.length + 1), await readFile(name, 'utf8')] as const),
  )
  return { dir, files: Object.fromEntries(contents), stdout, stderr }
}

const publicKey = (seed = ''): string => fromSeed(new TextEncoder().encode(seed.trim())).getPublicKey()
const jwtIn = (creds = ''): string => /eyJ[\w.-]+/.exec(creds)?.[0] ?? ''

function accountJwt({ files }: Generated, key: string): Account {
  const [, jwt = ''] = new RegExp(`^ {2}${key}: "(.*)"$`, 'm').exec(files['nats-server.jwts.conf'] ?? '') ?? []
  return decode<Account>(jwt).nats as Account
}

suite('keys generate --operator', () => {
  let made: Generated
  before(async () => {
    made = await generate()
  })

  test('writes a whole set-up that only the owner can read', async () => {
    assert.deepEqual(Object.keys(made.files).sort(), [...SERVICE_FILES, ...OTHER_FILES, ...OFFLINE_FILES].sort())
    for (const name of Object.keys(made.files)) {
      assert.equal((await stat(join(made.dir, name))).mode & 0o777, 0o600, name)
    }
    assert.equal((await stat(join(made.dir, 'offline'))).mode & 0o777, 0o700)
  })

  test('makes an operator whose signing key signs every account', () => {
    const [, jwt = ''] = /^operator: "(.*)"$/m.exec(made.files['nats-server.jwts.conf'] ?? '') ?? []
    const operator = decode<Operator>(jwt)
    const signing = publicKey(made.files['offline/operator-signing.nk'])
    assert.equal(operator.iss, publicKey(made.files['offline/operator.nk']))
    assert.deepEqual(operator.nats.signing_keys, [signing])
    const accounts = [...(made.files['nats-server.jwts.conf'] ?? '').matchAll(/^ {2}A\w+: "(.*)"$/gm)]
    assert.deepEqual(
      accounts.map(([, account = '']) => decode(account).iss),
      [signing, signing, signing, signing],
    )
  })

  test('makes a callout account that asks for everybody but the service, and places into the accounts of clients only', () => {
    const { files } = made
    const { authorization, signing_keys: signingKeys } = accountJwt(
      made,
      publicKey(files['offline/callout-account.nk']),
    )
    assert.deepEqual(signingKeys, [publicKey(files['issuer.nk'])])
    assert.deepEqual(authorization, {
      auth_users: [decode(jwtIn(files['service.creds'])).sub],
      allowed_accounts: ['APP', 'OPS'].map((name) => publicKey(files[`offline/account-${name}.nk`])),
      xkey: publicKey(files['xkey.nk']),
    })
  })

  test('gives each account of clients a signing key, without scope', () => {
    for (const name of ['APP', 'OPS']) {
      const account = accountJwt(made, publicKey(made.files[`offline/account-${name}.nk`]))
      assert.deepEqual(account.signing_keys, [publicKey(made.files[`account-${name}.nk`])])
    }
  })

  test('makes a sentinel that needs no key and may do nothing', () => {
    const { bearer_token: bearer, pub, sub } = decode<User>(jwtIn(made.files['sentinel.creds'])).nats
    assert.deepEqual({ bearer, pub, sub }, { bearer: true, pub: { deny: ['>'] }, sub: { deny: ['>'] } })
    assert.ok(
      made.files['nats-server.jwts.conf']?.includes(`default_sentinel: "${jwtIn(made.files['sentinel.creds'])}"`),
    )
  })

  test('prints public keys and paths, and no seed', () => {
    const printed = made.stdout + made.stderr
    assert.ok(printed.includes(publicKey(made.files['offline/operator.nk'])))
    for (const [name, content] of Object.entries(made.files)) {
      assert.ok(printed.includes(join(made.dir, name)), name)
      const [seed] = /S[AOUX][A-Z2-7]{56}/.exec(content) ?? []
      assert.ok(seed === undefined || !printed.includes(seed), name)
    }
    assert.doesNotMatch(printed, /eyJ/)
  })

  test('prints lines for callout.yaml that config check accepts', async () => {
    const lines = made.stdout.slice(made.stdout.indexOf('nats:\n'))
    const config = join(made.dir, '..', 'callout.yaml')
    await writeFile(
      config,
      `${lines}
issuers: [{ id: corp, issuer: 'https://idp.example', keys: { discovery: {} }, algorithms: [RS256], audiences: [nats] }]
store: { url: 'spanner://projects/p/instances/i/databases/d' }
`,
    )
    const { exitCode, stdout, stderr } = await callout(['config', 'check', '--config', config])
    assert.deepEqual([exitCode, stderr], [0, ''])
    assert.match(stdout, /accounts: APP, OPS/)
  })

  test('prints JSON for programs', async () => {
    const { stdout, files, dir } = await generate('--output', 'json', '--accounts', 'A')
    const printed = JSON.parse(stdout) as { issuer_account: string; accounts: object; files: string[] }
    assert.equal(printed.issuer_account, publicKey(files['offline/callout-account.nk']))
    assert.deepEqual(printed.accounts, { A: publicKey(files['offline/account-A.nk']) })
    assert.deepEqual(printed.files.map((file) => file.slice(dir.length + 1)).sort(), Object.keys(files).sort())
  })

  test('takes the names of the accounts, and makes nothing for names that are none', async () => {
    const { files } = await generate('--accounts', 'orders, billing-2')
    assert.ok('account-orders.nk' in files && 'account-billing-2.nk' in files)
    for (const names of ['', 'A,', '../x', 'A,A', 'SYS', 'AUTH', 'É']) {
      const dir = join(root, 'not-made')
      const { exitCode } = await callout(['keys', 'generate', '--operator', '--dir', dir, '--accounts', names])
      assert.equal(exitCode, 2, names)
      await assert.rejects(stat(dir))
    }
  })

  test('writes nothing when one of the files is there', async () => {
    const { exitCode, stderr } = await callout(['keys', 'generate', '--operator', '--dir', made.dir])
    assert.equal(exitCode, 3)
    assert.match(stderr, /offline\/operator\.nk exists already; nothing was written/)
  })

  test('is what --accounts is for', async () => {
    const { exitCode, stderr } = await callout(['keys', 'generate', '--dir', join(root, 'x'), '--accounts', 'A'])
    assert.equal(exitCode, 2)
    assert.match(stderr, /--accounts goes with --operator/)
  })
})
