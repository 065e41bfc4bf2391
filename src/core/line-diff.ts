/** One line of a comparison: in both, only in the first, or only in the second. */
export interface DiffLine {
  readonly sign: ' ' | '-' | '+'
  readonly text: string
}

/** Beyond, the longest common sequence would take more time than it is worth, and the middle is shown as replaced. */
const CELLS_MAX = 4_000_000

/** Compares two texts line by line, with as few changed lines as can be. */
export function diffLines(before: readonly string[], after: readonly string[]): DiffLine[] {
  let start = 0
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1
  let end = 0
  const isSameAtEnd = (): boolean => before[before.length - 1 - end] === after[after.length - 1 - end]
  while (end < before.length - start && end < after.length - start && isSameAtEnd()) end += 1
  const same = (lines: readonly string[]): DiffLine[] => lines.map((text) => ({ sign: ' ', text }))
  const middle = diffMiddle(before.slice(start, before.length - end), after.slice(start, after.length - end))
  return [...same(before.slice(0, start)), ...middle, ...same(before.slice(before.length - end))]
}

function diffMiddle(before: readonly string[], after: readonly string[]): DiffLine[] {
  if (before.length * after.length > CELLS_MAX) return replaced(before, after)
  const width = after.length + 1
  /** Length of the longest common sequence of the rests behind two places. */
  const lengths = new Uint32Array((before.length + 1) * width)
  const at = (i: number, j: number): number => lengths[i * width + j] ?? 0
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      lengths[i * width + j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const lines: DiffLine[] = []
  let [i, j] = [0, 0]
  while (i < before.length && j < after.length) {
    const [was = '', is = ''] = [before[i], after[j]]
    if (was === is) {
      lines.push({ sign: ' ', text: was })
      i += 1
      j += 1
    } else if (at(i + 1, j) >= at(i, j + 1)) {
      lines.push({ sign: '-', text: was })
      i += 1
    } else {
      lines.push({ sign: '+', text: is })
      j += 1
    }
  }
  return [...lines, ...replaced(before.slice(i), after.slice(j))]
}

function replaced(before: readonly string[], after: readonly string[]): DiffLine[] {
  return [
    ...before.map((text): DiffLine => ({ sign: '-', text })),
    ...after.map((text): DiffLine => ({ sign: '+', text })),
  ]
}
