import { systemClock } from '../service/clock.ts'
import { SpannerDatabase } from '../spanner/database.ts'
import { loadConfig } from './configuration.ts'
import type { Config } from '../config/config.ts'
import type { CliIo } from './io.ts'

/** The database that a configuration names, as an admin command uses it. */
export interface Store extends AsyncDisposable {
  readonly config: Config
  readonly database: SpannerDatabase
  readonly databaseName: string
  /** Value of `SPANNER_EMULATOR_HOST`; spread into the options of clients. */
  readonly endpoint: { readonly emulatorHost?: string }
}

/** Opens the store of a configuration; secrets are not needed and not read. Nothing is connected yet. */
export async function openStore(configFile: string, io: CliIo): Promise<Store> {
  const config = await loadConfig(configFile)
  const { database: databaseName } = config.store
  const emulatorHost = io.env['SPANNER_EMULATOR_HOST']
  const endpoint = emulatorHost === undefined || emulatorHost === '' ? {} : { emulatorHost }
  const database = new SpannerDatabase({ database: databaseName, ...endpoint, clock: systemClock, events: SILENT })
  return { config, database, databaseName, endpoint, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() }
}

/** What fails for good is thrown and shown; a failure that a retry mends is of no interest here. */
const SILENT = { storeFault: () => {}, storeRecovered: () => {} }
