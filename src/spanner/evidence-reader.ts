import type { EvidenceReader, StoredNote, StoredRecord } from '../service/audit-evidence.ts'
import type { Clock } from '../service/ports.ts'
import { byIdStatement } from './audit-statements.ts'
import type { SpannerDatabase } from './database.ts'
import { decisionRecord } from './decision-record.ts'
import {
  AUDIT_CHECKPOINTS,
  AUDIT_CHECKPOINTS_BY_TIME,
  DECISIONS,
  SCHEMA_MIGRATIONS,
  STORED_DECISION_COLUMNS,
} from './schema.ts'
import { int64Value, parseTimestampMs, RowReader, stringValue, timestampValue } from './values.ts'
import type { Row } from './values.ts'

const TIMEOUT_MS = 20_000
const SHARDS = 16
/** A row has some 3 KB, one of a person in a thousand groups 100 KB; an answer ends at 10 MB. */
const PAGE_ROWS = 100
const NOTES_PER_PAGE = 500
/** The migration that brought the columns of the chain. */
const CHAINED_SINCE_VERSION = 9

/** Reads `Decisions` and `AuditCheckpoints`, a page at a time, strongly. */
export function createEvidenceReader(database: SpannerDatabase, clock: Clock): EvidenceReader {
  const query: Query = (sql, parameters) => database.query(sql, parameters, clock.monotonicMs() + TIMEOUT_MS)

  async function* rowsOfShard(shard: number, fromMs: number, toMs: number): AsyncGenerator<StoredRecord> {
    let [before, behind] = [timestampValue(toMs + 1), '']
    for (;;) {
      const page = await query(
        `SELECT ${STORED_DECISION_COLUMNS.join(', ')} FROM ${DECISIONS}
WHERE Shard = @shard AND DecidedAt >= @from AND (DecidedAt < @before OR (DecidedAt = @before AND DecisionId > @behind))
ORDER BY DecidedAt DESC, DecisionId LIMIT ${PAGE_ROWS}`,
        {
          shard: { value: int64Value(shard), type: 'INT64' },
          from: { value: timestampValue(fromMs), type: 'TIMESTAMP' },
          before: { value: before, type: 'TIMESTAMP' },
          behind: { value: stringValue(behind), type: 'STRING' },
        },
      )
      yield* page.map((row) => decisionRecord(STORED_DECISION_COLUMNS, row))
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE_ROWS) return
      before = last[STORED_DECISION_COLUMNS.indexOf('DecidedAt')] ?? before
      behind = last[STORED_DECISION_COLUMNS.indexOf('DecisionId')]?.stringValue ?? ''
    }
  }

  return {
    async *rows(fromMs, toMs) {
      for (let shard = 0; shard < SHARDS; shard += 1) yield* rowsOfShard(shard, fromMs, toMs)
    },
    notes: (fromMs, toMs) => notesBetween(query, fromMs, toMs),
    async notesFrom(chainId, seq, limit) {
      const rows = await query(
        `SELECT ChainId, ChainSeq, Note FROM ${AUDIT_CHECKPOINTS} WHERE ChainId = @chain AND ChainSeq >= @seq ORDER BY ChainSeq LIMIT ${limit}`,
        { chain: { value: stringValue(chainId), type: 'STRING' }, seq: { value: int64Value(seq), type: 'INT64' } },
      )
      return rows.map(storedNote)
    },
    async row(decisionId) {
      const { sql, parameters } = byIdStatement(decisionId)
      const [row] = await query(sql, parameters)
      return row === undefined ? undefined : decisionRecord(STORED_DECISION_COLUMNS, row)
    },
    async chainedSinceMs() {
      const [row] = await query(`SELECT AppliedAt FROM ${SCHEMA_MIGRATIONS} WHERE Version = @version`, {
        version: { value: int64Value(CHAINED_SINCE_VERSION), type: 'INT64' },
      })
      return parseTimestampMs(row?.[0]?.stringValue ?? '', 'up') ?? 0
    },
  }
}

type Query = (sql: string, parameters: Parameters<SpannerDatabase['query']>[1]) => Promise<readonly Row[]>

async function notesBetween(query: Query, fromMs: number, toMs: number): Promise<StoredNote[]> {
  const notes: StoredNote[] = []
  let [before, behind, behindSeq] = [timestampValue(toMs + 1), '', 0]
  for (;;) {
    const page = await query(
      `SELECT ChainId, ChainSeq, Note, CreatedAt FROM ${AUDIT_CHECKPOINTS}@{FORCE_INDEX=${AUDIT_CHECKPOINTS_BY_TIME}}
WHERE CreatedAt >= @from AND (CreatedAt < @before OR (CreatedAt = @before AND (ChainId > @behind
  OR (ChainId = @behind AND ChainSeq > @behindSeq))))
ORDER BY CreatedAt DESC, ChainId, ChainSeq LIMIT ${NOTES_PER_PAGE}`,
      {
        from: { value: timestampValue(fromMs), type: 'TIMESTAMP' },
        before: { value: before, type: 'TIMESTAMP' },
        behind: { value: stringValue(behind), type: 'STRING' },
        behindSeq: { value: int64Value(behindSeq), type: 'INT64' },
      },
    )
    notes.push(...page.map(storedNote))
    const last = page.at(-1)
    if (last === undefined || page.length < NOTES_PER_PAGE) return notes
    before = last[3] ?? before
    behind = last[0]?.stringValue ?? ''
    behindSeq = Number(last[1]?.stringValue)
  }
}

function storedNote(row: Row): StoredNote {
  const reader = new RowReader(AUDIT_CHECKPOINTS, ['ChainId', 'ChainSeq', 'Note'], row.slice(0, 3))
  return { chainId: reader.string(), seq: reader.int64(), note: reader.string() }
}
