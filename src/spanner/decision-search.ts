import type {
  DecisionPosition,
  DecisionQuery,
  DecisionRecord,
  DecisionSearch,
  SearchOrder,
} from '../service/decision-search.ts'
import type { Clock } from '../service/ports.ts'
import { byIdStatement, rangesOf, type RangeStatement, type Statement } from './audit-statements.ts'
import type { SpannerDatabase } from './database.ts'
import { decisionRecord } from './decision-record.ts'
import { formatNanoseconds } from './nanoseconds.ts'
import { DECISIONS, STORED_DECISION_COLUMNS } from './schema.ts'
import { int64Value, RowShapeError } from './values.ts'

/** A person waits for it. */
const TIMEOUT_MS = 20_000
/** A decision of somebody in a thousand groups has some 100 KB, and an answer ends at 10 MB. */
const PAGE_ROWS_MAX = 100
/** Of one of several ranges: fewer would cost more round trips than rows. */
const PAGE_ROWS_MIN = 8
/** No row has it. */
const NO_SHARD = -1
const NANOS_PER_SECOND = 1_000_000_000n

export interface DecisionSearchOptions {
  readonly database: SpannerDatabase
  readonly clock: Clock
}

/** Reads the table `Decisions` by the index that fits the filter, or by its primary key, shard by shard. */
export function createDecisionSearch({ database, clock }: DecisionSearchOptions): DecisionSearch {
  const select = async ({ sql, parameters }: Statement): Promise<DecisionRecord[]> => {
    const rows = await database.query(sql, parameters, clock.monotonicMs() + TIMEOUT_MS)
    return rows.map((row) => decisionRecord(STORED_DECISION_COLUMNS, row))
  }
  return {
    async page({ filter, also, order, after, limit }: DecisionQuery) {
      const filters = also === undefined ? [filter] : [filter, also]
      const statements = filters.flatMap((each) => rangesOf(each, order))
      const share = pageRows(limit + 1, statements.length)
      const ranges = statements.map((statement) => new Range(statement, select, share, after))
      await Promise.all(ranges.map((range) => range.fill()))
      const records: DecisionRecord[] = []
      let end: DecisionPosition | undefined
      for (;;) {
        const next = firstOf(ranges, order)
        if (next === undefined || records.length === limit)
          return { records, ...(end !== undefined && { end }), hasMore: next !== undefined }
        records.push(next.head.record)
        end = next.head.position
        await next.range.advance()
      }
    },

    find: async (id) => (await select(byIdStatement(id)))[0],

    async readableUntil() {
      const nothing = { table: DECISIONS, columns: ['Shard'], prefixes: [[int64Value(NO_SHARD)]], limit: 1 }
      const { readTimestamp } = await database.read(nothing, 'strong', clock.monotonicMs() + TIMEOUT_MS)
      const seconds = BigInt(String(readTimestamp.seconds ?? 0))
      return formatNanoseconds(seconds * NANOS_PER_SECOND + BigInt(readTimestamp.nanos ?? 0))
    },
  }
}

/** The rows of several ranges are spread evenly, nearly. */
function pageRows(wanted: number, ranges: number): number {
  const share = ranges === 1 ? wanted : Math.max(PAGE_ROWS_MIN, Math.ceil((wanted * 1.5) / ranges))
  return Math.min(PAGE_ROWS_MAX, share)
}

interface Placed {
  readonly record: DecisionRecord
  readonly position: DecisionPosition
}

/** The rows of one range of keys, a part at a time. */
class Range {
  readonly #statement: RangeStatement
  readonly #select: (statement: Statement) => Promise<DecisionRecord[]>
  readonly #pageRows: number
  #after: DecisionPosition | undefined
  #read: Placed[] = []
  #isAtEnd = false

  constructor(
    statement: RangeStatement,
    select: (statement: Statement) => Promise<DecisionRecord[]>,
    pageRows: number,
    after: DecisionPosition | undefined,
  ) {
    this.#statement = statement
    this.#select = select
    this.#pageRows = pageRows
    this.#after = after
  }

  /** Undefined when there is nothing more. */
  get head(): Placed | undefined {
    return this.#read[0]
  }

  async advance(): Promise<void> {
    this.#read.shift()
    await this.fill()
  }

  async fill(): Promise<void> {
    if (this.#read.length > 0 || this.#isAtEnd) return
    const records = await this.#select(this.#statement(this.#after, this.#pageRows))
    this.#read = records.map((record) => ({ record, position: positionOf(record) }))
    this.#after = this.#read.at(-1)?.position
    this.#isAtEnd = records.length < this.#pageRows
  }
}

function firstOf(
  ranges: readonly Range[],
  order: SearchOrder,
): { readonly range: Range; readonly head: Placed } | undefined {
  let first: { readonly range: Range; readonly head: Placed } | undefined
  for (const range of ranges) {
    const { head } = range
    if (head === undefined) continue
    if (first === undefined || isBefore(head.position, first.head.position, order)) first = { range, head }
  }
  return first
}

function isBefore(a: DecisionPosition, b: DecisionPosition, order: SearchOrder): boolean {
  const isNewest =
    a.decidedAt === b.decidedAt ? (a.shard === b.shard ? a.id < b.id : a.shard < b.shard) : a.decidedAt > b.decidedAt
  return isNewest === (order === 'newest first')
}

/** Throws `RowShapeError`. */
function positionOf({ DecidedAt: decidedAt, Shard: shard, DecisionId: id }: DecisionRecord): DecisionPosition {
  if (typeof decidedAt !== 'string' || typeof shard !== 'number' || typeof id !== 'string')
    throw new RowShapeError(`${DECISIONS}: a row has no key`)
  return { decidedAt, shard, id }
}
