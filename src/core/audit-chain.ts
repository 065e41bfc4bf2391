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

/** What is in a row and in no hash: its place in the chain, what the database adds, and how the row came there. */
export const NOT_CONTENT: ReadonlySet<string> = new Set([
  'ChainId',
  'ChainSeq',
  'PreviousHash',
  'RowHash',
  'CommittedAt',
  'Spooled',
])

/**
 * The hash of what a row says: SHA-256 over the canonical JSON (RFC 8785) of its columns, without those of `NOT_CONTENT`
 * and those that are NULL, so that a column that a later release adds changes no hash of an earlier row.
 */
export function contentHash(columns: Readonly<Record<string, unknown>>, sha256: Sha256): string {
  return sha256(canonicalJson(Object.fromEntries(Object.entries(columns).filter(([name]) => !NOT_CONTENT.has(name)))))
}

/** The hash of a row with all rows before it; says nothing of what they hold, so that it can be shown to anybody. */
export function linkHash(link: Omit<ChainLink, 'rowHash'>, content: string, sha256: Sha256): string {
  return sha256(`${link.chainId}\n${link.seq}\n${link.previousHash}\n${content}\n`)
}

/**
 * Rows `from` to `to`, both included, that nobody confirmed: each may be missing, and no client got in by it. The chain goes on
 * over them, from `previousHash` before the first to `rowHash` of the last.
 */
export interface LostRows {
  readonly from: number
  readonly to: number
  readonly previousHash: string
  readonly rowHash: string
}

/** How far a chain is settled: of every row up to `seq` it is known whether it is durable. */
export interface ChainHead {
  readonly chainId: string
  readonly seq: number
  readonly rowHash: string
  /** Of the rows since the head before. */
  readonly lost: readonly LostRows[]
}

/** One process's chain over the rows that it writes. */
export interface AuditChain {
  /** The next link, of a row with this `contentHash`. To be called once for a row, in the order of the rows. */
  seal(content: string): ChainLink
  /** Says, once for each row, whether it is durable; it is not when nobody will write it any more. */
  settle(seq: number, isDurable: boolean): void
  /** Undefined while nothing is settled that was not told before. */
  takeHead(): ChainHead | undefined
  /** Settled rows that `takeHead` has not told of. */
  readonly untold: number
}

export function createAuditChain(chainId: string, sha256: Sha256): AuditChain {
  let last = { seq: 0, rowHash: CHAIN_START }
  let head = last
  let told = 0
  let lost: LostRows[] = []
  /** Rows after `head`, and whether they are durable, once that is known. */
  const open = new Map<number, { readonly link: ChainLink; isDurable?: boolean }>()

  function advance(): void {
    for (;;) {
      const row = open.get(head.seq + 1)
      if (row?.isDurable === undefined) return
      head = row.link
      if (!row.isDurable) addTo(lost, row.link)
      open.delete(head.seq)
    }
  }

  return {
    seal(content) {
      const place = { chainId, seq: last.seq + 1, previousHash: last.rowHash }
      const link = { ...place, rowHash: linkHash(place, content, sha256) }
      last = link
      open.set(link.seq, { link })
      return link
    },
    settle(seq, isDurable) {
      const row = open.get(seq)
      if (row === undefined) return
      row.isDurable = isDurable
      advance()
    },
    takeHead() {
      if (head.seq === told) return undefined
      const taken = { chainId, seq: head.seq, rowHash: head.rowHash, lost }
      told = head.seq
      lost = []
      return taken
    },
    get untold() {
      return head.seq - told
    },
  }
}

function addTo(ranges: LostRows[], { seq, previousHash, rowHash }: ChainLink): void {
  const before = ranges.at(-1)
  if (before?.to === seq - 1) ranges[ranges.length - 1] = { ...before, to: seq, rowHash }
  else ranges.push({ from: seq, to: seq, previousHash, rowHash })
}
