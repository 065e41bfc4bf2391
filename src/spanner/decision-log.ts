import type { AuditEntry } from '../core/audit-entry.ts'
import type { AuditChain, ChainLink } from '../core/audit-chain.ts'
import { CalloutError } from '../core/errors.ts'
import type { Clock, DeadlineMs, DecisionLog } from '../service/ports.ts'
import type { SpannerDatabase } from './database.ts'
import { decisionRecord } from './decision-record.ts'
import { decisionOutcome, decisionShard, encodeDecision } from './decision-row.ts'
import { createGrantSets, type GrantSets } from './grant-sets.ts'
import { insertion } from './mutation.ts'
import { DECISION_COLUMNS, DECISIONS, STORED_DECISION_COLUMNS } from './schema.ts'
import { storeError } from './status.ts'
import { int64Value, NULL, RowReader, stringValue, timestampValue } from './values.ts'
import type { Row } from './values.ts'

const IDENTIFYING_COLUMNS = ['DecisionId', 'Outcome', 'UserNkey', 'RowHash'] as const

export interface DecisionLogOptions {
  readonly database: SpannerDatabase
  /** Of this process alone. */
  readonly chain: AuditChain
  readonly clock: Clock
}

const NONE: ReadonlySet<number> = new Set()

/** A row with its place in the chain: made once for an entry, however often it is written. */
interface SealedRow {
  readonly row: Row
  readonly link: ChainLink
}

/**
 * The `Decisions` table as a log: one commit of INSERT mutations for each batch. That a row exists already is a success only if all
 * rows of the batch are there and are the same decisions; it happens when a commit was applied and its answer was lost.
 */
export function createDecisionLog({ database, chain, clock }: DecisionLogOptions): DecisionLog {
  const sealed = new WeakMap<AuditEntry, SealedRow>()
  const grantSets = createGrantSets(clock)

  function sealedOf(entry: AuditEntry): SealedRow {
    const known = sealed.get(entry)
    if (known !== undefined) return known
    const made = sealRow(chain, encodeDecision(entry))
    sealed.set(entry, made)
    return made
  }

  function settle(rows: readonly SealedRow[], stored: ReadonlySet<number>): void {
    for (const { link } of rows) chain.settle(link.seq, stored.has(link.seq))
  }

  return {
    async append(entries, deadlineMs) {
      if (entries.length === 0) return
      const rows = entries.map(sealedOf)
      try {
        settle(rows, await insertOrRecognise(database, grantSets, entries, rows, deadlineMs))
      } catch (error) {
        const failure = storeError(error, 'decisions')
        // Whoever wrote a batch that is refused for one of its rows writes each of them alone.
        if (failure?.code !== 'ERR_STORE_REFUSED' || rows.length === 1) settle(rows, NONE)
        if (failure === undefined || failure.code === 'ERR_STORE_REFUSED') throw failure ?? error
        throw new CalloutError('ERR_AUDIT_UNAVAILABLE', `audit: ${failure.message}`, { cause: failure })
      }
    },
  }
}

function sealRow(chain: AuditChain, row: Row): SealedRow {
  const link = chain.seal(decisionRecord(DECISION_COLUMNS, row))
  const { chainId, seq, previousHash, rowHash } = link
  return {
    row: [...row, stringValue(chainId), int64Value(seq), stringValue(previousHash), stringValue(rowHash), NULL],
    link,
  }
}

/** Returns the sequence numbers of those rows that are stored as they are here. */
async function insertOrRecognise(
  database: SpannerDatabase,
  grantSets: GrantSets,
  entries: readonly AuditEntry[],
  rows: readonly SealedRow[],
  deadlineMs: DeadlineMs,
): Promise<ReadonlySet<number>> {
  const insert = insertion(
    DECISIONS,
    STORED_DECISION_COLUMNS,
    rows.map(({ row }) => row),
  )
  const sets = grantSets.missing(entries)
  try {
    await database.commit([insert, ...sets.mutations], { repeatable: true }, deadlineMs)
  } catch (error) {
    if (!(error instanceof CalloutError) || error.code !== 'ERR_STORE_CONFLICT') throw error
    return await requireStored(database, entries, rows, deadlineMs)
  }
  sets.written()
  return new Set(rows.map(({ link }) => link.seq))
}

async function requireStored(
  database: SpannerDatabase,
  entries: readonly AuditEntry[],
  sealed: readonly SealedRow[],
  deadlineMs: DeadlineMs,
): Promise<ReadonlySet<number>> {
  const { rows } = await database.read(
    {
      table: DECISIONS,
      columns: IDENTIFYING_COLUMNS,
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
  const stored = new Map<string, { readonly decision: string; readonly rowHash: string | undefined }>()
  for (const row of rows) {
    const reader = new RowReader(DECISIONS, IDENTIFYING_COLUMNS, row)
    const id = reader.string()
    stored.set(id, { decision: `${reader.string()} ${reader.string()}`, rowHash: reader.optionalString() })
  }
  const same = new Set<number>()
  for (const [index, { decision, request }] of entries.entries()) {
    const found = stored.get(decision.id)
    if (found?.decision !== `${decisionOutcome(decision)} ${request.userNkey}`) {
      throw new CalloutError(
        'ERR_STORE_CONFLICT',
        'decisions: a part of the batch is stored, or another decision with its id',
      )
    }
    const link = sealed[index]?.link
    if (link !== undefined && found.rowHash === link.rowHash) same.add(link.seq)
  }
  return same
}
