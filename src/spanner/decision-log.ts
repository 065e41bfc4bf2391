import type { AuditEntry } from '../core/audit-entry.ts'
import { CalloutError } from '../core/errors.ts'
import type { DeadlineMs, DecisionLog } from '../service/ports.ts'
import type { SpannerDatabase } from './database.ts'
import { decisionOutcome, decisionShard, encodeDecision } from './decision-row.ts'
import { insertion } from './mutation.ts'
import { DECISION_COLUMNS, DECISIONS } from './schema.ts'
import { storeError } from './status.ts'
import { int64Value, RowReader, stringValue, timestampValue } from './values.ts'

const STORED_COLUMNS = ['DecisionId', 'Outcome', 'UserNkey'] as const

/**
 * The `Decisions` table as a log: one commit of INSERT mutations for each batch. That a row exists already is a success only if all
 * rows of the batch are there and are the same decisions; it happens when a commit was applied and its answer was lost.
 */
export function createDecisionLog(database: SpannerDatabase): DecisionLog {
  return {
    async append(entries, deadlineMs) {
      if (entries.length === 0) return
      try {
        await insertOrRecognise(database, entries, deadlineMs)
      } catch (error) {
        const failure = storeError(error, 'decisions')
        if (failure === undefined || failure.code === 'ERR_STORE_REFUSED') throw failure ?? error
        throw new CalloutError('ERR_AUDIT_UNAVAILABLE', `audit: ${failure.message}`, { cause: failure })
      }
    },
  }
}

async function insertOrRecognise(
  database: SpannerDatabase,
  entries: readonly AuditEntry[],
  deadlineMs: DeadlineMs,
): Promise<void> {
  const rows = insertion(DECISIONS, DECISION_COLUMNS, entries.map(encodeDecision))
  try {
    await database.commit([rows], { repeatable: true }, deadlineMs)
  } catch (error) {
    if (!(error instanceof CalloutError) || error.code !== 'ERR_STORE_CONFLICT') throw error
    await requireStored(database, entries, deadlineMs)
  }
}

async function requireStored(
  database: SpannerDatabase,
  entries: readonly AuditEntry[],
  deadlineMs: DeadlineMs,
): Promise<void> {
  const { rows } = await database.read(
    {
      table: DECISIONS,
      columns: STORED_COLUMNS,
      prefixes: entries.map(({ decision }) => [
        int64Value(decisionShard(decision.id)),
        timestampValue(decision.decidedAtMs),
        stringValue(decision.id),
      ]),
      limit: entries.length,
    },
    'strong',
    deadlineMs,
  )
  const stored = new Map<string, string>()
  for (const row of rows) {
    const reader = new RowReader(DECISIONS, STORED_COLUMNS, row)
    stored.set(reader.string(), `${reader.string()} ${reader.string()}`)
  }
  for (const { decision, request } of entries) {
    if (stored.get(decision.id) !== `${decisionOutcome(decision)} ${request.userNkey}`) {
      throw new CalloutError(
        'ERR_STORE_CONFLICT',
        'decisions: a part of the batch is stored, or another decision with its id',
      )
    }
  }
}
