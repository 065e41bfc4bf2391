import { canonicalJson } from './canonical-json.ts'

/** Lower-case hex SHA-256 of a text in UTF-8. */
export type Sha256 = (text: string) => string

/** The place of a row in the chain of the process that wrote it. */
export interface ChainLink {
  /** UUIDv7: tells when the chain began. A chain is never continued by another process. */
  readonly chainId: string
  /** 1, 2, 3, … in the order in which the rows were made. */
  readonly seq: number
  /** `rowHash` of the row before; `CHAIN_START` for the first. */
  readonly previousHash: string
  readonly rowHash: string
}

export const CHAIN_START = '0'.repeat(64)

/** What is in a row and not in its hash: the hash itself, what the database adds, and how the row came there. */
export const UNHASHED = ['RowHash', 'CommittedAt', 'Spooled'] as const

/**
 * The hash of a row: SHA-256 over the canonical JSON (RFC 8785) of its columns, without those that are NULL and those in `UNHASHED`.
 * The columns `ChainId`, `ChainSeq` and `PreviousHash` are in it, and so are all rows before. A column that a later release
 * adds changes no hash of an earlier row.
 */
export function rowHash(columns: Readonly<Record<string, unknown>>, sha256: Sha256): string {
  const hashed: Record<string, unknown> = { ...columns }
  for (const name of UNHASHED) delete hashed[name]
  return sha256(canonicalJson(hashed))
}

/** Sequence numbers `from` to `to`, both included. */
export interface SeqRange {
  readonly from: number
  readonly to: number
}

/** How far a chain is settled: all rows up to `seq` are durable, or known not to be confirmed. */
export interface ChainHead {
  readonly chainId: string
  readonly seq: number
  readonly rowHash: string
  /** Rows that nobody confirmed, since the last time that they were told: such a row may be missing, and no client got in by it. */
  readonly lost: readonly SeqRange[]
}

/** One process's chain over the rows that it writes. */
export interface AuditChain {
  /** The next link; `columns` is everything that the row holds. To be called once for a row, in the order of the rows. */
  seal(columns: Readonly<Record<string, unknown>>): ChainLink
  /** Says what became of a row; may be said again when it is tried again. */
  settle(seq: number, isDurable: boolean): void
  /** Undefined while nothing is settled that was not told before. */
  takeHead(): ChainHead | undefined
  /** Rows that were sealed and not told by `takeHead`. */
  readonly untold: number
}

export function createAuditChain(chainId: string, sha256: Sha256): AuditChain {
  let last = { seq: 0, rowHash: CHAIN_START }
  let told = 0
  /** Rows after `told`: their hash, and whether they are durable, once that is known. */
  const open = new Map<number, { readonly rowHash: string; isDurable?: boolean }>()
  return {
    seal(columns) {
      const link = { chainId, seq: last.seq + 1, previousHash: last.rowHash }
      const hash = rowHash({ ...columns, ...chainColumns(link) }, sha256)
      last = { seq: link.seq, rowHash: hash }
      open.set(link.seq, { rowHash: hash })
      return { ...link, rowHash: hash }
    },
    settle(seq, isDurable) {
      const row = open.get(seq)
      if (row !== undefined) row.isDurable = isDurable
    },
    takeHead() {
      let head: { readonly seq: number; readonly rowHash: string } | undefined
      const lost: SeqRange[] = []
      for (let seq = told + 1; ; seq += 1) {
        const row = open.get(seq)
        if (row?.isDurable === undefined) break
        head = { seq, rowHash: row.rowHash }
        if (!row.isDurable) addTo(lost, seq)
        open.delete(seq)
      }
      if (head === undefined) return undefined
      told = head.seq
      return { chainId, ...head, lost }
    },
    get untold() {
      return last.seq - told
    },
  }
}

/** A link as columns of its row; those that are hashed. */
export function chainColumns({ chainId, seq, previousHash }: Omit<ChainLink, 'rowHash'>): Record<string, unknown> {
  return { ChainId: chainId, ChainSeq: seq, PreviousHash: previousHash }
}

function addTo(ranges: SeqRange[], seq: number): void {
  const previous = ranges.at(-1)
  if (previous?.to === seq - 1) ranges[ranges.length - 1] = { from: previous.from, to: seq }
  else ranges.push({ from: seq, to: seq })
}
