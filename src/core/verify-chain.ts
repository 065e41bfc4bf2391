import { CHAIN_START, type LostRows } from './audit-chain.ts'
import type { Checkpoint } from './checkpoint.ts'
import { mergedRanges, SeqSet, uncovered, type SeqRange } from './seq-ranges.ts'

/** A row of a chain as it is stored, and its hash as it should be. */
export interface ChainedRow {
  readonly chainId: string
  readonly seq: number
  readonly previousHash: string
  readonly rowHash: string
  /** Made of what the row holds now. */
  readonly computedHash: string
  readonly decisionId: string
  readonly decidedAtMs: number
}

/** A checkpoint whose signature holds, and the SHA-256 of its note. */
export interface WitnessedCheckpoint {
  readonly checkpoint: Checkpoint
  readonly noteHash: string
}

/** What can be wrong. */
export const FINDINGS = {
  row_edited: 'a row holds something else than when it was written',
  row_unchained:
    'a row is in no chain: it was not written by the service, or what places it in its chain was taken away',
  rows_missing: 'rows are gone',
  chain_forked: 'two rows or two checkpoints claim the same place in a chain',
  link_broken: 'a row does not follow the one before it',
  checkpoint_mismatch: 'a row is not the one that was signed for',
  checkpoint_missing: 'a checkpoint is gone',
  checkpoint_invalid: 'a checkpoint is not signed by the key',
  rows_unwitnessed: 'rows were never signed for, though their writer had the time to',
} as const
export type FindingKind = keyof typeof FINDINGS

export interface Finding {
  readonly kind: FindingKind
  readonly chainId?: string
  /** The first and the last place that it is about. */
  readonly from?: number
  readonly to?: number
  readonly decisionId?: string
}

/** What is judged. Rows and checkpoints from somewhat before and after are context: a row may be written late. */
export interface Window {
  readonly fromMs: number
  readonly toMs: number
  readonly nowMs: number
}

export interface ChainVerdict {
  readonly findings: readonly Finding[]
  /** Rows after the last checkpoint that may simply be too young for one, or be what a killed writer left behind. */
  readonly uncovered: number
}

/** A writer that lives signs within ten seconds; a busy machine gets its time. */
const SIGNED_WITHIN_MS = 30_000
/** Of a row of just now nobody can expect it yet. */
const YOUNG_MS = 60_000

export interface ChainVerifierOptions {
  readonly chainId: string
  /** When the chain began. */
  readonly startedMs: number
  /** All of the chain in the window and its context. */
  readonly checkpoints: readonly WitnessedCheckpoint[]
  /** Whether there is a key; without one the links alone are checked. */
  readonly isSigned: boolean
  readonly window: Window
}

/** Rows that follow one another without a gap. */
interface Segment {
  from: number
  to: number
  /** What the first row names as the one before it, and when it was decided. */
  previousHash: string
  fromMs: number
  /** Of the last row. */
  rowHash: string
  toMs: number
}

/** Checks one chain while its rows come by, in any order. Holds in memory what does not join yet, not the rows. */
export class ChainVerifier {
  readonly #options: ChainVerifierOptions
  readonly #signed: readonly WitnessedCheckpoint[]
  readonly #signedHashes: ReadonlyMap<number, string>
  readonly #lost: readonly LostRows[]
  readonly #lostFrom: ReadonlyMap<number, LostRows>
  readonly #lostTo: ReadonlyMap<number, LostRows>
  readonly #findings = new Map<string, Finding>()
  readonly #seen = new SeqSet()
  /** By their first and by their last place. */
  readonly #segmentsFrom = new Map<number, Segment>()
  readonly #segmentsTo = new Map<number, Segment>()
  #uncovered = 0

  constructor(options: ChainVerifierOptions) {
    this.#options = options
    this.#signed = [...options.checkpoints].sort((a, b) => a.checkpoint.seq - b.checkpoint.seq)
    this.#signedHashes = new Map(this.#signed.map(({ checkpoint }) => [checkpoint.seq, checkpoint.rowHash]))
    this.#lost = this.#signed.flatMap(({ checkpoint }) => checkpoint.lost)
    this.#lostFrom = new Map(this.#lost.map((range) => [range.from, range]))
    this.#lostTo = new Map(this.#lost.map((range) => [range.to, range]))
    for (const { from, to, previousHash, rowHash } of this.#lost) {
      const next = this.#lostFrom.get(to + 1)
      if (from === 1 && previousHash !== CHAIN_START) this.#found('link_broken', 1)
      if (next !== undefined && next.previousHash !== rowHash) this.#found('link_broken', next.from)
    }
  }

  add(row: ChainedRow): void {
    const { seq, previousHash, rowHash, decidedAtMs, decisionId } = row
    if (row.computedHash !== rowHash) this.#found('row_edited', seq, seq, decisionId)
    const signedHash = this.#signedHashes.get(seq)
    if (signedHash !== undefined && signedHash !== rowHash) this.#found('checkpoint_mismatch', seq, seq, decisionId)
    if (!this.#seen.add(seq)) {
      this.#found('chain_forked', seq, seq, decisionId)
      return
    }
    for (const expected of this.#hashesBefore(seq)) {
      if (expected !== previousHash) this.#found('link_broken', seq, seq, decisionId)
    }
    for (const named of this.#namedAfter(seq)) if (named !== rowHash) this.#found('link_broken', seq + 1)
    this.#join({ from: seq, to: seq, previousHash, fromMs: decidedAtMs, rowHash, toMs: decidedAtMs })
    this.#witness(row)
  }

  /** When all rows have come by. */
  finish(): ChainVerdict {
    const { isSigned, window } = this.#options
    const segments = [...this.#segmentsFrom.values()].sort((a, b) => a.from - b.from)
    const covered = mergedRanges([...segments, ...this.#lost])
    for (const [index, segment] of segments.entries()) {
      const before = segments[index - 1]
      if (!isInside(segment.fromMs, window)) continue
      if (before === undefined ? this.#beginsInside : isInside(before.toMs, window)) {
        this.#missing({ from: (before?.to ?? 0) + 1, to: segment.from - 1 }, covered)
      }
    }
    this.#verifyCheckpoints(covered)
    return { findings: [...this.#findings.values()], uncovered: isSigned ? this.#uncovered : 0 }
  }

  get #beginsInside(): boolean {
    return this.#options.startedMs >= this.#options.window.fromMs
  }

  #verifyCheckpoints(covered: readonly SeqRange[]): void {
    const { window } = this.#options
    for (const [index, { checkpoint }] of this.#signed.entries()) {
      const { seq, atMs, previousNote } = checkpoint
      if (!isInside(atMs, window)) continue
      const before = this.#signed[index - 1]
      if (before === undefined && !this.#beginsInside) {
        this.#missing({ from: seq, to: seq }, covered)
        continue
      }
      if (before?.checkpoint.seq === seq) this.#found('chain_forked', seq)
      else if (previousNote !== (before?.noteHash ?? CHAIN_START)) this.#found('checkpoint_missing', seq)
      const isBounded = before === undefined || before.checkpoint.atMs >= window.fromMs
      this.#missing({ from: isBounded ? (before?.checkpoint.seq ?? 0) + 1 : seq, to: seq }, covered)
    }
  }

  /** Rows after the last checkpoint: those that should have one, and how many may have none. */
  #witness({ seq, decidedAtMs, decisionId }: ChainedRow): void {
    const { isSigned, window } = this.#options
    const last = this.#signed.at(-1)?.checkpoint
    if (!isSigned || seq <= (last?.seq ?? 0) || !isInside(decidedAtMs, window)) return
    const isLate = last === undefined || decidedAtMs > last.atMs + SIGNED_WITHIN_MS
    if (isLate && decidedAtMs < window.nowMs - YOUNG_MS) this.#found('rows_unwitnessed', seq, seq, decisionId)
    else this.#uncovered += 1
  }

  /** What a row at this place has to name, as far as the rows before it are known. */
  #hashesBefore(seq: number): string[] {
    if (seq === 1) return [CHAIN_START]
    const before = [this.#segmentsTo.get(seq - 1), this.#lostTo.get(seq - 1)]
    return before.flatMap((known) => (known === undefined ? [] : [known.rowHash]))
  }

  /** What those that follow this place name as the hash before them. */
  #namedAfter(seq: number): string[] {
    const after = [this.#segmentsFrom.get(seq + 1), this.#lostFrom.get(seq + 1)]
    return after.flatMap((known) => (known === undefined ? [] : [known.previousHash]))
  }

  #join(segment: Segment): void {
    const before = this.#segmentsTo.get(segment.from - 1)
    const after = this.#segmentsFrom.get(segment.to + 1)
    for (const joined of [before, after]) {
      if (joined === undefined) continue
      this.#segmentsFrom.delete(joined.from)
      this.#segmentsTo.delete(joined.to)
    }
    if (before !== undefined) {
      const { from, previousHash, fromMs } = before
      Object.assign(segment, { from, previousHash, fromMs })
    }
    if (after !== undefined) {
      const { to, rowHash, toMs } = after
      Object.assign(segment, { to, rowHash, toMs })
    }
    this.#segmentsFrom.set(segment.from, segment)
    this.#segmentsTo.set(segment.to, segment)
  }

  #missing(range: SeqRange, covered: readonly SeqRange[]): void {
    for (const { from, to } of uncovered(range, covered)) {
      if (this.#findings.size >= FINDINGS_MAX) return
      this.#found('rows_missing', from, to)
    }
  }

  #found(kind: FindingKind, from: number, to = from, decisionId?: string): void {
    const { chainId } = this.#options
    const key = `${kind} ${from} ${to} ${decisionId ?? ''}`
    if (this.#findings.size < FINDINGS_MAX || this.#findings.has(key)) {
      this.#findings.set(key, { kind, chainId, from, to, ...(decisionId !== undefined && { decisionId }) })
    }
  }
}

/** Of one chain: more say nothing new. */
export const FINDINGS_MAX = 1000

function isInside(atMs: number, { fromMs, toMs }: Window): boolean {
  return atMs >= fromMs && atMs <= toMs
}
