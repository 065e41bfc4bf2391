import { CalloutError } from '../core/errors.ts'
import type { Clock, DeadlineMs } from '../service/ports.ts'
import type { SpannerDatabase } from './database.ts'
import { migrationChecksum } from './migration.ts'
import type { Migration } from './migration.ts'
import { deletion, upsertion } from './mutation.ts'
import { SCHEMA_LOCK, SCHEMA_LOCK_COLUMNS, SCHEMA_MIGRATION_COLUMNS, SCHEMA_MIGRATIONS } from './schema.ts'
import type { Transaction } from './transaction.ts'
import { COMMIT_TIMESTAMP, int64Value, NULL, RowReader, stringValue, timestampValue } from './values.ts'

/** Made before the first migration, because migrations are recorded here. */
export const LEDGER_STATEMENTS = [
  `CREATE TABLE IF NOT EXISTS SchemaMigrations (
  Version INT64 NOT NULL,
  Name STRING(64) NOT NULL,
  Checksum STRING(64) NOT NULL,
  State STRING(16) NOT NULL,
  AppliedBy STRING(256) NOT NULL,
  StartedAt TIMESTAMP NOT NULL,
  AppliedAt TIMESTAMP OPTIONS (allow_commit_timestamp = true),
  CONSTRAINT CK_SchemaMigrations_State CHECK (State IN ('APPLYING', 'APPLIED'))
) PRIMARY KEY (Version)`,
  `CREATE TABLE IF NOT EXISTS SchemaLock (
  LockId STRING(16) NOT NULL,
  Holder STRING(256) NOT NULL,
  ExpiresAt TIMESTAMP NOT NULL
) PRIMARY KEY (LockId)`,
]

/** Recorded for a migration of which nothing was run. */
export const CHECKSUM_OF_NOTHING = migrationChecksum({ statements: [] })

/** There is one lease, on the whole schema. */
const LOCK_ID = 'schema'
/** Each step is a small transaction; a database that takes longer is not there. */
const STEP_TIMEOUT_MS = 10_000

export interface RecordedMigration {
  readonly version: number
  readonly name: string
  readonly checksum: string
  readonly state: 'applying' | 'applied'
  readonly appliedBy: string
  /** RFC 3339; absent while the migration is being applied. */
  readonly appliedAt?: string
}

export interface MigrationLedgerOptions {
  readonly database: SpannerDatabase
  readonly clock: Clock
  /** Who applies, for people; unique for each runner. */
  readonly holder: string
  readonly leaseMs: number
}

/** The lease was lost, by a pause longer than it lasts; somebody else may be at work. */
export class LeaseLostError extends CalloutError {
  constructor(message: string) {
    super('ERR_STORE_CONFLICT', message)
  }
}

/** What was applied, by whom, and the lease that lets one runner at a time apply more. */
export class MigrationLedger {
  readonly #options: MigrationLedgerOptions

  constructor(options: MigrationLedgerOptions) {
    this.#options = options
  }

  /** Takes the lease, or says who holds it. Time is Spanner's, so that runners need not agree on theirs. */
  async takeLease(): Promise<{ readonly heldBy?: string }> {
    const { database, holder } = this.#options
    return database.transact(async (transaction) => {
      const { current, expiresAt } = await this.#lease(transaction)
      if (current !== undefined && current !== holder) return { heldBy: current }
      transaction.buffer(
        upsertion(SCHEMA_LOCK, SCHEMA_LOCK_COLUMNS, [
          [stringValue(LOCK_ID), stringValue(holder), stringValue(expiresAt)],
        ]),
      )
      return {}
    }, this.#deadline())
  }

  async renewLease(): Promise<void> {
    const { heldBy } = await this.takeLease()
    if (heldBy !== undefined) throw new LeaseLostError(`the lease on the schema went to ${heldBy}`)
  }

  async releaseLease(): Promise<void> {
    await this.#options.database.transact(async (transaction) => {
      const { current } = await this.#lease(transaction)
      if (current === this.#options.holder) transaction.buffer(deletion(SCHEMA_LOCK, [stringValue(LOCK_ID)]))
    }, this.#deadline())
  }

  /** Records the state of a migration, provided that the lease is still ours. One that is skipped has run no statement. */
  async record(migration: Migration, state: 'applying' | 'applied' | 'skipped'): Promise<void> {
    const { database, holder, clock } = this.#options
    await database.transact(async (transaction) => {
      const { current } = await this.#lease(transaction)
      if (current !== holder) throw new LeaseLostError('the lease on the schema ran out')
      transaction.buffer(
        upsertion(SCHEMA_MIGRATIONS, SCHEMA_MIGRATION_COLUMNS, [
          [
            int64Value(migration.version),
            stringValue(migration.name),
            stringValue(state === 'skipped' ? CHECKSUM_OF_NOTHING : migrationChecksum(migration)),
            stringValue(state === 'applying' ? 'APPLYING' : 'APPLIED'),
            stringValue(holder),
            timestampValue(clock.nowMs()),
            state === 'applying' ? NULL : COMMIT_TIMESTAMP,
          ],
        ]),
      )
    }, this.#deadline())
  }

  async #lease(transaction: Transaction): Promise<{ current: string | undefined; expiresAt: string }> {
    const [row] = await transaction.query(
      `SELECT
        (SELECT Holder FROM SchemaLock WHERE LockId = @lock AND ExpiresAt > CURRENT_TIMESTAMP()),
        TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL @lease MILLISECOND)`,
      {
        lock: { value: stringValue(LOCK_ID), type: 'STRING' },
        lease: { value: int64Value(this.#options.leaseMs), type: 'INT64' },
      },
    )
    const reader = new RowReader(SCHEMA_LOCK, ['Holder', 'ExpiresAt'], row ?? [])
    return { current: reader.optionalString(), expiresAt: reader.string() }
  }

  #deadline(): DeadlineMs {
    return this.#options.clock.monotonicMs() + STEP_TIMEOUT_MS
  }
}

/**
 * Whether the tables of the ledger are there, and what they record; lowest version first. A database role sees only the one
 * that it may read, which is enough to know what is applied.
 */
export async function readLedger(
  database: SpannerDatabase,
  deadlineMs: DeadlineMs,
): Promise<{ readonly exists: boolean; readonly migrations: readonly RecordedMigration[] }> {
  const tables = await database.query(
    `SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES
     WHERE TABLE_SCHEMA = '' AND TABLE_NAME IN ('${SCHEMA_MIGRATIONS}', '${SCHEMA_LOCK}')`,
    {},
    deadlineMs,
  )
  const exists = tables.length === LEDGER_STATEMENTS.length
  if (!tables.some(([name]) => name?.stringValue === SCHEMA_MIGRATIONS)) return { exists, migrations: [] }
  const columns = ['Version', 'Name', 'Checksum', 'State', 'AppliedBy', 'AppliedAt'] as const
  const sql = `SELECT ${columns.join(', ')} FROM ${SCHEMA_MIGRATIONS} ORDER BY Version`
  const rows = await database.query(sql, {}, deadlineMs)
  const migrations = rows.map((row): RecordedMigration => {
    const reader = new RowReader(SCHEMA_MIGRATIONS, columns, row)
    const recorded = {
      version: reader.int64(),
      name: reader.string(),
      checksum: reader.string(),
      state: reader.oneOf({ APPLYING: 'applying', APPLIED: 'applied' } as const),
      appliedBy: reader.string(),
    }
    const appliedAt = reader.optionalString()
    return appliedAt === undefined ? recorded : { ...recorded, appliedAt }
  })
  return { exists, migrations }
}
