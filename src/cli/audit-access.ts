import type { AuditReads } from '../service/audit-reads.ts'
import { systemClock as clock } from '../service/clock.ts'
import type { DecisionFilter } from '../service/decision-search.ts'
import { createAuditReads } from '../spanner/audit-reads.ts'
import { actorOf } from './actor.ts'
import { formatOptionalInstant } from './instant.ts'
import type { CliIo } from './io.ts'
import { openKnownStore, type Store } from './store.ts'

/** Of every command that reads the audit. */
export interface ReaderOptions {
  readonly actor?: string
}

/** The audit as a command reads it. */
export interface Audit extends AsyncDisposable {
  readonly store: Pick<Store, 'database' | 'databaseName'> & { readonly clock: typeof clock }
  readonly reads: AuditReads
  /** To be waited for before the audit is read: what is not recorded is not shown. */
  record(command: string, query: Readonly<Record<string, unknown>>): Promise<void>
}

/** Nothing is read yet. */
export async function openAudit(configFile: string, { actor }: ReaderOptions, io: CliIo): Promise<Audit> {
  const reader = actorOf(actor)
  const store = await openKnownStore(configFile, io)
  const reads = createAuditReads({ database: store.database, clock })
  return {
    store: { database: store.database, databaseName: store.databaseName, clock },
    reads,
    record: (command, query) => reads.record({ reader, command, query }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}

/** What was asked for, as it is recorded. */
export function queryOf({ sinceMs, untilMs, ...asked }: DecisionFilter): Readonly<Record<string, unknown>> {
  return { since: formatOptionalInstant(sinceMs), until: formatOptionalInstant(untilMs), ...asked }
}
