import { LineCounter, parseDocument } from 'yaml'
import type { Problem } from './problem.ts'
import { yamlProblems } from './yaml-problems.ts'

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
  const problems = yamlProblems(document, lines)
  if (problems.length > 0) return { problems: problems.slice(0, YAML_PROBLEMS_MAX) }
  return { value: document.toJS({ maxAliasCount: 0 }) ?? {} }
}
