import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { createAccount, createCurve, createUser } from '@nats-io/nkeys'
import { checkFiles } from '../../../src/config/check-files.ts'
import { problemOfAccountKey } from '../../../src/config/nkey-seed.ts'
import { readConfig } from '../../../src/config/read-config.ts'
import { loadSecrets } from '../../../src/config/secrets.ts'
import { configWith } from './config-text.ts'

const [AUTH, APP, OPS] = [publicKey(), publicKey(), publicKey()]
const APP_KEYS = { public_key: APP, signing_key_seed_file: 'app.nk' }
const OPS_KEYS = { public_key: OPS, signing_key_seed_file: 'ops.nk' }
const OPERATOR = {
  'callout.issuer_account': AUTH,
  'callout.accounts': undefined,
  'callout.accounts.APP': APP_KEYS,
  'callout.accounts.OPS': OPS_KEYS,
}

function publicKey(): string {
  return createAccount().getPublicKey()
}

function problemsOf(changes: Record<string, unknown>): string[] {
  const reading = readConfig(configWith(changes), { baseDir: '/etc/callout' })
  return 'problems' in reading ? reading.problems.map(({ path, message }) => `${path}: ${message}`) : []
}

suite('a configuration for operator mode', () => {
  test('has the key of the callout account and the keys of each account', () => {
    const reading = readConfig(configWith(OPERATOR), { baseDir: '/etc/callout' })
    assert.ok('config' in reading, JSON.stringify(reading))
    assert.deepEqual([...reading.config.callout.accounts.keys()], ['APP', 'OPS'])
    assert.deepEqual(reading.config.callout.operator, {
      issuerAccount: AUTH,
      accountKeys: new Map([
        ['APP', { publicKey: APP, signingKeySeedFile: '/etc/callout/app.nk' }],
        ['OPS', { publicKey: OPS, signingKeySeedFile: '/etc/callout/ops.nk' }],
      ]),
    })
  })

  const wrong: [title: string, changes: Record<string, unknown>, problem: RegExp][] = [
    ['an account without keys', { 'callout.accounts.OPS': {} }, /^callout\.accounts\.OPS: needs public_key/],
    [
      'keys without issuer_account',
      { 'callout.issuer_account': undefined, 'callout.accounts.OPS': {} },
      /^callout\.accounts\.APP\.public_key: is for operator mode, which needs callout\.issuer_account/,
    ],
    [
      'a key without its seed',
      { 'callout.accounts.APP': { public_key: APP } },
      /^callout\.accounts\.APP: public_key and signing_key_seed_file belong together/,
    ],
    [
      'a seed without its key',
      { 'callout.accounts.APP': { signing_key_seed_file: 'app.nk' } },
      /callout\.accounts\.APP: public_key and signing_key_seed_file belong together/,
    ],
    [
      'the callout account among the accounts of clients',
      { 'callout.accounts.APP': { ...APP_KEYS, public_key: AUTH } },
      /^callout\.accounts\.APP\.public_key: is the callout account/,
    ],
    [
      'one account under two names',
      { 'callout.accounts.OPS': { ...OPS_KEYS, public_key: APP } },
      /^callout\.accounts\.OPS\.public_key: is the key of another account/,
    ],
    [
      'several issuer seeds, of which a request could not choose',
      { 'callout.issuer_seed_files': ['a.nk', 'b.nk'] },
      /^callout\.issuer_seed_files: holds one file in operator mode/,
    ],
    ['a user key', { 'callout.issuer_account': createUser().getPublicKey() }, /must be the public key of an account/],
  ]
  for (const [title, changes, problem] of wrong) {
    test(`is refused with ${title}`, () => {
      const problems = problemsOf({ ...OPERATOR, ...changes })
      assert.equal(problems.length, 1, problems.join('\n'))
      assert.match(problems[0] ?? '', problem)
    })
  }

  test('may log in to the system account with creds, one way only', () => {
    const both = { user: 'sys', password_file: 'p', creds_file: 'c' }
    assert.deepEqual(problemsOf({ ...OPERATOR, 'nats.system': { creds_file: 'c' } }), [])
    assert.deepEqual(problemsOf({ 'nats.system': both }), ['nats.system: needs exactly one of user, creds_file'])
    assert.deepEqual(problemsOf({ 'nats.system': {} }), ['nats.system: needs exactly one of user, creds_file'])
    assert.deepEqual(problemsOf({ 'nats.system': { user: 'sys' } }), [
      'nats.system: user and password_file belong together',
    ])
  })

  test('gets the seeds of the accounts by their names', async () => {
    const { reading, seeds } = await load({})
    assert.ok('secrets' in reading)
    assert.deepEqual(
      [...reading.secrets.accountSeeds].map(([name, { seed }]) => [name, seed]),
      [
        ['APP', seeds.app],
        ['OPS', seeds.ops],
      ],
    )
  })

  test('with a seed of the wrong kind is refused at its path', async () => {
    const { reading } = await load({ 'app.nk': new TextDecoder().decode(createCurve().getSeed()) })
    assert.ok('problems' in reading)
    assert.match(
      reading.problems.map(({ path, message }) => `${path}: ${message}`).join('\n'),
      /^callout\.accounts\.APP\.signing_key_seed_file: does not hold an account seed \(SA…\), but a curve seed.*$/,
    )
  })

  test('has its seed files checked although a setting is wrong', async () => {
    const problems = await checkFiles(configWith({ ...OPERATOR, grantz: {} }), { baseDir: '/nowhere' })
    assert.ok(problems.some(({ path }) => path === 'callout.accounts.APP.signing_key_seed_file'))
  })
})

test('an account key that is damaged, of another kind or a seed is no account key', () => {
  assert.equal(problemOfAccountKey(APP), undefined)
  const damaged = APP.slice(0, -1) + (APP.endsWith('A') ? 'B' : 'A')
  const seed = new TextDecoder().decode(createAccount().getSeed())
  for (const wrong of [
    damaged,
    createUser().getPublicKey(),
    seed,
    '',
    'APP',
    APP.toLowerCase(),
    `${APP} `,
    `A${APP}`,
  ]) {
    const problem = problemOfAccountKey(wrong) ?? assert.fail(`accepted ${wrong}`)
    assert.ok(!problem.includes(seed.slice(4, 20)))
  }
})

async function load(files: Record<string, string>) {
  const seedText = (): string => new TextDecoder().decode(createAccount().getSeed())
  const seeds = { app: seedText(), ops: seedText(), issuer: seedText() }
  const baseDir = await mkdtemp(join(tmpdir(), 'callout-operator-'))
  const contents = { 'auth.password': 'p', 'issuer.nk': seeds.issuer, 'app.nk': seeds.app, 'ops.nk': seeds.ops }
  for (const [name, text] of Object.entries({ ...contents, ...files }))
    await writeFile(join(baseDir, name), text, { mode: 0o600 })
  const changes = { 'nats.password_file': 'auth.password', 'callout.issuer_seed_files': ['issuer.nk'] }
  const checked = readConfig(configWith({ ...OPERATOR, ...changes }), { baseDir })
  if ('problems' in checked) assert.fail(JSON.stringify(checked.problems))
  const reading = await loadSecrets(checked.config)
  await rm(baseDir, { recursive: true })
  return { reading, seeds }
}
