import { visit, type Document, type LineCounter } from 'yaml'
import type { Problem } from './problem.ts'

/**
 * Why a YAML document is not read: what the parser found, and aliases and the name `__proto__`. Aliases can make a small file huge, and
 * `__proto__` is dropped by JavaScript records without a word.
 */
export function yamlProblems(document: Document.Parsed, lines: LineCounter): Problem[] {
  const problems: Problem[] = []
  const refuse = (offset: number, what: string): void => {
    const { line, col } = lines.linePos(offset)
    problems.push({ path: '', message: `line ${line}, column ${col}: ${what}` })
  }
  for (const { message, pos } of [...document.errors, ...document.warnings]) refuse(pos[0], firstLine(message))
  visit(document, {
    Alias: (_, node) => refuse(node.range?.[0] ?? 0, 'aliases are not supported; write the value out'),
    Pair: (_, pair) => {
      const key = pair.key as { value?: unknown; range?: readonly number[] } | null
      if (key?.value === '__proto__') refuse(key.range?.[0] ?? 0, '"__proto__" cannot be a name')
    },
  })
  return problems
}

/** Messages of the parser may go on with a piece of the file, which may hold a misplaced secret. */
function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? ''
}
