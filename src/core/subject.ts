/**
 * The grammar of NATS subjects as grants write them, stricter than nats-server where a looser reading would be a trap:
 * nats-server drops a deny entry that it cannot parse and lets everything through (`server/sublist.go` IsValidSubject,
 * `server/client.go` setPermissions), and takes `foo.b*r` for a literal. The CHECK constraints of `Grants` hold the same rules.
 */

export type SubjectToken =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'any' }
  | { readonly kind: 'rest' }
  | { readonly kind: 'variable'; readonly name: string }

export interface SubjectPattern {
  readonly tokens: readonly SubjectToken[]
}

/** A subject with `max_control_line` raised is bounded by nothing in nats-server; no real subject comes near this. */
export const SUBJECT_CHARACTERS_MAX = 1024
export const QUEUE_CHARACTERS_MAX = 256

const VARIABLE = /^\{\{([a-z][a-z0-9_]{0,63})\}\}$/
const FORBIDDEN_IN_LITERAL = /[\s\p{Cc}{}*>.]/u
/** What a variable may bring into a subject: one token without any character that has a meaning there. */
const VARIABLE_VALUE = /^[A-Za-z0-9_-]{1,128}$/

/**
 * Parses a subject of a grant: tokens separated by single dots, `*` and a last `>` as wildcards, `{{name}}` as a variable,
 * each only as a whole token. Returns what is wrong instead of throwing: a bad row is expected input.
 */
export function parseSubjectPattern(text: string): { pattern: SubjectPattern } | { problem: string } {
  if (text.length === 0) return { problem: 'the subject is empty' }
  if (text.length > SUBJECT_CHARACTERS_MAX)
    return { problem: `the subject is longer than ${SUBJECT_CHARACTERS_MAX} characters` }
  if (!text.isWellFormed()) return { problem: 'the subject is not well-formed Unicode' }
  const parts = text.split('.')
  const tokens: SubjectToken[] = []
  for (const [index, part] of parts.entries()) {
    const token = parseToken(part)
    if (token === undefined) return { problem: `token ${index + 1} of the subject ${problemOfToken(part)}` }
    if (token.kind === 'rest' && index !== parts.length - 1)
      return { problem: '">" is not the last token of the subject' }
    tokens.push(token)
  }
  return { pattern: { tokens } }
}

function parseToken(part: string): SubjectToken | undefined {
  if (part === '*') return { kind: 'any' }
  if (part === '>') return { kind: 'rest' }
  const variable = VARIABLE.exec(part)
  if (variable?.[1] !== undefined) return { kind: 'variable', name: variable[1] }
  if (part.length === 0 || FORBIDDEN_IN_LITERAL.test(part)) return undefined
  return { kind: 'literal', text: part }
}

function problemOfToken(part: string): string {
  if (part.length === 0) return 'is empty'
  if (/[\s\p{Cc}]/u.test(part)) return 'holds white space or a control character'
  if (/[{}]/.test(part)) return 'is not a whole {{variable}}'
  return 'mixes a wildcard with text'
}

/** Checks a queue group name: the token rules of a subject, wildcards allowed, variables not. Returns the problem, if any. */
export function problemOfQueue(text: string): string | undefined {
  if (text.length > QUEUE_CHARACTERS_MAX) return `the queue group is longer than ${QUEUE_CHARACTERS_MAX} characters`
  const parsed = parseSubjectPattern(text)
  if ('problem' in parsed) return parsed.problem.replace('the subject', 'the queue group')
  if (parsed.pattern.tokens.some((token) => token.kind === 'variable')) return 'the queue group holds a variable'
  return undefined
}

/** Whether a variable may stand for it. */
export function isVariableValue(text: string): boolean {
  return VARIABLE_VALUE.test(text)
}

/**
 * Puts values in place of variables. A value stands for exactly one token and must match `^[A-Za-z0-9_-]{1,128}$`, so that
 * no claim can bring a wildcard, a dot or white space into a subject. Returns the name of the variable that has no
 * such value instead of repairing it.
 */
export function expandSubject(
  pattern: SubjectPattern,
  variables: Readonly<Record<string, string>>,
): { subject: string } | { unresolved: string } {
  const parts: string[] = []
  for (const token of pattern.tokens) {
    if (token.kind === 'variable') {
      const value = Object.hasOwn(variables, token.name) ? variables[token.name] : undefined
      if (value === undefined || !isVariableValue(value)) return { unresolved: token.name }
      parts.push(value)
    } else {
      parts.push(token.kind === 'literal' ? token.text : token.kind === 'any' ? '*' : '>')
    }
  }
  return { subject: parts.join('.') }
}

/**
 * Whether every subject that `narrow` can match is matched by `wide`, by the rules of nats-server (`server/sublist.go`):
 * `*` stands for one token, `>` for one or more. Either may be a literal subject. A variable is compared by its name.
 */
export function covers(wide: SubjectPattern, narrow: SubjectPattern): boolean {
  for (const [index, token] of wide.tokens.entries()) {
    const other = narrow.tokens[index]
    if (other === undefined) return false
    if (token.kind === 'rest') return true
    if (other.kind === 'rest') return false
    if (token.kind === 'any') continue
    if (token.kind === 'literal' && !(other.kind === 'literal' && other.text === token.text)) return false
    if (token.kind === 'variable' && !(other.kind === 'variable' && other.name === token.name)) return false
  }
  return wide.tokens.length === narrow.tokens.length
}

/** Whether some subject is matched by both. A variable may be any token that it can stand for. */
export function overlaps(one: SubjectPattern, other: SubjectPattern): boolean {
  for (let index = 0; ; index += 1) {
    const [a, b] = [one.tokens[index], other.tokens[index]]
    if (a === undefined || b === undefined) return a === b
    if (a.kind === 'rest' || b.kind === 'rest') return true
    if (!mayBeSame(a, b)) return false
  }
}

function mayBeSame(a: SubjectToken, b: SubjectToken): boolean {
  if (a.kind === 'variable' && b.kind === 'literal') return isVariableValue(b.text)
  if (b.kind === 'variable' && a.kind === 'literal') return isVariableValue(a.text)
  return a.kind !== 'literal' || b.kind !== 'literal' || a.text === b.text
}
