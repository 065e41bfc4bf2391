import { Composer, type CST, LineCounter, Lexer, Parser } from 'yaml'
import type { Problem } from '../config/problem.ts'
import { yamlProblems } from '../config/yaml-problems.ts'

/** What one document of a file holds, or what keeps it from being read. */
export type ParsedDocument = { readonly value: unknown } | { readonly problems: readonly Problem[] }

/** A file of policy that people review is far smaller; what is larger can be several files. */
export const FILE_CHARACTERS_MAX = 8 * 1024 * 1024
/** A document has six levels. */
const DEPTH_MAX = 32
/** More would hide the first ones. */
const PROBLEMS_MAX = 20

/**
 * The documents of a YAML 1.2 file (`---` between them), without aliases and custom tags, as plain values; empty documents are
 * passed over. One at a time, so that a long file takes the memory of its longest document. After one that is no YAML nothing more
 * is read: where the next begins cannot be told.
 */
export function* parseDocuments(text: string): Generator<ParsedDocument> {
  if (text.length > FILE_CHARACTERS_MAX) {
    yield refused(`the file is longer than ${FILE_CHARACTERS_MAX} characters; split it`)
    return
  }
  const lines = new LineCounter()
  const composer = new Composer({ uniqueKeys: true, strict: true, prettyErrors: false })
  try {
    for (const document of composer.compose(tokensOf(text, lines), true, text.length)) {
      const problems = yamlProblems(document, lines)
      if (problems.length > 0) {
        yield { problems: problems.slice(0, PROBLEMS_MAX) }
        return
      }
      const value: unknown = document.toJS({ maxAliasCount: 0 })
      if (value !== null && value !== undefined) yield { value }
    }
  } catch (error) {
    // The parser recurses: what nests by indentation alone may still be deeper than the stack.
    if (!(error instanceof TooDeep) && !(error instanceof RangeError)) throw error
    yield refused('the file is nested too deeply')
  }
}

class TooDeep extends Error {}

/** The tokens of the parser; refuses depth before the parser spends its time on it, some 30 µs for each bracket. */
function* tokensOf(text: string, lines: LineCounter): Generator<CST.Token> {
  lines.addNewLine(0)
  const parser = new Parser(lines.addNewLine)
  let [open, inLine] = [0, 0]
  for (const lexeme of new Lexer().lex(text)) {
    if (lexeme === '[' || lexeme === '{') open += 1
    else if (lexeme === ']' || lexeme === '}') open -= 1
    else if (lexeme === '\n' || lexeme === '\r\n') inLine = 0
    else if (lexeme === '-' || lexeme === '?') inLine += 1
    if (open > DEPTH_MAX || (open === 0 && inLine > DEPTH_MAX)) throw new TooDeep()
    yield* parser.next(lexeme)
  }
  yield* parser.end()
}

function refused(message: string): ParsedDocument {
  return { problems: [{ path: '', message }] }
}
