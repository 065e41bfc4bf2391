import type { Decision } from './decision.ts'
import type { Action } from './grant.ts'
import type { Permissions } from './permissions.ts'
import { covers, overlaps, parseSubjectPattern, problemOfQueue, type SubjectPattern } from './subject.ts'

/** What is asked of permissions: a subject, with wildcards for all that they match, and the queue group of a subscriber. */
export interface Question {
  readonly action: Action
  readonly subject: SubjectPattern
  /** On `subscribe` only. */
  readonly queue?: string
}

/** A question as people write it: a subject holds no variable, and a queue group goes with `subscribe`. */
export function parseQuestion(
  action: Action,
  subject: string,
  queue?: string,
): { readonly question: Question } | { readonly problem: string } {
  const parsed = parseSubjectPattern(subject)
  if ('problem' in parsed) return parsed
  if (parsed.pattern.tokens.some(({ kind }) => kind === 'variable'))
    return { problem: 'a subject that is asked for holds no variable' }
  if (queue === undefined) return { question: { action, subject: parsed.pattern } }
  const problem = action === 'publish' ? 'a queue group goes with subscribe' : problemOfQueue(queue)
  return problem === undefined ? { question: { action, subject: parsed.pattern, queue } } : { problem }
}

/**
 * `partly`: a subject with wildcards of which a part is denied. nats-server takes such a subscription and keeps back what is
 * denied; there is no such thing as a publish to a subject with wildcards.
 */
export type Verdict = 'yes' | 'no' | 'partly'

export interface Permitted {
  readonly verdict: Verdict
  /** The entries of the permissions that decided, as they stand there. */
  readonly because: readonly string[]
}

interface Entry {
  readonly text: string
  readonly subject: SubjectPattern
  readonly queue: SubjectPattern | undefined
}

/**
 * What nats-server would say (`server/client.go` canSubscribe, pubAllowed): an entry that fits the subject allows it unless an
 * entry of the other list fits it. As soon as an allow with a queue group fits the subject, only those decide about a member
 * of a queue group; a deny without one is for members too (since 2.12.7). An entry that nobody can read allows nothing and denies everything.
 *
 * nats-server compares a subscription as a text, in which a last `>` is a token like others: `orders.*` lets a subscription to
 * `orders.>` through, of which that entry covers a part.
 */
export function permits(permissions: Permissions, question: Question): Permitted {
  const { allow, deny } = permissions[question.action]
  const asText = withoutMeaning(question.subject)
  const fitting = allow.flatMap(readEntry).filter(({ subject }) => covers(subject, asText))
  const allowed = deciding(fitting, question.queue)
  if (allowed.length === 0) return { verdict: 'no', because: [] }

  const entries = deny.map((text) => readEntry(text)[0] ?? text)
  const unreadable = entries.filter((entry) => typeof entry === 'string')
  if (unreadable.length > 0) return { verdict: 'no', because: unreadable }
  const denies = entries.filter((entry) => typeof entry !== 'string')
  const denied = denies.filter(
    ({ subject, queue }) => covers(subject, asText) && (queue === undefined || isMember(question.queue, queue)),
  )
  if (denied.length > 0) return { verdict: 'no', because: texts(denied) }
  const inPart = denies.filter(({ subject, queue }) => queue === undefined && overlaps(subject, question.subject))
  if (inPart.length > 0) return { verdict: 'partly', because: texts(inPart) }
  const isWhole = allowed.some(({ subject }) => covers(subject, question.subject))
  return { verdict: isWhole ? 'yes' : 'partly', because: texts(allowed) }
}

/** The same of a decision; a denial permits nothing. */
export function permitsOf(decision: Decision, question: Question): Permitted {
  return decision.outcome === 'allow' ? permits(decision.permissions, question) : { verdict: 'no', because: [] }
}

function withoutMeaning({ tokens }: SubjectPattern): SubjectPattern {
  return { tokens: tokens.map((token) => (token.kind === 'rest' ? { kind: 'literal', text: '>' } : token)) }
}

/** Of allowing entries that fit the subject, those that count for a subscriber of this queue group, or for one without. */
function deciding(entries: readonly Entry[], wanted: string | undefined): Entry[] {
  const forGroups = entries.filter(({ queue }) => queue !== undefined)
  if (wanted === undefined || forGroups.length === 0) return entries.filter(({ queue }) => queue === undefined)
  return forGroups.filter(({ queue }) => queue !== undefined && isMember(wanted, queue))
}

function isMember(wanted: string | undefined, queue: SubjectPattern): boolean {
  const parsed = wanted === undefined ? undefined : parseSubjectPattern(wanted)
  return parsed !== undefined && 'pattern' in parsed && covers(queue, parsed.pattern)
}

function readEntry(text: string): Entry[] {
  const [subject = '', queue] = text.split(' ', 2)
  const parsed = parseSubjectPattern(subject)
  const parsedQueue = queue === undefined ? undefined : parseSubjectPattern(queue)
  if ('problem' in parsed || (parsedQueue !== undefined && 'problem' in parsedQueue)) return []
  return [{ text, subject: parsed.pattern, queue: parsedQueue?.pattern }]
}

function texts(entries: readonly Entry[]): string[] {
  return entries.map(({ text }) => text)
}
