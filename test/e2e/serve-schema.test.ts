import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { privateDirectory } from '../../src/dev/child-process.ts'
import { createEmulatorDatabase } from '../../src/dev/emulator-database.ts'
import { startOwnEmulator } from '../support/spanner.ts'

const MAIN = path.resolve(import.meta.dirname, '../../src/main.ts')

test('serve refuses a schema that it does not know, with one line that says what to do', async () => {
  await using emulator = await startOwnEmulator()
  const { path: home } = privateDirectory('callout-schema')
  const callout = (...args: string[]) =>
    spawnSync(process.execPath, [MAIN, ...args], {
      cwd: home,
      encoding: 'utf8',
      timeout: 30_000,
      env: { ...process.env, SPANNER_EMULATOR_HOST: emulator.host },
    })
  assert.equal(callout('keys', 'generate').status, 0)
  await writeFile(
    path.join(home, 'callout.yaml'),
    `nats: { servers: ['nats://127.0.0.1:1'], user: auth, password_file: secrets/auth.password }
callout: { issuer_seed_files: [secrets/issuer.nk], accounts: { APP: {} } }
issuers: [{ id: corp, issuer: 'https://idp.example', keys: { discovery: {} }, algorithms: [RS256], audiences: [nats] }]
store: { url: 'spanner://${await createEmulatorDatabase(emulator.host)}' }
http: { listen: '127.0.0.1:0' }
`,
  )
  const { status, stderr } = callout('serve')
  assert.equal(status, 1)
  assert.match(stderr, /^callout: the schema of the database is at version 0, .* run "callout schema apply"\n$/)
})
