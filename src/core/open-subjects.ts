/** Numbers in ascending order, or one bit for each number that there is. */
type Members = readonly number[] | Uint32Array

/**
 * Subjects that end with `>`, to tell whether one of them covers another subject. They are looked at 32 at a time: with many that begin
 * alike, such as `*.a.>` and `a.*.>`, no order of them saves from looking at nearly all.
 */
export class OpenSubjects {
  /** By position: which of the subjects have a token there. */
  readonly #columns: Map<string, Members>[] = []
  readonly #words: number

  /** Subjects without variables, each with a last `>`. */
  constructor(subjects: readonly string[]) {
    this.#words = Math.ceil(subjects.length / 32)
    const columns: Map<string, number[]>[] = []
    for (const [number, subject] of subjects.entries()) {
      for (const [position, token] of subject.split('.').entries()) {
        const column = (columns[position] ??= new Map<string, number[]>())
        const members = column.get(token)
        if (members === undefined) column.set(token, [number])
        else members.push(number)
      }
    }
    this.#columns = columns.map(
      (column) => new Map(Array.from(column, ([token, members]) => [token, this.#compact(members)])),
    )
  }

  /** Whether `covers(one of them, subject)` holds (`core/subject.ts`). */
  cover(subject: string): boolean {
    let alive = new Uint32Array(this.#words).fill(0xffff_ffff)
    let next = new Uint32Array(this.#words)
    for (const [position, token] of subject.split('.').entries()) {
      const column = this.#columns[position]
      if (column === undefined) return false
      next.fill(0)
      if (addCommon(next, alive, column.get('>'))) return true
      const isAny = addCommon(next, alive, column.get('*'))
      const isNamed = token !== '*' && addCommon(next, alive, column.get(token))
      if (!isAny && !isNamed) return false
      ;[alive, next] = [next, alive]
    }
    return false
  }

  /** A bit for each subject takes less room than many numbers, and less time; many bits take more than a few numbers. */
  #compact(members: readonly number[]): Members {
    if (members.length <= this.#words) return members
    const bits = new Uint32Array(this.#words)
    for (const number of members) bits[number >>> 5] = (bits[number >>> 5] ?? 0) | (1 << (number & 31))
    return bits
  }
}

/** Adds to `sum` those members that are among `alive`; returns whether there are any. */
function addCommon(sum: Uint32Array, alive: Uint32Array, members: Members = []): boolean {
  let found = 0
  if (members instanceof Uint32Array) {
    for (let word = 0; word < members.length; word += 1) {
      const common = (members[word] ?? 0) & (alive[word] ?? 0)
      sum[word] = (sum[word] ?? 0) | common
      found |= common
    }
  } else {
    for (const number of members) {
      const word = number >>> 5
      const common = (1 << (number & 31)) & (alive[word] ?? 0)
      sum[word] = (sum[word] ?? 0) | common
      found |= common
    }
  }
  return found !== 0
}
