import type { AuditChain } from '../core/audit-chain.ts'
import type { AuditEntry } from '../core/audit-entry.ts'
import { CalloutError } from '../core/errors.ts'
import type { Clock, DeadlineMs, DecisionLog, OutageSpool } from '../service/ports.ts'
import type { SpannerDatabase } from './database.ts'
import { writtenContent } from './decision-content.ts'
import { encodeDecision } from './decision-row.ts'
import { createGrantSets } from './grant-sets.ts'
import { insertRows, type SealedRow } from './sealed-rows.ts'
import { sha256 } from './sha256.ts'
import { spoolRecord } from './spool-replay.ts'
import { storeError } from './status.ts'
import { int64Value, NULL, stringValue } from './values.ts'

export interface DecisionLogOptions {
  readonly database: SpannerDatabase
  /** Of this process alone. */
  readonly chain: AuditChain
  readonly clock: Clock
  /** Takes rows while the database does not. */
  readonly spool?: OutageSpool
}

/** With a spool, the share of the time that the database gets; the rest is for the disk. */
const DATABASE_SHARE = 0.6

interface Sealed {
  readonly row: SealedRow
  readonly seq: number
  readonly rowHash: string
}

/**
 * The `Decisions` table as a log: one commit for each batch. With a spool, rows that the database does not take in time are durable
 * once they are on the disk, and so is whatever comes after them until the database takes rows again. Rows may so come into the
 * table before those of an earlier `ChainSeq`.
 */
export function createDecisionLog({ database, chain, clock, spool }: DecisionLogOptions): DecisionLog {
  const made = new WeakMap<AuditEntry, Sealed>()
  const grantSets = createGrantSets(clock)

  function sealedOf(entry: AuditEntry): Sealed {
    const known = made.get(entry)
    if (known !== undefined) return known
    const sealed = seal(chain, entry)
    made.set(entry, sealed)
    return sealed
  }

  function settle(sealed: readonly Sealed[], isStored: (rowHash: string) => boolean): void {
    for (const { seq, rowHash } of sealed) chain.settle(seq, isStored(rowHash))
  }

  async function toSpool(sealed: readonly Sealed[], to: OutageSpool): Promise<void> {
    try {
      await to.append(sealed.map(({ row }) => spoolRecord(row)))
      settle(sealed, () => true)
    } catch (error) {
      settle(sealed, () => false)
      throw error
    }
  }

  async function toDatabase(sealed: readonly Sealed[], deadlineMs: DeadlineMs): Promise<void> {
    const rows = sealed.map(({ row }) => row)
    const stored = await insertRows(database, grantSets, rows, deadlineMs)
    settle(sealed, (rowHash) => stored.has(rowHash))
  }

  return {
    async append(entries, deadlineMs) {
      if (entries.length === 0) return
      const sealed = entries.map(sealedOf)
      if (spool?.isDiverting === true) return await toSpool(sealed, spool)
      const nowMs = clock.monotonicMs()
      const databaseMs = spool === undefined ? deadlineMs : nowMs + (deadlineMs - nowMs) * DATABASE_SHARE
      try {
        await toDatabase(sealed, databaseMs)
      } catch (error) {
        const failure = storeError(error, 'decisions')
        if (spool !== undefined && failure?.code === 'ERR_STORE_UNAVAILABLE') return await toSpool(sealed, spool)
        // Whoever wrote a batch that is refused for one of its rows writes each of them alone.
        if (failure?.code !== 'ERR_STORE_REFUSED' || sealed.length === 1) settle(sealed, () => false)
        if (failure === undefined || failure.code === 'ERR_STORE_REFUSED') throw failure ?? error
        throw new CalloutError('ERR_AUDIT_UNAVAILABLE', `audit: ${failure.message}`, { cause: failure })
      }
    },
  }
}

function seal(chain: AuditChain, entry: AuditEntry): Sealed {
  const row = encodeDecision(entry)
  const { chainId, seq, previousHash, rowHash } = chain.seal(sha256(writtenContent(row)))
  const place = [stringValue(chainId), int64Value(seq), stringValue(previousHash), stringValue(rowHash), NULL]
  return { row: [...row, ...place], seq, rowHash }
}
