import { BY_KEY, decisionsBy, integer, text, time, type NamedStatement, type Statement } from './audit-statements.ts'
import { AUDIT_CHECKPOINTS, AUDIT_CHECKPOINTS_BY_TIME, STORED_DECISION_COLUMNS } from './schema.ts'
import { timestampValue } from './values.ts'

/** Of a row or a checkpoint: the next page begins behind it. */
export interface RowPlace {
  /** RFC 3339. */
  readonly decidedAt: string
  readonly id: string
}

export interface NotePlace {
  /** RFC 3339. */
  readonly createdAt: string
  readonly chainId: string
  readonly seq: number
}

export interface Times {
  readonly fromMs: number
  /** Included. */
  readonly toMs: number
}

/** `STORED_DECISION_COLUMNS` of one shard, newest first. */
export function shardRowsStatement(
  shard: number,
  { fromMs, toMs }: Times,
  behind: RowPlace | undefined,
  limit: number,
): Statement {
  return {
    sql: `SELECT ${STORED_DECISION_COLUMNS.map((column) => `d.${column}`).join(', ')} FROM ${decisionsBy(BY_KEY)}
WHERE d.Shard = @shard AND d.DecidedAt >= @from AND d.DecidedAt <= @to AND (d.DecidedAt < @to OR d.DecisionId > @behind)
ORDER BY d.DecidedAt DESC, d.DecisionId LIMIT @limit`,
    parameters: {
      shard: integer(shard),
      from: instant(fromMs),
      to: behind === undefined ? instant(toMs + 1) : time(behind.decidedAt),
      behind: text(behind?.id ?? ''),
      limit: integer(limit),
    },
  }
}

/** `ChainId`, `ChainSeq`, `Note` and `CreatedAt` of checkpoints, newest first. */
export function notesStatement({ fromMs, toMs }: Times, behind: NotePlace | undefined, limit: number): Statement {
  return {
    sql: `SELECT c.ChainId, c.ChainSeq, c.Note, c.CreatedAt FROM ${AUDIT_CHECKPOINTS}@{FORCE_INDEX=${AUDIT_CHECKPOINTS_BY_TIME}} AS c
WHERE c.CreatedAt >= @from AND c.CreatedAt <= @to
  AND (c.CreatedAt < @to OR c.ChainId > @behind OR (c.ChainId = @behind AND c.ChainSeq > @behindSeq))
ORDER BY c.CreatedAt DESC, c.ChainId, c.ChainSeq LIMIT @limit`,
    parameters: {
      from: instant(fromMs),
      to: behind === undefined ? instant(toMs + 1) : time(behind.createdAt),
      behind: text(behind?.chainId ?? ''),
      behindSeq: integer(behind?.seq ?? 0),
      limit: integer(limit),
    },
  }
}

/** `ChainId`, `ChainSeq` and `Note` of the checkpoints of a chain from a place on, in order. */
export function chainNotesStatement(chainId: string, seq: number, limit: number): Statement {
  return {
    sql: `SELECT c.ChainId, c.ChainSeq, c.Note FROM ${AUDIT_CHECKPOINTS}@{FORCE_INDEX=${BY_KEY}} AS c
WHERE c.ChainId = @chain AND c.ChainSeq >= @seq ORDER BY c.ChainSeq LIMIT @limit`,
    parameters: { chain: text(chainId), seq: integer(seq), limit: integer(limit) },
  }
}

function instant(ms: number) {
  return { value: timestampValue(ms), type: 'TIMESTAMP' } as const
}

const NOBODY = { decidedAt: '1970-01-01T00:00:00Z', createdAt: '1970-01-01T00:00:00Z', id: 'x', chainId: 'x', seq: 0 }
const NEVER: Times = { fromMs: 0, toMs: 0 }

/** Each of them, with values that find nothing. */
export const EVIDENCE_STATEMENTS: readonly NamedStatement[] = [
  { name: 'rows of a shard, first page', ...shardRowsStatement(0, NEVER, undefined, 1) },
  { name: 'rows of a shard, further page', ...shardRowsStatement(0, NEVER, NOBODY, 1) },
  { name: 'checkpoints of a time, first page', ...notesStatement(NEVER, undefined, 1) },
  { name: 'checkpoints of a time, further page', ...notesStatement(NEVER, NOBODY, 1) },
  { name: 'checkpoints of a chain', ...chainNotesStatement('none', 0, 1) },
]
