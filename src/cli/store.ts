import type { Config } from '../config/config.ts'
import { systemClock } from '../service/clock.ts'
import { SpannerDatabase } from '../spanner/database.ts'
import { requireKnownSchema } from '../spanner/migrations.ts'
import { loadConfig } from './configuration.ts'
import { emulatorHostOf, type CliIo } from './io.ts'

/** A person waits for it; Spanner answers within a second or not at all. */
const SCHEMA_TIMEOUT_MS = 5_000

/** The database that a configuration names, as an admin command uses it. */
export interface Store extends AsyncDisposable {
  readonly config: Config
  readonly database: SpannerDatabase
  readonly databaseName: string
  /** Value of `SPANNER_EMULATOR_HOST`; spread into the options of clients. */
  readonly endpoint: { readonly emulatorHost?: string }
}

/** The `owner` works with the rights of the account, whatever `store.role` says: no database role may change the schema. */
export type StoreUser = 'role' | 'owner'

/** Opens the store of a configuration; secrets are not needed and not read. Nothing is connected yet. */
export async function openStore(configFile: string, io: CliIo, as: StoreUser = 'role'): Promise<Store> {
  const config = await loadConfig(configFile)
  const { database: databaseName, role } = config.store
  const emulatorHost = emulatorHostOf(io)
  const endpoint = emulatorHost === undefined ? {} : { emulatorHost }
  const database = new SpannerDatabase({
    database: databaseName,
    ...(role !== undefined && as === 'role' && { role }),
    ...endpoint,
    clock: systemClock,
    events: SILENT,
  })
  return { config, database, databaseName, endpoint, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() }
}

/**
 * Opens the store and makes sure that its schema is the one of this release: rows of another must not be guessed at,
 * and "the table is not there" would not say what to do. Throws `CalloutError('ERR_SCHEMA_VERSION')`, which does.
 */
export async function openKnownStore(configFile: string, io: CliIo, as: StoreUser = 'role'): Promise<Store> {
  await using opening = new AsyncDisposableStack()
  const store = opening.use(await openStore(configFile, io, as))
  await requireKnownSchema(store.database, systemClock.monotonicMs() + SCHEMA_TIMEOUT_MS)
  opening.move()
  return store
}

/** What fails for good is thrown and shown; a failure that a retry mends is of no interest here. */
const SILENT = { storeFault: () => {}, storeRecovered: () => {} }
