/** Numbers `from` to `to`, both included. */
export interface SeqRange {
  readonly from: number
  readonly to: number
}

/** Bits of one chunk of a `SeqSet`: numbers that lie close together share one, numbers that do not cost 128 bytes each. */
const CHUNK_BITS = 1024
const WORD_BITS = 32

/** A set of positive integers that mostly lie close together: an eighth of a byte each. */
export class SeqSet {
  readonly #chunks = new Map<number, Uint32Array>()

  /** Whether it was not in the set before. */
  add(seq: number): boolean {
    const key = Math.floor(seq / CHUNK_BITS)
    let chunk = this.#chunks.get(key)
    if (chunk === undefined) {
      chunk = new Uint32Array(CHUNK_BITS / WORD_BITS)
      this.#chunks.set(key, chunk)
    }
    const bit = seq % CHUNK_BITS
    const [word, mask] = [Math.floor(bit / WORD_BITS), 1 << (bit % WORD_BITS)]
    const before = chunk[word] ?? 0
    chunk[word] = before | mask
    return (before & mask) === 0
  }
}

/** Ranges in order, those that touch or overlap joined. */
export function mergedRanges(ranges: Iterable<SeqRange>): SeqRange[] {
  const merged: { from: number; to: number }[] = []
  for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1)
    if (last !== undefined && from <= last.to + 1) last.to = Math.max(last.to, to)
    else merged.push({ from, to })
  }
  return merged
}

/** What of a range is in none of the others, which are as `mergedRanges` gives them. */
export function* uncovered({ from, to }: SeqRange, merged: readonly SeqRange[]): Generator<SeqRange> {
  let next = from
  for (let index = firstEndingAt(merged, from); index < merged.length && next <= to; index += 1) {
    const covered = merged[index]
    if (covered === undefined || covered.from > to) break
    if (covered.from > next) yield { from: next, to: covered.from - 1 }
    next = covered.to + 1
  }
  if (next <= to) yield { from: next, to }
}

/** Index of the first range that ends at this number or after it. */
function firstEndingAt(merged: readonly SeqRange[], seq: number): number {
  let [low, high] = [0, merged.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((merged[middle]?.to ?? 0) < seq) low = middle + 1
    else high = middle
  }
  return low
}
