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

/**
 * Records who reads the audit, and what is asked for. To be waited for before it is read. Fails when nobody can be named as the
 * reader.
 */
export function recordRead(
  { database }: Pick<Store, 'database'>,
  { actor }: ReaderOptions,
  command: string,
  query: Readonly<Record<string, unknown>>,
): Promise<void> {
  return createAuditReads({ database, clock }).record({ reader: actorOf(actor), command, query })
}

/** Nothing is read yet. */
export async function openAudit(configFile: string, options: ReaderOptions, io: CliIo): Promise<Audit> {
  const store = await openKnownStore(configFile, io)
  return {
    store: { database: store.database, databaseName: store.databaseName, clock },
    reads: createAuditReads({ database: store.database, clock }),
    record: (command, query) => recordRead(store, options, command, query),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}

/** What was asked for, as it is recorded. */
export function queryOf({ sinceMs, untilMs, ...asked }: DecisionFilter): Readonly<Record<string, unknown>> {
  return { since: formatOptionalInstant(sinceMs), until: formatOptionalInstant(untilMs), ...asked }
}
