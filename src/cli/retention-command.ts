import { systemClock } from '../service/clock.ts'
import { DatabaseAdmin } from '../spanner/database-admin.ts'
import { readRetention, retentionChanges, type Retention } from '../spanner/retention.ts'
import type { CommonOptions, DryRunOptions } from './command-options.ts'
import { noteDryRun } from './dry-run.ts'
import { EXIT, usageFailure, warn, type CliIo } from './io.ts'
import { writeOutput } from './output.ts'
import { openKnownStore, type Store } from './store.ts'

/** A person waits for it. */
const TIMEOUT_MS = 10_000
/** A shorter time would lose what an incident is looked into with. */
const DAYS_MIN = 30
/** A century; what has no end is no retention. */
const DAYS_MAX = 36_500
const YEAR_DAYS = 365

export interface RetentionOptions extends CommonOptions, DryRunOptions {
  readonly days?: string
}

/** `callout schema retention`: shows for how long the rows of the audit are kept, or changes it. */
export async function retention(configFile: string, options: RetentionOptions, io: CliIo): Promise<number> {
  const days = daysOf(options.days)
  await using store = await openKnownStore(configFile, io, days === undefined ? 'role' : 'owner')
  const current = await read(store)
  if (days === undefined) {
    show(current, options, io)
    return EXIT.ok
  }
  if (days < YEAR_DAYS) warn(io, `PCI DSS 10.5.1 asks for twelve months of audit; this keeps ${days} days`)
  const changes = retentionChanges(current, days)
  if (changes.some(({ shortens }) => shortens))
    warn(io, `rows of the audit that are older than ${days} days go, for good`)
  const statements = changes.map(({ statement }) => statement)
  if (options.dryRun === true) {
    io.stdout.write(statements.length === 0 ? 'nothing to do\n' : statements.map((text) => `${text};\n`).join(''))
    noteDryRun(io)
    return EXIT.ok
  }
  if (statements.length > 0) {
    await using admin = new DatabaseAdmin({ database: store.databaseName, ...store.endpoint, clock: systemClock })
    await admin.updateSchema(statements, async () => {})
  }
  show(await read(store), options, io)
  return EXIT.ok
}

function daysOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const days = Number(text)
  if (/^\d+$/.test(text) && days >= DAYS_MIN && days <= DAYS_MAX) return days
  throw usageFailure(`--days must be a number from ${DAYS_MIN} to ${DAYS_MAX}`)
}

function read({ database }: Store): Promise<readonly Retention[]> {
  return readRetention(database, systemClock.monotonicMs() + TIMEOUT_MS)
}

function show(tables: readonly Retention[], { output }: RetentionOptions, io: CliIo): void {
  writeOutput(io, output, {
    columns: [
      { heading: 'TABLE', cell: ({ table }) => table },
      { heading: 'DAYS', cell: ({ days, policy }) => days?.toString() ?? (policy === undefined ? 'for ever' : '') },
      { heading: 'POLICY', cell: ({ policy = '' }) => policy },
    ],
    records: tables,
  })
  io.stderr.write(
    'callout: Spanner deletes rows in the background, mostly within 72 hours after their time; the emulator never does\n',
  )
}
