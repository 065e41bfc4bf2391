import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { systemClock } from '../service/clock.ts'
import { DatabaseAdmin } from '../spanner/database-admin.ts'
import { applyMigrations, outstandingSchema, schemaProblem, schemaStatus } from '../spanner/migrations.ts'
import type { DryRunOptions } from './command-options.ts'
import { noteDryRun } from './dry-run.ts'
import { EXIT, type CliIo } from './io.ts'
import { writeOutput, type OutputFormat } from './output.ts'
import { openStore } from './store.ts'
import { visible } from './visible.ts'

/** A person waits for it. */
const STATUS_TIMEOUT_MS = 5_000

/**
 * `callout schema apply`: brings the database to the schema of this release. Safe to repeat and to run twice at once. A dry run
 * prints the statements instead, as a script for the console.
 */
export async function applySchema(configFile: string, { dryRun }: DryRunOptions, io: CliIo): Promise<number> {
  await using store = await openStore(configFile, io, 'owner')
  if (dryRun === true) {
    const steps = await outstandingSchema(store.database, systemClock.monotonicMs() + STATUS_TIMEOUT_MS)
    const script = steps.flatMap(({ title, statements }) => [`-- ${title}`, ...statements.map((text) => `${text};`)])
    io.stdout.write(script.length === 0 ? 'nothing to do\n' : `${script.join('\n')}\n`)
    noteDryRun(io)
    return EXIT.ok
  }
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
  writeOutput(io, output, {
    columns: [
      { heading: 'VERSION', cell: ({ version }) => String(version) },
      { heading: 'NAME', cell: ({ name }) => name },
      { heading: 'STATE', cell: ({ state }) => state },
      { heading: 'APPLIED AT', cell: ({ appliedAt = '' }) => appliedAt },
      { heading: 'APPLIED BY', cell: ({ appliedBy = '' }) => appliedBy },
    ],
    records: status.migrations,
    document: { ...status, usable: problem === undefined },
  })
  if (problem === undefined) return EXIT.ok
  io.stderr.write(`callout: ${visible(problem)}\n`)
  return EXIT.failure
}
