import { CHAIN_START, type ChainHead, type LostRows } from './audit-chain.ts'

/** What is signed of a chain from time to time. */
export interface Checkpoint extends ChainHead {
  /** Name of the key. */
  readonly origin: string
  /** Epoch milliseconds, by the clock of the writer. */
  readonly atMs: number
  /** SHA-256 of the whole note before, hex; `CHAIN_START` for the first of a chain. */
  readonly previousNote: string
}

const HASH = '[0-9a-f]{64}'
const CHECKPOINT = new RegExp(
  `^(?<origin>[^\\s+]{1,128})/(?<chainId>[0-9a-f-]{36})\\n(?<seq>[1-9][0-9]{0,14})\\n(?<rowHash>${HASH})\\n` +
    `time (?<time>\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z)\\nprevious (?<previousNote>${HASH})\\n` +
    `(?<lost>(?:lost [1-9][0-9]{0,14}-[1-9][0-9]{0,14} ${HASH} ${HASH}\\n)*)$`,
)

/**
 * The text of a checkpoint, modelled on C2SP tlog-checkpoint: origin with the chain, number of rows, hash of the last one, and
 * further lines. The hash is in hex, as in the column. `isoTime` writes epoch milliseconds as RFC 3339 with three digits.
 */
export function formatCheckpoint(checkpoint: Checkpoint, isoTime: (epochMs: number) => string): string {
  const { origin, chainId, seq, rowHash, atMs, previousNote, lost } = checkpoint
  const lines = [
    `${origin}/${chainId}`,
    String(seq),
    rowHash,
    `time ${isoTime(atMs)}`,
    `previous ${previousNote}`,
    ...lost.map((range) => `lost ${range.from}-${range.to} ${range.previousHash} ${range.rowHash}`),
  ]
  return lines.map((line) => `${line}\n`).join('')
}

/** Undefined when the text is none. `parseTime` reads RFC 3339 as epoch milliseconds, NaN when it is none. */
export function parseCheckpoint(text: string, parseTime: (time: string) => number): Checkpoint | undefined {
  const groups = CHECKPOINT.exec(text)?.groups
  if (groups === undefined) return undefined
  const { origin = '', chainId = '', seq, rowHash = '', time = '', previousNote = CHAIN_START, lost = '' } = groups
  const atMs = parseTime(time)
  if (Number.isNaN(atMs)) return undefined
  return { origin, chainId, seq: Number(seq), rowHash, atMs, previousNote, lost: lost.split('\n').flatMap(lostRows) }
}

function lostRows(line: string): LostRows[] {
  const [, range = '', previousHash = '', rowHash = ''] = line.split(' ')
  const [from, to] = range.split('-').map(Number)
  return from === undefined || to === undefined ? [] : [{ from, to, previousHash, rowHash }]
}
