import { isDeepStrictEqual } from 'node:util'
import { POLICY_KINDS } from '../core/policy-row.ts'
import type { PolicyKind } from '../core/policy-row.ts'
import { ChangesExpired } from '../service/history.ts'
import type { PolicyFeed, PolicyTransaction, RecordedEdit, RowChange, StoredRow } from '../service/history.ts'
import type { Clock } from '../service/ports.ts'
import type { ChangedTransaction } from './change-buffer.ts'
import type { ChangedRow } from './change-record.ts'
import { readChanges, requireReadable } from './change-stream.ts'
import type { SpannerDatabase } from './database.ts'
import { formatNanoseconds, nanosecondsOf } from './nanoseconds.ts'
import { POLICY_TABLES } from './policy-tables.ts'
import { POLICY_CHANGES, POLICY_EDITS } from './schema.ts'

/** As migration 0006 says, less what it takes to begin to read. */
const RETENTION_MS = 7 * 24 * 3_600_000 - 300_000

export interface PolicyFeedOptions {
  /** Better not the one of the decisions: whoever reads slowly would hold up the connection that they share. */
  readonly database: SpannerDatabase
  readonly clock: Clock
}

/** The change stream `PolicyChanges` as a feed. One reader is one query for each partition of the stream. */
export function createPolicyFeed({ database, clock }: PolicyFeedOptions): PolicyFeed {
  const options = { database, clock, stream: POLICY_CHANGES }
  return {
    async *follow(completeUntil, signal) {
      for await (const step of readChanges(options, completeUntil, signal)) {
        const transactions = step.transactions.map(policyTransaction).filter(({ changes }) => changes.length > 0)
        yield { transactions, completeUntil: step.completeUntil }
      }
    },

    async earliest(signal) {
      const nowMs = clock.nowMs()
      const kept = formatNanoseconds(nanosecondsOf(nowMs - RETENTION_MS))
      try {
        await requireReadable(options, kept, signal)
        return kept
      } catch (error) {
        // The stream was made again, or keeps less than it was made to keep.
        if (error instanceof ChangesExpired) return formatNanoseconds(nanosecondsOf(nowMs))
        throw error
      }
    },
  }
}

const KINDS: ReadonlyMap<string, PolicyKind> = new Map(POLICY_KINDS.map((kind) => [POLICY_TABLES[kind].table, kind]))

/** Joins the rows of a transaction with the edit that it wrote, if it wrote one. */
export function policyTransaction({ id, committedAt, rows }: ChangedTransaction): PolicyTransaction {
  const editRow = rows.find(({ table, type }) => table === POLICY_EDITS && type === 'INSERT')
  return {
    id,
    committedAt,
    ...(editRow !== undefined && { edit: recordedEdit(editRow) }),
    changes: rows.flatMap((row) => rowChange(row, committedAt)),
  }
}

function recordedEdit({ key, newValues }: ChangedRow): RecordedEdit {
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  const { Source, Actor, ApprovedBy, Reason } = newValues
  return {
    id: text(key['EditId']),
    source: text(Source),
    actor: text(Actor),
    ...(typeof ApprovedBy === 'string' && { approvedBy: ApprovedBy }),
    reason: text(Reason),
  }
}

/** Nothing for a row of no table of policy, and for a statement that wrote what was there already. */
function rowChange(row: ChangedRow, committedAt: string): RowChange[] {
  const kind = KINDS.get(row.table)
  if (kind === undefined) return []
  const { columns, keyColumns } = POLICY_TABLES[kind]
  const side = (values: StoredRow): StoredRow => withCommitTime({ ...row.key, ...values }, committedAt)
  const before = row.type === 'INSERT' ? undefined : side({ ...row.newValues, ...row.oldValues })
  const after = row.type === 'DELETE' ? undefined : side(row.newValues)
  if (isDeepStrictEqual(before, after)) return []
  return [
    {
      kind,
      key: columns.slice(0, keyColumns).map((column) => String(row.key[column])),
      ...(before !== undefined && { before }),
      ...(after !== undefined && { after }),
      recordSequence: row.recordSequence,
      modIndex: row.modIndex,
    },
  ]
}

/** The emulator writes the end of time where the time of the commit belongs. */
const PENDING_COMMIT_TIME = '9999-12-31T23:59:59Z'

function withCommitTime(row: StoredRow, committedAt: string): StoredRow {
  return row['CreatedAt'] === PENDING_COMMIT_TIME ? { ...row, CreatedAt: committedAt } : row
}
