import { contentHash, NOT_CONTENT, type ChainLink, type LostRows, type Sha256 } from '../core/audit-chain.ts'
import type { WitnessedCheckpoint } from '../core/verify-chain.ts'
import { chainedRow, type EvidenceReader, type StoredRecord } from './audit-evidence.ts'

/**
 * What a third party needs to check one decision, without seeing another: the hash of `decision` (`contentHash`), put into
 * `link` (`linkHash`), then for each of `following` the next link, ends at the hash that `checkpoint` signs.
 */
export interface Proof {
  /** The row without its place in the chain, what the database added and what is NULL. */
  readonly decision: StoredRecord
  readonly link: ChainLink
  /** In order: the hash of what a row says, or rows that nobody confirmed, over which the signature itself leads. */
  readonly following: readonly (string | LostRows)[]
  /** A signed note. */
  readonly checkpoint: string
}

export interface ProofOptions {
  readonly reader: EvidenceReader
  readonly sha256: Sha256
  readonly open: (note: string) => WitnessedCheckpoint | undefined
  readonly decisionId: string
}

/** Rows of a chain may be decided so much earlier than the one before them. */
const CONTEXT_MS = 20 * 60_000

/** The problem is one line for people: there is no such row, or it cannot be proved, and why. */
export async function proveDecision(options: ProofOptions): Promise<Proof | { readonly problem: string }> {
  const { reader, sha256, open, decisionId } = options
  const record = await reader.row(decisionId)
  if (record === undefined) return { problem: 'there is no such decision' }
  const row = chainedRow(record, sha256)
  if (row.chainId === '')
    return { problem: 'the row is in no chain: it is older than the chains, or was not written by the service' }
  if (row.computedHash !== row.rowHash)
    return { problem: 'the row was changed since it was written: see "callout audit verify"' }
  const [stored] = await reader.notesFrom(row.chainId, row.seq, 1)
  if (stored === undefined) return { problem: 'nothing is signed of the row yet: try again in ten seconds' }
  const checkpoint = open(stored.note)?.checkpoint
  if (checkpoint?.chainId !== row.chainId) return { problem: 'its checkpoint is not signed by the key' }
  const hashes = new Map<number, string>()
  for await (const other of reader.rows(row.decidedAtMs - CONTEXT_MS, checkpoint.atMs + CONTEXT_MS)) {
    const { chainId, seq } = chainedRow(other, sha256)
    if (chainId === row.chainId && seq > row.seq && seq <= checkpoint.seq) hashes.set(seq, contentHash(other, sha256))
  }
  const following: (string | LostRows)[] = []
  for (let seq = row.seq + 1; seq <= checkpoint.seq; seq += 1) {
    const hash = hashes.get(seq)
    const lost = checkpoint.lost.find(({ from }) => from === seq)
    if (hash !== undefined) following.push(hash)
    else if (lost === undefined) return { problem: 'rows after it are gone: see "callout audit verify"' }
    else {
      following.push(lost)
      seq = lost.to
    }
  }
  const { chainId, seq, previousHash, rowHash } = row
  const decision = Object.fromEntries(Object.entries(record).filter(([name]) => !NOT_CONTENT.has(name)))
  return { decision, link: { chainId, seq, previousHash, rowHash }, following, checkpoint: stored.note }
}
