import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { run } from '../../../src/cli/program.ts'
import { privateDirectory } from '../../../src/dev/child-process.ts'
import { forgeSignature } from '../../../src/dev/forged-token.ts'
import { startOpenIdProvider, type OpenIdProvider } from '../../../src/dev/openid-provider.ts'

const { path: directory } = privateDirectory('callout-explain')
const config = path.join(directory, 'callout.yaml')
let provider: OpenIdProvider

before(async () => {
  provider = await startOpenIdProvider()
  await writeConfig(provider.issuer)
})
after(() => provider.stop())

async function writeConfig(issuer: string): Promise<void> {
  await writeFile(
    config,
    `nats: { servers: ['nats://127.0.0.1:1'], user: auth, password_file: auth.password }
callout: { issuer_seed_files: [issuer.nk], accounts: { APP: {} } }
issuers:
  - { id: local, issuer: '${issuer}', keys: { discovery: {} }, algorithms: [RS256], audiences: [nats], identity: { groups: { path: [groups] } } }
store: { url: 'spanner://projects/none/instances/none/databases/none' }
`,
  )
}

/** Explains a token that comes in on standard input. */
async function explain(token: string, ...more: string[]): Promise<{ code: number; text: string }> {
  let text = ''
  const out = { write: (chunk: string) => (text += chunk) }
  const stdin = (async function* () {
    yield Buffer.from(`${token}\n`)
  })()
  const code = await run(['token', 'explain', '--config', config, '--token-file', '-', ...more], {
    stdin,
    stdout: out,
    stderr: out,
    env: {},
  })
  assert.ok(!token.split('.').some((part) => part !== '' && text.includes(part)), 'the token is shown')
  return { code, text }
}

suite('token explain', () => {
  test('says what a good token passed and what it stands for, and exits with 0', async () => {
    const { code, text } = await explain(await provider.deviceLogin('alice'))
    assert.equal(code, 0)
    for (const check of ['form', 'issuer', 'signature', 'entry', 'claims', 'identity'])
      assert.match(text, new RegExp(`^ok +${check} `, 'm'))
    assert.match(text, /^accepted as user:local:alice$/m)
    assert.match(text, /^grants of: user:local:alice, group:local:engineering, issuer:local,/m)
    assert.match(
      text,
      /^locks of: the same, client:local:cli, token:local:[^ ,]+, everyone, its address and its account$/m,
    )
  })

  test('says where a forged token failed, and exits with 1', async () => {
    const { code, text } = await explain(await forgeSignature(await provider.clientCredentials('orders-service')))
    assert.equal(code, 1)
    assert.match(text, /^ok +issuer /m)
    assert.match(text, /^FAIL +signature_invalid +the signature does not verify$/m)
    assert.doesNotMatch(text, /^ok +claims/m)
  })

  test('says where a token for another audience failed, and exits with 1', async () => {
    const { code, text } = await explain(await provider.clientCredentials('orders-service', { audience: 'billing' }))
    assert.equal(code, 1)
    assert.match(text, /^ok +signature /m)
    assert.match(text, /^FAIL +audience_mismatch /m)
  })

  test('speaks JSON to programs', async () => {
    const { code, text } = await explain(await provider.clientCredentials('orders-service'), '--output', 'json')
    const answer = JSON.parse(text) as { accepted: boolean; principal: string; steps: object[] }
    assert.deepEqual(
      [code, answer.accepted, answer.principal, answer.steps.length],
      [0, true, 'client:local:orders-service', 6],
    )
  })

  test('takes text that is no token for what it is', async () => {
    const { code, text } = await explain('hello')
    assert.equal(code, 1)
    assert.match(text, /^FAIL +token_malformed /m)
  })

  test('without its file exits with 2', async () => {
    const out = { write: () => true }
    const file = path.join(directory, 'absent')
    const code = await run(['token', 'explain', '--config', config, '--token-file', file], {
      stdout: out,
      stderr: out,
      env: {},
    })
    assert.equal(code, 2)
  })
})

test('token explain exits with 5 when the issuer does not answer, and blames no token', async () => {
  const gone = await startOpenIdProvider()
  const token = await gone.clientCredentials('orders-service')
  await gone.stop()
  await writeConfig(gone.issuer)
  const { code, text } = await explain(token)
  await writeConfig(provider.issuer)
  assert.equal(code, 5)
  assert.match(text, /^FAIL +issuer_unavailable /m)
})

test('token explain asks the issuer about an opaque token, and says so', async () => {
  await writeFile(path.join(directory, 'client.secret'), provider.clientSecret, { mode: 0o600 })
  const before = await readFile(config, 'utf8')
  const introspection = 'introspection: { client_id: reporting, client_secret_file: client.secret }'
  await writeFile(config, before.replace('algorithms:', `${introspection}, algorithms:`))
  const good = await explain(await provider.deviceLogin('alice', { opaque: true }))
  const made = await explain('nobody-ever-issued-this-token')
  await writeFile(config, before)
  assert.equal(good.code, 0)
  assert.match(good.text, /^ok +form +an opaque token of 43 bytes$/m)
  assert.match(good.text, /^ok +introspection +the issuer says that the token is active \(asked just now\)$/m)
  assert.match(good.text, /^accepted as user:local:alice$/m)
  assert.equal(made.code, 1)
  assert.match(made.text, /^FAIL +token_inactive /m)
})
