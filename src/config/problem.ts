import type { z } from 'zod'
import { namesUnder } from './reference.ts'

/** Something wrong with the configuration, at its path in the file; the path is empty for the file as a whole. */
export interface Problem {
  readonly path: string
  readonly message: string
}

type PathElement = PropertyKey

/** Longest piece of the file that a message repeats. */
const QUOTED_CHARACTERS_MAX = 40

/** Turns the issues of one check into problems, in our words; `refuseKey` words those of a key that nobody knows. */
export function problemsOf(error: Pick<z.core.$ZodError, 'issues'>, refuseKey = unknownKey): Problem[] {
  return error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => refuseKey(issue.path, key))
      : [{ path: writtenPath(issue.path), message: messageOf(issue) }],
  )
}

/** Writes `issuers[0].keys.jwks_uri`; a key that is not a plain word is quoted. */
export function writtenPath(path: readonly PathElement[]): string {
  return path.reduce<string>((written, element) => {
    if (typeof element === 'number') return `${written}[${element}]`
    const key = String(element)
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(key)) return `${written}[${quoted(key)}]`
    return written === '' ? key : `${written}.${key}`
  }, '')
}

function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') {
    return issue.input === undefined ? 'is required' : `must be ${kindOf(issue.expected)}, got ${describe(issue.input)}`
  }
  if (issue.code === 'invalid_key') return `this name ${issue.issues[0]?.message ?? 'is not allowed'}`
  if (issue.code === 'invalid_value') {
    return issue.input === undefined ? 'is required' : `${issue.message}; got ${describe(issue.input)}`
  }
  return issue.message
}

function kindOf(expected: string): string {
  if (expected === 'object' || expected === 'record') return 'a mapping'
  if (expected === 'array') return 'a list'
  return expected === 'string' ? 'text' : `a ${expected}`
}

function describe(input: unknown): string {
  if (input === null) return 'nothing'
  if (Array.isArray(input)) return 'a list'
  if (typeof input === 'object') return 'a mapping'
  return typeof input === 'string' ? quoted(input) : JSON.stringify(input)
}

function quoted(text: string): string {
  return JSON.stringify(text.length > QUOTED_CHARACTERS_MAX ? `${text.slice(0, QUOTED_CHARACTERS_MAX)}…` : text)
}

export function unknownKey(path: readonly PathElement[], key: string): Problem {
  const siblings = namesUnder(writtenPath(path).replaceAll(/\[\d+\]/g, '[]'))
  const near = siblings.find((name) => isNear(key, name))
  const hint = near === undefined ? '' : `; did you mean "${near}"?`
  return { path: writtenPath([...path, key]), message: `is not a setting${hint}` }
}

/** The same but for case and separators, the beginning of the other, or at most two typing mistakes away. */
function isNear(key: string, name: string): boolean {
  const [a, b] = [plain(key), plain(name)]
  if (a.length < 3 || a.length > 2 * b.length) return false
  return b.startsWith(a) || a.startsWith(b) || editDistance(a, b) <= 2
}

function plain(key: string): string {
  return key.toLowerCase().replaceAll(/[-_ ]/g, '')
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitute = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substitute, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
