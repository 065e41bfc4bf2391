import { contentHash, linkHash, type Sha256 } from '../core/audit-chain.ts'
import {
  ChainVerifier,
  FINDINGS_MAX,
  type ChainedRow,
  type Finding,
  type Window,
  type WitnessedCheckpoint,
} from '../core/verify-chain.ts'

/** A row of `Decisions` as JSON, by the names of its columns; see `contentHash`. */
export type StoredRecord = Readonly<Record<string, unknown>>

/** Reads what is to be verified. Throws `CalloutError`. */
export interface EvidenceReader {
  /** Rows decided from `fromMs` to `toMs`, both included, in any order. */
  rows(fromMs: number, toMs: number): AsyncIterable<StoredRecord>
  /** Notes of checkpoints that were stored from `fromMs` to `toMs`. */
  notes(fromMs: number, toMs: number): Promise<readonly StoredNote[]>
  /** Of one chain, beginning with the one that covers the place. */
  notesFrom(chainId: string, seq: number, limit: number): Promise<readonly StoredNote[]>
  row(decisionId: string): Promise<StoredRecord | undefined>
  /** When the chain columns came into the database, epoch milliseconds: rows from before have none. */
  chainedSinceMs(): Promise<number>
}

export interface StoredNote {
  readonly chainId: string
  readonly seq: number
  readonly note: string
}

export interface VerificationOptions {
  readonly reader: EvidenceReader
  readonly sha256: Sha256
  /** Undefined when the key did not sign it. Absent when there is no key: then the links alone are checked. */
  readonly open?: (note: string) => WitnessedCheckpoint | undefined
  /** Notes that were kept elsewhere. */
  readonly copies: readonly string[]
  readonly window: Window
  /** Called now and then with the number of rows so far. */
  readonly progress: (rows: number) => void
}

export interface Verdict {
  readonly rows: number
  readonly chains: number
  readonly checkpoints: number
  /** Rows from before there were chains. */
  readonly older: number
  readonly uncovered: number
  readonly findings: readonly Finding[]
}

/** A row may be stored so much later than it was decided, and so much may a clock be wrong. */
const CONTEXT_MS = 20 * 60_000
const PROGRESS_EVERY_ROWS = 10_000

/** Checks all chains in a window of time: each row by itself, with its neighbours, and against what was signed. */
export async function verifyAudit(options: VerificationOptions): Promise<Verdict> {
  const { reader, sha256, open, window, progress } = options
  const [fromMs, toMs] = [window.fromMs - CONTEXT_MS, window.toMs + CONTEXT_MS]
  const findings: Finding[] = []
  const signed = await witnessed(options, await reader.notes(fromMs, toMs), findings)
  const verifiers = new Map<string, ChainVerifier>()
  const verifierOf = (chainId: string): ChainVerifier => {
    const known = verifiers.get(chainId)
    if (known !== undefined) return known
    const checkpoints = signed.get(chainId) ?? []
    const startedMs = startOf(chainId)
    const made = new ChainVerifier({ chainId, startedMs, checkpoints, isSigned: open !== undefined, window })
    verifiers.set(chainId, made)
    return made
  }
  for (const chainId of signed.keys()) verifierOf(chainId)
  const chainedSinceMs = Math.min(await reader.chainedSinceMs(), ...startsOf(signed.keys()))
  let [rows, older] = [0, 0]
  for await (const record of reader.rows(fromMs, toMs)) {
    const row = chainedRow(record, sha256)
    const isInside = row.decidedAtMs >= window.fromMs && row.decidedAtMs <= window.toMs
    if (isInside) rows += 1
    if (isInside && rows % PROGRESS_EVERY_ROWS === 0) progress(rows)
    if (isChained(row)) verifierOf(row.chainId).add(row)
    else if (isInside && row.decidedAtMs < chainedSinceMs) older += 1
    else if (isInside && findings.length < FINDINGS_MAX) {
      findings.push({ kind: 'row_unchained', decisionId: row.decisionId })
    }
  }
  let uncovered = 0
  for (const verifier of verifiers.values()) {
    const verdict = verifier.finish()
    findings.push(...verdict.findings)
    uncovered += verdict.uncovered
  }
  const checkpoints = [...signed.values()].reduce((count, notes) => count + notes.length, 0)
  return { rows, chains: verifiers.size, checkpoints, older, uncovered, findings }
}

/** Checkpoints by chain, those of the database and of the copies; what is wrong with them goes to `findings`. */
async function witnessed(
  { open, copies, window }: VerificationOptions,
  stored: readonly StoredNote[],
  findings: Finding[],
): Promise<ReadonlyMap<string, readonly WitnessedCheckpoint[]>> {
  const byChain = new Map<string, Map<string, WitnessedCheckpoint>>()
  if (open === undefined) return new Map()
  const add = (opened: WitnessedCheckpoint): boolean => {
    const { chainId } = opened.checkpoint
    const notes = byChain.get(chainId) ?? new Map<string, WitnessedCheckpoint>()
    byChain.set(chainId, notes)
    const isNew = !notes.has(opened.noteHash)
    notes.set(opened.noteHash, opened)
    return isNew
  }
  for (const { chainId, seq, note } of stored) {
    const opened = open(note)
    const isWhatItSays = opened?.checkpoint.chainId === chainId && opened.checkpoint.seq === seq
    if (opened !== undefined && isWhatItSays) add(opened)
    else findings.push({ kind: 'checkpoint_invalid', chainId, from: seq, to: seq })
  }
  for (const note of copies) {
    const opened = open(note)
    if (opened === undefined) {
      findings.push({ kind: 'checkpoint_invalid' })
      continue
    }
    const { chainId, seq, atMs } = opened.checkpoint
    if (atMs < window.fromMs || atMs > window.toMs) continue
    if (add(opened)) findings.push({ kind: 'checkpoint_missing', chainId, from: seq, to: seq })
  }
  return new Map([...byChain].map(([chainId, notes]) => [chainId, [...notes.values()]]))
}

/** A row as the chain sees it; what it does not hold is empty. */
export function chainedRow(record: StoredRecord, sha256: Sha256): ChainedRow {
  const text = (name: string): string => (typeof record[name] === 'string' ? record[name] : '')
  const place = {
    chainId: text('ChainId'),
    seq: typeof record['ChainSeq'] === 'number' ? record['ChainSeq'] : 0,
    previousHash: text('PreviousHash'),
  }
  return {
    ...place,
    rowHash: text('RowHash'),
    computedHash: linkHash(place, hashOf(record, sha256), sha256),
    decisionId: text('DecisionId'),
    decidedAtMs: msOf(text('DecidedAt')),
  }
}

/** Of what no service writes and a database may hold all the same, such as half a character in JSON, there is no hash. */
function hashOf(record: StoredRecord, sha256: Sha256): string {
  try {
    return contentHash(record, sha256)
  } catch (error) {
    if (error instanceof TypeError) return ''
    throw error
  }
}

function isChained({ chainId, seq, previousHash, rowHash }: ChainedRow): boolean {
  return chainId !== '' && seq > 0 && previousHash !== '' && rowHash !== ''
}

/** The time in a UUIDv7; 0 for what is none, so that nothing is taken for the beginning of its chain. */
function startOf(chainId: string): number {
  const [, high = '', low = ''] = /^([0-9a-f]{8})-([0-9a-f]{4})-7/.exec(chainId) ?? []
  return high === '' ? 0 : Number.parseInt(high + low, 16)
}

/** A signature tells that there were chains already, whatever the database says. */
function startsOf(chainIds: Iterable<string>): number[] {
  return Array.from(chainIds, startOf).filter((startMs) => startMs > 0)
}

function msOf(timestamp: string): number {
  const ms = Date.parse(timestamp)
  return Number.isNaN(ms) ? 0 : ms
}
