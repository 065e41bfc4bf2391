import { randomBytes, randomUUID } from 'node:crypto'
import { access, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import type { CliIo } from '../cli/io.ts'
import { generateKeys } from '../cli/keys-command.ts'
import { readConfig } from '../config/read-config.ts'
import { systemClock } from '../service/clock.ts'
import { DatabaseAdmin } from '../spanner/database-admin.ts'
import { SpannerDatabase } from '../spanner/database.ts'
import { applyMigrations } from '../spanner/migrations.ts'
import { createPolicyAdmin } from '../spanner/policy-admin.ts'
import { createEmulatorDatabase } from './emulator-database.ts'
import { KEYS_CONFIG_FILE } from './reference-nats-server.ts'
import { addSamplePolicy } from './sample-policy.ts'

const CLIENT_SECRET_BYTES = 24

/** What `keys generate` says is for people who edit nats-server.conf themselves. */
const SILENT: CliIo = { stdout: { write() {} }, stderr: { write() {} }, env: {} }

export interface SetupOptions {
  /** `projects/P/instances/I/databases/D` */
  readonly database: string
  /** `host:port` */
  readonly emulatorHost: string
  readonly secretsDirectory: string
  /** Gets the file that `nats-server.conf` includes. */
  readonly natsSecretsDirectory: string
  /** Gets `client.secret`, the secret of the service clients at the local provider. */
  readonly providerSecretsDirectory: string
}

/**
 * Prepares a local stack: keys and passwords, the database in the emulator with its schema, sample grants. Safe to run
 * again: secrets and rows that exist are kept.
 */
export async function setUpLocalStack(options: SetupOptions, progress: (line: string) => void): Promise<void> {
  const { database: name, emulatorHost } = options
  await unlessThere(path.join(options.providerSecretsDirectory, 'client.secret'), (file) =>
    writeFile(file, randomBytes(CLIENT_SECRET_BYTES).toString('base64url'), { mode: 0o600 }),
  )
  await unlessThere(path.join(options.secretsDirectory, 'issuer.nk'), async () => {
    await generateKeys({ dir: options.secretsDirectory, force: false, output: 'table' }, SILENT)
  })
  if (options.natsSecretsDirectory !== options.secretsDirectory) {
    const keysFile = path.basename(KEYS_CONFIG_FILE)
    const keys = await readFile(path.join(options.secretsDirectory, keysFile))
    await writeFile(path.join(options.natsSecretsDirectory, keysFile), keys, { mode: 0o600 })
  }
  progress('keys and passwords are there')

  await createEmulatorDatabase(emulatorHost, name)
  progress(`${name} is there`)

  const clock = systemClock
  const events = { storeFault() {}, storeRecovered() {} }
  await using database = new SpannerDatabase({ database: name, emulatorHost, clock, events })
  await using admin = new DatabaseAdmin({ database: name, emulatorHost, clock })
  await applyMigrations({ database, admin, clock, holder: 'setup', progress })
  await addSamplePolicy(createPolicyAdmin({ database, clock, newId: randomUUID }))
  progress('schema and sample grants are there')
}

async function unlessThere(file: string, make: (file: string) => Promise<void>): Promise<void> {
  const exists = await access(file).then(
    () => true,
    () => false,
  )
  if (!exists) await make(file)
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      config: { type: 'string', default: 'callout.yaml' },
      'secrets-dir': { type: 'string', default: 'secrets' },
      'nats-secrets-dir': { type: 'string', default: 'secrets' },
      'provider-secrets-dir': { type: 'string', default: 'secrets' },
    },
  })
  const emulatorHost = process.env['SPANNER_EMULATOR_HOST']
  if (emulatorHost === undefined) throw new Error('set SPANNER_EMULATOR_HOST: this sets up an emulator, nothing else')
  const reading = readConfig(await readFile(values.config, 'utf8'), { baseDir: path.dirname(values.config) })
  if ('problems' in reading) throw new Error(`${values.config}: ${JSON.stringify(reading.problems)}`)
  await setUpLocalStack(
    {
      database: reading.config.store.database,
      emulatorHost,
      secretsDirectory: values['secrets-dir'],
      natsSecretsDirectory: values['nats-secrets-dir'],
      providerSecretsDirectory: values['provider-secrets-dir'],
    },
    (line) => process.stdout.write(`${line}\n`),
  )
}

if (import.meta.main) await main()
