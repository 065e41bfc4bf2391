import type { CliIo } from '../cli/io.ts'
import type { Expectations } from './expectations.ts'
import type { LocalStack } from './stack.ts'
import type { TextStyle } from './text-style.ts'

/** What every scene of the demo plays on. */
export interface DemoStage {
  readonly stack: LocalStack
  readonly expectations: Expectations
  readonly io: CliIo
  readonly style: TextStyle
}

/** A title with some lines under it. */
export function say({ io, style }: Pick<DemoStage, 'io' | 'style'>, title: string, ...lines: readonly string[]): void {
  io.stdout.write(`\n${style.title(title)}\n${lines.map((line) => `${line === '' ? '' : '  '}${line}\n`).join('')}`)
}

/** Tables stand below their title, like the steps. */
export function indented(io: CliIo): CliIo {
  const { stdout } = io
  const write = (text: string): unknown => stdout.write(`  ${text}`)
  return { ...io, stdout: stdout.isTTY === undefined ? { write } : { write, isTTY: stdout.isTTY } }
}
