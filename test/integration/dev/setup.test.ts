import { randomUUID } from 'node:crypto'
import assert from 'node:assert/strict'
import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { connect } from '@nats-io/transport-node'
import { privateDirectory } from '../../../src/dev/child-process.ts'
import { startNatsServer } from '../../../src/dev/nats-server.ts'
import { KEYS_CONFIG_FILE, REFERENCE_CONFIG_FILE } from '../../../src/dev/reference-nats-server.ts'
import { SAMPLE_GRANTS } from '../../../src/dev/sample-policy.ts'
import { setUpLocalStack } from '../../../src/dev/setup.ts'
import { startSpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { systemClock } from '../../../src/service/clock.ts'
import { SpannerDatabase } from '../../../src/spanner/database.ts'
import { requireKnownSchema } from '../../../src/spanner/migrations.ts'
import { createPolicyAdmin } from '../../../src/spanner/policy-admin.ts'

const DATABASE = 'projects/local/instances/callout/databases/callout'

suite('the set-up of a local stack', () => {
  const directory = privateDirectory('setup-test')
  const fileOf = (name: string): string => path.join(directory.path, name)
  let emulator: SpannerEmulator
  let database: SpannerDatabase
  const setUp = (): Promise<void> =>
    setUpLocalStack(
      {
        database: DATABASE,
        emulatorHost: emulator.host,
        secretsDirectory: directory.path,
        natsSecretsDirectory: directory.path,
        providerSecretsDirectory: directory.path,
      },
      () => {},
    )
  before(async () => {
    emulator = await startSpannerEmulator()
    await setUp()
    const events = { storeFault() {}, storeRecovered() {} }
    database = new SpannerDatabase({ database: DATABASE, emulatorHost: emulator.host, clock: systemClock, events })
  })
  after(async () => {
    await database[Symbol.asyncDispose]()
    await emulator.stop()
    directory.remove()
  })

  test('makes the secrets that callout.yaml and nats-server.conf name, for one user only', async () => {
    const names = ['issuer.nk', 'xkey.nk', 'auth.password', 'sys.password', 'client.secret', 'nats-server.keys.conf']
    for (const name of names) assert.equal((await stat(fileOf(name))).mode & 0o777, 0o600, name)
  })

  test('makes a file with which the reference nats-server.conf runs and knows the two passwords', async () => {
    const config = await readFile(REFERENCE_CONFIG_FILE, 'utf8')
    const keys = await readFile(fileOf('nats-server.keys.conf'), 'utf8')
    await using server = await startNatsServer({ config, includes: { [KEYS_CONFIG_FILE]: keys } })
    for (const user of ['auth', 'sys']) {
      const pass = (await readFile(fileOf(`${user}.password`), 'utf8')).trim()
      await (await connect({ servers: server.url, user, pass, reconnect: false })).close()
    }
  })

  test('leaves the schema of this release and the sample grants', async () => {
    await requireKnownSchema(database, systemClock.monotonicMs() + 10_000)
    const grants = await createPolicyAdmin({ database, clock: systemClock, newId: randomUUID }).listGrants({}, 100)
    assert.deepEqual(new Set(grants.map(({ id }) => id)), new Set(SAMPLE_GRANTS.map(({ id }) => id)))
  })

  test('keeps what is there when it runs again', async () => {
    const seed = await readFile(fileOf('issuer.nk'), 'utf8')
    await setUp()
    assert.equal(await readFile(fileOf('issuer.nk'), 'utf8'), seed)
  })
})
