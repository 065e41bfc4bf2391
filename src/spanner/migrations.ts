import { CalloutError } from '../core/errors.ts'
import type { Clock, DeadlineMs } from '../service/ports.ts'
import type { DatabaseAdmin } from './database-admin.ts'
import type { SpannerDatabase } from './database.ts'
import {
  CHECKSUM_OF_NOTHING,
  LEDGER_STATEMENTS,
  LeaseLostError,
  MigrationLedger,
  readLedger,
} from './migration-ledger.ts'
import type { RecordedMigration } from './migration-ledger.ts'
import { migrationChecksum, unrepeatableStep } from './migration.ts'
import type { Listing, Migration } from './migration.ts'
import { policy } from './migrations/0001-policy.ts'
import { decisions } from './migrations/0002-decisions.ts'
import { delegation } from './migrations/0003-delegation.ts'
import { conditions } from './migrations/0004-conditions.ts'
import { model } from './migrations/0005-model.ts'
import { history } from './migrations/0006-history.ts'
import { proposals } from './migrations/0007-proposals.ts'
import { inputs } from './migrations/0008-inputs.ts'
import { evidence } from './migrations/0009-evidence.ts'
import { roles } from './migrations/0010-roles.ts'
import { spooled } from './migrations/0011-spooled.ts'
import { pause } from './retry.ts'

/** In order of their versions, which count from 1. */
export const MIGRATIONS: readonly Migration[] = [
  policy,
  decisions,
  delegation,
  conditions,
  model,
  history,
  proposals,
  inputs,
  evidence,
  roles,
  spooled,
]

/** A runner that was killed holds the others up for so long; one that is alive renews about once a second. */
const LEASE_MS = 30_000
const WAIT_FOR_LEASE_MS = 1000
const STATUS_TIMEOUT_MS = 10_000

export type MigrationState =
  | 'pending'
  /** Begun and not recorded as finished: being applied now, or by a runner that was killed. */
  | 'applying'
  | 'applied'
  /** Recorded as left out, because the database lacks what it needs. */
  | 'skipped'
  /** Applied with other statements than those of this release. */
  | 'changed'
  /** In the database, but not in this release. */
  | 'unknown'

export interface MigrationStatus {
  readonly version: number
  readonly name: string
  readonly state: MigrationState
  readonly appliedBy?: string
  /** RFC 3339 */
  readonly appliedAt?: string
}

export interface SchemaStatus {
  /** The highest version up to which all migrations are applied or skipped; 0 for an empty database. */
  readonly version: number
  /** The version that this release needs. */
  readonly needed: number
  readonly migrations: readonly MigrationStatus[]
}

/** Compares the database with this release. Throws `CalloutError` when the database cannot be read. */
export async function schemaStatus(database: SpannerDatabase, deadlineMs: DeadlineMs): Promise<SchemaStatus> {
  const ledger = await readLedger(database, deadlineMs)
  return compareSchema(MIGRATIONS, ledger.migrations)
}

export function compareSchema(known: readonly Migration[], recorded: readonly RecordedMigration[]): SchemaStatus {
  const inDatabase = new Map(recorded.map((migration) => [migration.version, migration]))
  const migrations = known.map((migration): MigrationStatus => {
    const record = inDatabase.get(migration.version)
    const { version, name } = migration
    if (record === undefined) return { version, name, state: 'pending' }
    return { version, name, state: stateOf(migration, record), ...origin(record) }
  })
  for (const record of recorded) {
    if (known.some(({ version }) => version === record.version)) continue
    migrations.push({ version: record.version, name: record.name, state: 'unknown', ...origin(record) })
  }
  const gap = migrations.findIndex(({ state }) => state === 'pending' || state === 'applying')
  return { version: gap === -1 ? migrations.length : gap, needed: known.length, migrations }
}

function stateOf(migration: Migration, { state, checksum }: RecordedMigration): MigrationState {
  if (migration.needs !== undefined && checksum === CHECKSUM_OF_NOTHING) return 'skipped'
  return checksum === migrationChecksum(migration) ? state : 'changed'
}

function origin({ appliedBy, appliedAt }: RecordedMigration): Pick<MigrationStatus, 'appliedBy' | 'appliedAt'> {
  return appliedAt === undefined ? { appliedBy } : { appliedBy, appliedAt }
}

/**
 * Passes when the schema is exactly the one of this release. Otherwise throws `ERR_SCHEMA_VERSION` with one line that says what
 * to do: an older, newer, half-applied or changed schema must not be guessed at.
 */
export async function requireKnownSchema(database: SpannerDatabase, deadlineMs: DeadlineMs): Promise<void> {
  const problem = schemaProblem(await schemaStatus(database, deadlineMs))
  if (problem !== undefined) throw new CalloutError('ERR_SCHEMA_VERSION', problem)
}

/** What keeps this release from using the schema, in one line; undefined when nothing does. */
export function schemaProblem({ version, needed, migrations }: SchemaStatus): string | undefined {
  const foreign = foreignSchema(migrations)
  if (foreign !== undefined) return foreign
  const unfinished = migrations.find(({ state }) => state === 'applying')
  if (unfinished !== undefined) {
    return `migration ${label(unfinished)} of the schema is not finished: wait for it, or run "callout schema apply" again`
  }
  if (migrations.every(({ state }) => state === 'applied' || state === 'skipped')) return undefined
  return `the schema of the database is at version ${version}, this release needs ${needed}: run "callout schema apply"`
}

function foreignSchema(migrations: readonly MigrationStatus[]): string | undefined {
  const unknown = migrations.find(({ state }) => state === 'unknown')
  if (unknown !== undefined) {
    return `the schema of the database holds migration ${label(unknown)}, which this release does not know: run a newer release`
  }
  const changed = migrations.find(({ state }) => state === 'changed')
  if (changed !== undefined) {
    return `migration ${label(changed)} was applied with other statements than this release has: run the release that applied it`
  }
  return undefined
}

function label({ version, name }: Pick<Migration, 'version' | 'name'>): string {
  return `${String(version).padStart(4, '0')} ${name}`
}

export interface ApplyMigrationsOptions {
  readonly database: SpannerDatabase
  readonly admin: DatabaseAdmin
  readonly clock: Clock
  /** Who applies, for people; unique for each runner, e.g. host and process id. */
  readonly holder: string
  /** One line before each slow step. */
  readonly progress: (line: string) => void
  readonly leaseMs?: number
}

/**
 * Brings the schema to the version of this release; returns the versions applied by this call. Safe from several places at
 * once: one works, the others wait, and the work of one that was killed is done again when its lease has run out.
 * Throws `ERR_SCHEMA_VERSION` for a schema that this release does not know, and other `CalloutError`s of the database.
 */
export async function applyMigrations(options: ApplyMigrationsOptions): Promise<readonly number[]> {
  const { database, admin, clock, holder, progress } = options
  const ledger = new MigrationLedger({ database, clock, holder, leaseMs: options.leaseMs ?? LEASE_MS })
  const { exists } = await readLedger(database, clock.monotonicMs() + STATUS_TIMEOUT_MS)
  if (!exists) {
    progress('creating the tables that record migrations')
    await admin.updateSchema(LEDGER_STATEMENTS, async () => {})
  }
  const applied: number[] = []
  let waitingFor: string | undefined
  const deadline = (): DeadlineMs => clock.monotonicMs() + STATUS_TIMEOUT_MS
  while ((await pendingMigrations(database, deadline())).length > 0) {
    const { heldBy } = await ledger.takeLease()
    if (heldBy !== undefined) {
      if (heldBy !== waitingFor) progress(`waiting for ${heldBy}, who is applying migrations`)
      waitingFor = heldBy
      await pause(clock, WAIT_FOR_LEASE_MS)
      continue
    }
    try {
      await applyPending(options, ledger, applied)
    } catch (error) {
      if (!(error instanceof LeaseLostError)) throw error
      progress(error.message)
    } finally {
      await ledger.releaseLease().catch(() => {})
    }
  }
  progress(`the schema is at version ${MIGRATIONS.length}`)
  return applied
}

/** Statements that belong together, under what people know them by. */
export interface SchemaStep {
  readonly title: string
  readonly statements: readonly string[]
}

/** What `applyMigrations` would do now; changes nothing. Throws as it does. */
export async function outstandingSchema(
  database: SpannerDatabase,
  deadlineMs: DeadlineMs,
): Promise<readonly SchemaStep[]> {
  const { exists } = await readLedger(database, deadlineMs)
  const steps: SchemaStep[] = exists
    ? []
    : [{ title: 'the tables that record migrations', statements: LEDGER_STATEMENTS }]
  for (const migration of await pendingMigrations(database, deadlineMs)) {
    const reason = whyLeftOut(migration, database)
    const title = `migration ${label(migration)}${reason === undefined ? '' : `, left out: ${reason}`}`
    const statements = reason === undefined ? await outstandingStatements(migration, database, deadlineMs) : []
    steps.push({ title, statements })
  }
  return steps
}

async function pendingMigrations(database: SpannerDatabase, deadlineMs: DeadlineMs): Promise<readonly Migration[]> {
  const { migrations } = await schemaStatus(database, deadlineMs)
  const foreign = foreignSchema(migrations)
  if (foreign !== undefined) throw new CalloutError('ERR_SCHEMA_VERSION', foreign)
  return MIGRATIONS.filter((migration, index) => {
    const state = migrations[index]?.state
    return state === 'skipped' ? whyLeftOut(migration, database) === undefined : state !== 'applied'
  })
}

/** Why nothing of a migration can be run in this database; undefined when it can. */
function whyLeftOut({ needs }: Migration, { isEmulated }: SpannerDatabase): string | undefined {
  return needs !== undefined && isEmulated ? `the emulator has no ${needs}` : undefined
}

async function applyPending(
  options: ApplyMigrationsOptions,
  ledger: MigrationLedger,
  applied: number[],
): Promise<void> {
  // Read again: the holder before us may have finished since.
  const { database, clock } = options
  const deadline = (): DeadlineMs => clock.monotonicMs() + STATUS_TIMEOUT_MS
  for (const migration of await pendingMigrations(database, deadline())) {
    const reason = whyLeftOut(migration, database)
    if (reason !== undefined) {
      options.progress(`leaving out migration ${label(migration)}: ${reason}`)
      await ledger.record(migration, 'skipped')
      continue
    }
    options.progress(`applying migration ${label(migration)}`)
    await ledger.record(migration, 'applying')
    const statements = await outstandingStatements(migration, database, deadline())
    await options.admin.updateSchema(statements, () => ledger.renewLease())
    await ledger.record(migration, 'applied')
    applied.push(migration.version)
  }
}

const LISTINGS: Readonly<Record<Listing, string>> = {
  TABLE_CONSTRAINTS: `SELECT CONSTRAINT_NAME FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ''`,
  CHANGE_STREAMS: `SELECT CHANGE_STREAM_NAME FROM INFORMATION_SCHEMA.CHANGE_STREAMS WHERE CHANGE_STREAM_SCHEMA = ''`,
  ROLES: 'SELECT ROLE_NAME FROM INFORMATION_SCHEMA.ROLES',
}

/**
 * DDL has no `IF NOT EXISTS` for constraints, change streams and roles: those that a runner made before it was killed are left out,
 * and so are those that it took away.
 */
async function outstandingStatements(
  { statements }: Migration,
  database: SpannerDatabase,
  deadlineMs: DeadlineMs,
): Promise<readonly string[]> {
  const existing = new Set<string>()
  for (const listing of new Set(statements.flatMap((statement) => unrepeatableStep(statement)?.listing ?? []))) {
    const rows = await database.query(LISTINGS[listing], {}, deadlineMs)
    for (const [name] of rows) existing.add(`${listing} ${name?.stringValue}`)
  }
  return statements.filter((statement) => {
    const step = unrepeatableStep(statement)
    return step === undefined || existing.has(`${step.listing} ${step.name}`) !== step.adds
  })
}
