import { CHAIN_START, type LostRows } from './audit-chain.ts'
import type { Checkpoint } from './checkpoint.ts'

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
  readonly #findings = new Map<string, Finding>()
  #segments: Segment[] = []
  #uncovered = 0

  constructor(options: ChainVerifierOptions) {
    this.#options = options
    this.#signed = [...options.checkpoints].sort((a, b) => a.checkpoint.seq - b.checkpoint.seq)
    this.#signedHashes = new Map(this.#signed.map(({ checkpoint }) => [checkpoint.seq, checkpoint.rowHash]))
    this.#lost = this.#signed.flatMap(({ checkpoint }) => checkpoint.lost)
    for (const { from, to, previousHash, rowHash } of this.#lost) {
      const next = this.#lost.find((other) => other.from === to + 1)
      if (from === 1 && previousHash !== CHAIN_START) this.#found('link_broken', 1)
      if (next !== undefined && next.previousHash !== rowHash) this.#found('link_broken', next.from)
    }
  }

  add(row: ChainedRow): void {
    const { seq, previousHash, rowHash, decidedAtMs, decisionId } = row
    if (row.computedHash !== rowHash) this.#found('row_edited', seq, seq, decisionId)
    const signedHash = this.#signedHashes.get(seq)
    if (signedHash !== undefined && signedHash !== rowHash) this.#found('checkpoint_mismatch', seq, seq, decisionId)
    if (this.#segments.some(({ from, to }) => seq >= from && seq <= to)) {
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
    for (const [index, segment] of this.#segments.entries()) {
      const before = this.#segments[index - 1]
      if (!isInside(segment.fromMs, window)) continue
      if (before === undefined ? this.#beginsInside : isInside(before.toMs, window)) {
        this.#missing((before?.to ?? 0) + 1, segment.from - 1)
      }
    }
    this.#verifyCheckpoints()
    return { findings: [...this.#findings.values()], uncovered: isSigned ? this.#uncovered : 0 }
  }

  get #beginsInside(): boolean {
    return this.#options.startedMs >= this.#options.window.fromMs
  }

  #verifyCheckpoints(): void {
    const { window } = this.#options
    for (const [index, { checkpoint }] of this.#signed.entries()) {
      const { seq, atMs, previousNote } = checkpoint
      if (!isInside(atMs, window)) continue
      const before = this.#signed[index - 1]
      if (before === undefined && !this.#beginsInside) {
        this.#missing(seq, seq)
        continue
      }
      if (before?.checkpoint.seq === seq) this.#found('chain_forked', seq)
      else if (previousNote !== (before?.noteHash ?? CHAIN_START)) this.#found('checkpoint_missing', seq)
      const isBounded = before === undefined || before.checkpoint.atMs >= window.fromMs
      this.#missing(isBounded ? (before?.checkpoint.seq ?? 0) + 1 : seq, seq)
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
    const before = [...this.#segments, ...this.#lost].filter(({ to }) => to === seq - 1)
    return before.map(({ rowHash }) => rowHash)
  }

  /** What those that follow this place name as the hash before them. */
  #namedAfter(seq: number): string[] {
    return [...this.#segments, ...this.#lost].filter(({ from }) => from === seq + 1).map((next) => next.previousHash)
  }

  #join(segment: Segment): void {
    const before = this.#segments.find(({ to }) => to === segment.from - 1)
    const after = this.#segments.find(({ from }) => from === segment.to + 1)
    const joined = { ...segment }
    if (before !== undefined) {
      Object.assign(joined, { from: before.from, previousHash: before.previousHash, fromMs: before.fromMs })
    }
    if (after !== undefined) Object.assign(joined, { to: after.to, rowHash: after.rowHash, toMs: after.toMs })
    this.#segments = this.#segments.filter((other) => other !== before && other !== after)
    this.#segments.push(joined)
    this.#segments.sort((a, b) => a.from - b.from)
  }

  #missing(from: number, to: number): void {
    for (const range of without({ from, to }, [...this.#segments, ...this.#lost])) {
      this.#found('rows_missing', range.from, range.to)
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

interface Range {
  readonly from: number
  readonly to: number
}

/** What of a range is in none of the others. */
function without(range: Range, others: readonly Range[]): Range[] {
  let left = range.from <= range.to ? [range] : []
  for (const { from, to } of others) {
    left = left.flatMap((part) => {
      if (to < part.from || from > part.to) return [part]
      return [
        { from: part.from, to: from - 1 },
        { from: to + 1, to: part.to },
      ].filter((rest) => rest.from <= rest.to)
    })
  }
  return left
}
