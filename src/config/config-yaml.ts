import { LineCounter, parseDocument, visit, type Document } from 'yaml'
import type { Problem } from './problem.ts'

/** A file of 256 issuers with every setting written out has about 150 KiB. */
export const CONFIG_CHARACTERS_MAX = 256 * 1024
/** More would hide the first ones; a file with more is not a configuration. */
const YAML_PROBLEMS_MAX = 20

/**
 * Parses YAML 1.2, one document, without aliases and custom tags, as plain values; an empty file is an empty mapping.
 */
export function parseConfigYaml(text: string): { value: unknown } | { problems: readonly Problem[] } {
  if (text.length > CONFIG_CHARACTERS_MAX) {
    return { problems: [{ path: '', message: `the file is longer than ${CONFIG_CHARACTERS_MAX} characters` }] }
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { uniqueKeys: true, strict: true, prettyErrors: false, lineCounter: lines })
  const problems = [...document.errors, ...document.warnings].map((error) => ({
    path: '',
    message: `${lineOf(lines, error.pos[0])}: ${firstLine(error.message)}`,
  }))
  problems.push(...refusedNodes(document, lines))
  if (problems.length > 0) return { problems: problems.slice(0, YAML_PROBLEMS_MAX) }
  return { value: document.toJS({ maxAliasCount: 0 }) ?? {} }
}

/** Aliases can make a small file huge, and `__proto__` is dropped by JavaScript records without a word. */
function refusedNodes(document: Document.Parsed, lines: LineCounter): Problem[] {
  const problems: Problem[] = []
  const refuse = (offset: number | undefined, what: string): void => {
    problems.push({ path: '', message: `${lineOf(lines, offset ?? 0)}: ${what}` })
  }
  visit(document, {
    Alias: (_, node) => refuse(node.range?.[0], 'aliases are not supported; write the value out'),
    Pair: (_, pair) => {
      const key = pair.key as { value?: unknown; range?: readonly number[] } | null
      if (key?.value === '__proto__') refuse(key.range?.[0], '"__proto__" cannot be a name')
    },
  })
  return problems
}

function lineOf(lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset)
  return `line ${line}, column ${col}`
}

/** Messages of the parser may go on with a piece of the file, which may hold a misplaced secret. */
function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? ''
}
