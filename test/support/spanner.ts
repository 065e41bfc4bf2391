import { randomUUID } from 'node:crypto'
import { createAuditChain } from '../../src/core/audit-chain.ts'
import { createEmulatorDatabase } from '../../src/dev/emulator-database.ts'
import { startSpannerEmulator } from '../../src/dev/spanner-emulator.ts'
import type { SpannerEmulator, SpannerEmulatorOptions } from '../../src/dev/spanner-emulator.ts'
import { locateSpannerEmulator } from '../../src/dev/locate-spanner-emulator.ts'
import { systemClock } from '../../src/service/clock.ts'
import { DatabaseAdmin } from '../../src/spanner/database-admin.ts'
import { SpannerDatabase } from '../../src/spanner/database.ts'
import { createDecisionLog } from '../../src/spanner/decision-log.ts'
import { sha256 } from '../../src/spanner/sha256.ts'
import type { DecisionLog } from '../../src/service/ports.ts'
import { applyMigrations } from '../../src/spanner/migrations.ts'
import { RecordedEvents } from './recorded-events.ts'

/** An emulator that is ours to stop and kill, even where SPANNER_EMULATOR_HOST names another. */
export async function startOwnEmulator(
  options: Pick<SpannerEmulatorOptions, 'faultInjection'> = {},
): Promise<SpannerEmulator> {
  const { SPANNER_EMULATOR_HOST: _foreign, ...env } = process.env
  return startSpannerEmulator({ ...options, source: await locateSpannerEmulator({ env }) })
}

export interface TestDatabase extends AsyncDisposable {
  readonly name: string
  readonly database: SpannerDatabase
  readonly events: RecordedEvents
}

/** A new database with the schema of this release, and a connection to it. */
export async function createTestDatabase(emulatorHost: string): Promise<TestDatabase> {
  const name = await createEmulatorDatabase(emulatorHost)
  await applySchema(emulatorHost, name)
  return openDatabase(emulatorHost, name)
}

/** Makes a database that went with its emulator again, empty, and brings its schema to this release. */
export async function recreateDatabase(emulatorHost: string, name: string): Promise<void> {
  await createEmulatorDatabase(emulatorHost, name)
  await applySchema(emulatorHost, name)
}

/** A connection to a database, through another host if a proxy is in between. */
export function openDatabase(emulatorHost: string, name: string): TestDatabase {
  const events = new RecordedEvents()
  const database = new SpannerDatabase({ database: name, emulatorHost, clock: systemClock, events })
  return { name, database, events, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() }
}

export async function applySchema(emulatorHost: string, name: string): Promise<void> {
  const clock = systemClock
  await using connection = openDatabase(emulatorHost, name)
  await using admin = new DatabaseAdmin({ database: name, emulatorHost, clock })
  const { database } = connection
  await applyMigrations({ database, admin, clock, holder: `test ${process.pid}`, progress: () => {} })
}

/** A log that writes a chain of its own. */
export function openDecisionLog(database: SpannerDatabase): DecisionLog {
  return createDecisionLog({ database, chain: createAuditChain(randomUUID(), sha256), clock: systemClock })
}

/** A point `ms` from now, for the deadline of one call. */
export function inMs(ms: number): number {
  return systemClock.monotonicMs() + ms
}

/** Polls until `condition` holds; throws what it says when it does not within `limitMs`. */
export async function until(what: string, limitMs: number, condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = inMs(limitMs)
  while (!(await condition())) {
    if (systemClock.monotonicMs() > deadlineMs) throw new Error(`not within ${limitMs} ms: ${what}`)
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
  }
}
