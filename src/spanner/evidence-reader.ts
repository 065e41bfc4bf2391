import type { EvidenceReader, StoredNote, StoredRecord } from '../service/audit-evidence.ts'
import type { Clock } from '../service/ports.ts'
import { byIdStatement, SHARDS, type Statement } from './audit-statements.ts'
import type { SpannerDatabase } from './database.ts'
import { decisionRecord } from './decision-record.ts'
import { chainNotesStatement, notesStatement, shardRowsStatement } from './evidence-statements.ts'
import type { NotePlace, RowPlace, Times } from './evidence-statements.ts'
import { AUDIT_CHECKPOINTS, SCHEMA_MIGRATIONS, STORED_DECISION_COLUMNS } from './schema.ts'
import { int64Value, parseTimestampMs, RowReader } from './values.ts'
import type { Row } from './values.ts'

const TIMEOUT_MS = 20_000
/** A row has some 3 KB, one of a person in a thousand groups 100 KB; an answer ends at 10 MB. */
const PAGE_ROWS = 100
const NOTES_PER_PAGE = 500
/** The migration that brought the columns of the chain. */
const CHAINED_SINCE_VERSION = 9

/** Reads `Decisions` and `AuditCheckpoints`, a page at a time, strongly. */
export function createEvidenceReader(database: SpannerDatabase, clock: Clock): EvidenceReader {
  const query: Query = ({ sql, parameters }) => database.query(sql, parameters, clock.monotonicMs() + TIMEOUT_MS)

  async function* rowsOfShard(shard: number, times: Times): AsyncGenerator<StoredRecord> {
    let behind: RowPlace | undefined
    for (;;) {
      const page = await query(shardRowsStatement(shard, times, behind, PAGE_ROWS))
      yield* page.map((row) => decisionRecord(STORED_DECISION_COLUMNS, row))
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE_ROWS) return
      behind = { decidedAt: textAt(last, DECIDED_AT), id: textAt(last, DECISION_ID) }
    }
  }

  return {
    async *rows(fromMs, toMs) {
      for (let shard = 0; shard < SHARDS; shard += 1) yield* rowsOfShard(shard, { fromMs, toMs })
    },
    notes: (fromMs, toMs) => notesBetween(query, { fromMs, toMs }),
    async notesFrom(chainId, seq, limit) {
      const rows = await query(chainNotesStatement(chainId, seq, limit))
      return rows.map(storedNote)
    },
    async row(decisionId) {
      const [row] = await query(byIdStatement(decisionId))
      return row === undefined ? undefined : decisionRecord(STORED_DECISION_COLUMNS, row)
    },
    async chainedSinceMs() {
      const [row] = await query({
        sql: `SELECT AppliedAt FROM ${SCHEMA_MIGRATIONS} WHERE Version = @version`,
        parameters: { version: { value: int64Value(CHAINED_SINCE_VERSION), type: 'INT64' } },
      })
      return parseTimestampMs(row?.[0]?.stringValue ?? '', 'up') ?? 0
    },
  }
}

type Query = (statement: Statement) => Promise<readonly Row[]>

async function notesBetween(query: Query, times: Times): Promise<StoredNote[]> {
  const notes: StoredNote[] = []
  let behind: NotePlace | undefined
  for (;;) {
    const page = await query(notesStatement(times, behind, NOTES_PER_PAGE))
    notes.push(...page.map(storedNote))
    const last = page.at(-1)
    if (last === undefined || page.length < NOTES_PER_PAGE) return notes
    behind = { createdAt: textAt(last, 3), chainId: textAt(last, 0), seq: Number(textAt(last, 1)) }
  }
}

const DECIDED_AT = STORED_DECISION_COLUMNS.indexOf('DecidedAt')
const DECISION_ID = STORED_DECISION_COLUMNS.indexOf('DecisionId')

/** Of a cell that belongs to a key. */
function textAt(row: Row, cell: number): string {
  return row[cell]?.stringValue ?? ''
}

function storedNote(row: Row): StoredNote {
  const reader = new RowReader(AUDIT_CHECKPOINTS, ['ChainId', 'ChainSeq', 'Note'], row.slice(0, 3))
  return { chainId: reader.string(), seq: reader.int64(), note: reader.string() }
}
