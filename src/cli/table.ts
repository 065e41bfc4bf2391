import type { CliIo } from './io.ts'
import { visible } from './visible.ts'

const BOLD = '\u001b[1m'
const PLAIN = '\u001b[0m'
const GAP = '  '

/**
 * Writes rows for people: a column for each field, headed by its name, in the order given. Whatever the rows hold, the
 * terminal gets one line a row and no control character. Bold headings only on a terminal and without `NO_COLOR`.
 */
export function writeTable(io: CliIo, columns: readonly string[], rows: readonly (readonly string[])[]): void {
  openTable(io, columns)(rows)
}

/** The same for rows that come little by little: columns grow wider where later rows need it. The headings come with the first rows. */
export function openTable(io: CliIo, columns: readonly string[]): (rows: readonly (readonly string[])[]) => void {
  const widths = columns.map(({ length }) => length)
  let isHeaded = false
  const line = (row: readonly string[]): string =>
    widths
      .map((width, index) => padded(row[index] ?? '', width))
      .join(GAP)
      .trimEnd()
  return (rows) => {
    const cells = rows.map((row) => row.map(visible))
    for (const [index, width] of widths.entries())
      widths[index] = Math.max(width, ...cells.map((row) => lengthOf(row[index] ?? '')))
    if (!isHeaded) {
      const heading = line(columns)
      io.stdout.write(`${isStyled(io) ? `${BOLD}${heading}${PLAIN}` : heading}\n`)
      isHeaded = true
    }
    for (const row of cells) io.stdout.write(`${line(row)}\n`)
  }
}

function isStyled({ stdout, env }: CliIo): boolean {
  return stdout.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
}

function lengthOf(text: string): number {
  return Array.from(text).length
}

function padded(text: string, width: number): string {
  return text + ' '.repeat(width - lengthOf(text))
}
