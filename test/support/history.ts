import { randomUUID } from 'node:crypto'
import type { PolicyChange } from '../../src/core/policy-row.ts'
import { systemClock as clock } from '../../src/service/clock.ts'
import type { HistoryEntry, HistoryReader } from '../../src/service/history.ts'
import { HistoryWriter } from '../../src/service/history-writer.ts'
import type { PolicyAdmin } from '../../src/service/ports.ts'
import { createHistoryLog } from '../../src/spanner/history-log.ts'
import { createHistoryReader } from '../../src/spanner/history-reader.ts'
import { createPolicyAdmin } from '../../src/spanner/policy-admin.ts'
import { createPolicyFeed } from '../../src/spanner/policy-feed.ts'
import { aNewGrant } from '../contract/stored-rows.ts'
import { inMs, openDatabase, until } from './spanner.ts'
import type { TestDatabase } from './spanner.ts'

/** Long enough for a busy machine, short enough to wait for. */
export const TEST_LEASE_MS = 2000

export interface TestMember extends TestDatabase {
  readonly writer: HistoryWriter
}

/** What one member of the service does for the history, on a connection of its own. */
export function startHistoryWriter(emulatorHost: string, databaseName: string, holder = randomUUID()): TestMember {
  const connection = openDatabase(emulatorHost, databaseName)
  const { database, events } = connection
  const feed = createPolicyFeed({ database, clock })
  const log = createHistoryLog({ database, clock, holder, leaseMs: TEST_LEASE_MS })
  const writer = new HistoryWriter({ feed, log, clock, events })
  return {
    ...connection,
    writer,
    async [Symbol.asyncDispose]() {
      await writer[Symbol.asyncDispose]()
      await connection[Symbol.asyncDispose]()
    },
  }
}

export interface PolicyTables {
  readonly admin: PolicyAdmin
  readonly history: HistoryReader
  /** Statements of one transaction, as somebody writes them into the console. */
  sql(...statements: readonly string[]): Promise<void>
}

export function policyTables({ database }: TestDatabase): PolicyTables {
  return {
    admin: createPolicyAdmin({ database, clock, newId: randomUUID }),
    history: createHistoryReader({ database, clock }),
    async sql(...statements) {
      await database.transact(async (transaction) => {
        for (const statement of statements) await transaction.query(statement, {})
      }, inMs(10_000))
    },
  }
}

/** An edit that adds a grant with this id. */
export function grantOf(id: string, subject = 'orders.new'): PolicyChange {
  return { kind: 'grant', after: aNewGrant({ id, subject }) }
}

export function insertGrantSql(id: string, subject = 'orders.new'): string {
  return `INSERT INTO Grants (Principal, GrantId, Account, Effect, Action, Subject, Reason, CreatedBy, CreatedAt)
    VALUES ('user:corp:alice', '${id}', 'APP', 'ALLOW', 'PUBLISH', '${subject}', 'by hand', 'bob', PENDING_COMMIT_TIMESTAMP())`
}

/** Waits until the history of a grant has so many entries; newest first. */
export async function entriesOf(
  history: HistoryReader,
  grantId: string,
  count: number,
  withinMs = 5000,
): Promise<readonly HistoryEntry[]> {
  let entries: readonly HistoryEntry[] = []
  await until(`the history of ${grantId} has ${count} entries`, withinMs, async () => {
    entries = await history.list({ grantId }, 100)
    return entries.length >= count
  })
  return entries
}
