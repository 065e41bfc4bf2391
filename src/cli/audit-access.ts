import { systemClock as clock } from '../service/clock.ts'
import { createAuditReads } from '../spanner/audit-reads.ts'
import { actorOf } from './actor.ts'
import type { Store } from './store.ts'

/** Of every command that reads the audit. */
export interface ReaderOptions {
  readonly actor?: string
}

/**
 * Records who reads the audit, and what is asked for. To be waited for before it is read: what is not recorded is not shown. Fails
 * when nobody can be named as the reader.
 */
export function recordRead(
  { database }: Pick<Store, 'database'>,
  { actor }: ReaderOptions,
  command: string,
  query: Readonly<Record<string, unknown>>,
): Promise<void> {
  return createAuditReads({ database, clock }).record({ reader: actorOf(actor), command, query })
}
