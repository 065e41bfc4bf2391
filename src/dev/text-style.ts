import type { TextOutput } from '../cli/io.ts'

/** How the demo sets words apart. The words alone say everything: without colour nothing is lost. */
export interface TextStyle {
  title(text: string): string
  good(text: string): string
  bad(text: string): string
  quiet(text: string): string
}

const BOLD = 1
const DIM = 2
const RED = 31
const GREEN = 32

/** Colour only on a terminal that knows it, and without `NO_COLOR` (https://no-color.org). */
export function textStyle(
  output: Pick<TextOutput, 'isTTY'>,
  env: Readonly<Record<string, string | undefined>>,
): TextStyle {
  const styled = output.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
  const paint =
    (...codes: readonly number[]) =>
    (text: string): string =>
      styled ? `\u001b[${codes.join(';')}m${text}\u001b[0m` : text
  return { title: paint(BOLD), good: paint(GREEN), bad: paint(BOLD, RED), quiet: paint(DIM) }
}
