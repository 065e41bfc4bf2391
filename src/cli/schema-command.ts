import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { systemClock } from '../service/clock.ts'
import { DatabaseAdmin } from '../spanner/database-admin.ts'
import { applyMigrations, schemaProblem, schemaStatus } from '../spanner/migrations.ts'
import { EXIT, type CliIo } from './io.ts'
import { openStore } from './store.ts'
import { writeJson, writeTable, type OutputFormat } from './table.ts'
import { visible } from './visible.ts'

/** A person waits for it. */
const STATUS_TIMEOUT_MS = 5_000

/**
 * `callout schema apply`: brings the database to the schema of this release. Safe to repeat and to run twice at once.
 */
export async function applySchema(configFile: string, io: CliIo): Promise<number> {
  await using store = await openStore(configFile, io)
  const { databaseName, endpoint } = store
  await using admin = new DatabaseAdmin({ database: databaseName, ...endpoint, clock: systemClock })
  const applied = await applyMigrations({
    database: store.database,
    admin,
    clock: systemClock,
    holder: `${hostname()} ${process.pid} ${randomUUID().slice(0, 8)}`,
    progress: (line) => io.stderr.write(`${visible(line)}\n`),
  })
  io.stdout.write(applied.length === 0 ? 'nothing to do\n' : `applied ${applied.join(', ')}\n`)
  return EXIT.ok
}

/** `callout schema status`: what is applied; fails when `serve` would refuse this schema. */
export async function showSchema(configFile: string, output: OutputFormat, io: CliIo): Promise<number> {
  await using store = await openStore(configFile, io)
  const status = await schemaStatus(store.database, systemClock.monotonicMs() + STATUS_TIMEOUT_MS)
  const problem = schemaProblem(status)
  if (output === 'json') {
    writeJson(io, { ...status, usable: problem === undefined })
  } else {
    writeTable(
      io,
      ['VERSION', 'NAME', 'STATE', 'APPLIED AT', 'APPLIED BY'],
      status.migrations.map(({ version, name, state, appliedAt, appliedBy }) => [
        String(version),
        name,
        state,
        appliedAt ?? '',
        appliedBy ?? '',
      ]),
    )
  }
  if (problem === undefined) return EXIT.ok
  io.stderr.write(`callout: ${visible(problem)}\n`)
  return EXIT.failure
}
