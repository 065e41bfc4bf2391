import { CHAIN_START, contentHash, linkHash } from '../../src/core/audit-chain.ts'
import type { AuditEntry } from '../../src/core/audit-entry.ts'
import type { StoredColumns } from '../../src/core/stored-columns.ts'
import { sha256 } from '../../src/documents/digest.ts'
import { decisionRecord } from '../../src/spanner/decision-record.ts'
import { encodeDecision } from '../../src/spanner/decision-row.ts'
import { DECISION_COLUMNS } from '../../src/spanner/schema.ts'

const CHAIN_ID = '018bcfe5-0000-7000-8000-00000000c4a1'

/** A row as the audit gives it back, at this place of a chain. */
export function chainedRecord(entry: AuditEntry, seq: number): StoredColumns {
  const record = decisionRecord(DECISION_COLUMNS, encodeDecision(entry))
  const previousHash = seq === 1 ? CHAIN_START : sha256(`row ${seq - 1}`)
  const link = { chainId: CHAIN_ID, seq, previousHash }
  return {
    ...record,
    CommittedAt: '2023-11-14T22:13:21.000000000Z',
    ChainId: CHAIN_ID,
    ChainSeq: seq,
    PreviousHash: previousHash,
    RowHash: linkHash(link, contentHash(record, sha256), sha256),
    Spooled: false,
  }
}
