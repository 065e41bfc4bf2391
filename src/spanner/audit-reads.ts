import { randomUUID } from 'node:crypto'
import type { AuditReads } from '../service/audit-reads.ts'
import type { Clock, DeadlineMs } from '../service/ports.ts'
import { readsStatement } from './audit-statements.ts'
import type { SpannerDatabase } from './database.ts'
import { insertion } from './mutation.ts'
import { AUDIT_READ_COLUMNS, AUDIT_READS } from './schema.ts'
import { COMMIT_TIMESTAMP, jsonValue, RowReader, stringValue } from './values.ts'
import type { Row } from './values.ts'

/** A person waits for it. */
const TIMEOUT_MS = 10_000

export interface AuditReadsOptions {
  readonly database: SpannerDatabase
  readonly clock: Clock
}

/** The table `AuditReads`. */
export function createAuditReads({ database, clock }: AuditReadsOptions): AuditReads {
  const deadline = (): DeadlineMs => clock.monotonicMs() + TIMEOUT_MS
  return {
    async record({ reader, command, query }) {
      const row = [
        stringValue(randomUUID()),
        COMMIT_TIMESTAMP,
        stringValue(reader),
        stringValue(command),
        jsonValue(query),
      ]
      // Not repeated when the answer was lost: nothing is shown then, and a row too many says no more than that it was tried.
      await database.commit([insertion(AUDIT_READS, AUDIT_READ_COLUMNS, [row])], { repeatable: false }, deadline())
    },

    async list(range, limit) {
      const { sql, parameters } = readsStatement(range, limit)
      return (await database.query(sql, parameters, deadline())).map(decode)
    },
  }
}

function decode(row: Row) {
  const reader = new RowReader(AUDIT_READS, AUDIT_READ_COLUMNS, row)
  return {
    id: reader.string(),
    readAt: reader.string(),
    reader: reader.string(),
    command: reader.string(),
    query: JSON.parse(reader.string()) as Readonly<Record<string, unknown>>,
  }
}
