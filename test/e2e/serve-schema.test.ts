import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { grpc } from 'google-gax'
import { privateDirectory } from '../../src/dev/child-process.ts'
import { createEmulatorDatabase } from '../../src/dev/emulator-database.ts'
import type { SpannerEmulator } from '../../src/dev/spanner-emulator.ts'
import { startGrpcProxy } from '../support/grpc-proxy.ts'
import { startOwnEmulator } from '../support/spanner.ts'

const MAIN = path.resolve(import.meta.dirname, '../../src/main.ts')

/** `callout serve` against a new database of an emulator that comes by this address. */
async function serve(
  emulator: SpannerEmulator,
  { host = emulator.host, listen = '127.0.0.1:0' } = {},
): Promise<{ status: number; stderr: string }> {
  const { path: home } = privateDirectory('callout-schema')
  const callout = async (...args: string[]): Promise<{ status: number; stderr: string }> => {
    const env = { ...process.env, SPANNER_EMULATOR_HOST: host }
    const child = spawn(process.execPath, [MAIN, ...args], { cwd: home, timeout: 30_000, env })
    child.stdout.resume()
    const [stderr, [status]] = await Promise.all([text(child.stderr), once(child, 'exit') as Promise<[number]>])
    return { status, stderr }
  }
  assert.equal((await callout('keys', 'generate')).status, 0)
  await writeFile(
    path.join(home, 'callout.yaml'),
    `nats: { servers: ['nats://127.0.0.1:1'], user: auth, password_file: secrets/auth.password }
callout: { issuer_seed_files: [secrets/issuer.nk], accounts: { APP: {} } }
issuers: [{ id: corp, issuer: 'https://idp.example', keys: { discovery: {} }, algorithms: [RS256], audiences: [nats] }]
store: { url: 'spanner://${await createEmulatorDatabase(emulator.host)}' }
http: { listen: '${listen}' }
`,
  )
  return await callout('serve')
}

test('serve refuses a schema that it does not know, with one line that says what to do', async () => {
  await using emulator = await startOwnEmulator()
  const { status, stderr } = await serve(emulator)
  assert.equal(status, 1)
  assert.match(stderr, /^callout: the schema of the database is at version 0, .* run "callout schema apply"\n$/)
})

test('serve does not wait for a privilege that is missing, and says whose and what to read', async () => {
  await using emulator = await startOwnEmulator()
  const details = 'Caller is missing IAM permission spanner.sessions.create'
  const denied = Object.assign(new Error(details), {
    code: grpc.status.PERMISSION_DENIED,
    details,
    metadata: new grpc.Metadata(),
  })
  await using proxy = await startGrpcProxy(emulator.host, (name) => (name === 'createSession' ? denied : undefined))
  const { status, stderr } = await serve(emulator, { host: proxy.host })
  assert.equal(status, 1)
  assert.match(
    stderr,
    /^callout: session: a privilege is missing in Spanner: Caller [^\n]*"Least privilege in Spanner"[^\n]*\n$/,
  )
})

test('serve says in one line that it cannot listen on an address that is not of this machine', async () => {
  await using emulator = await startOwnEmulator()
  const { status, stderr } = await serve(emulator, { listen: '192.0.2.1:9090' })
  assert.equal(status, 1)
  assert.equal(stderr, 'callout: cannot listen on 192.0.2.1:9090 (EADDRNOTAVAIL); choose another http.listen\n')
})
