import type { Grant } from './grant.ts'
import { overlaps, parseSubjectPattern, type SubjectPattern, type SubjectToken } from './subject.ts'

/** What a grant reaches that hardly anybody means to give away. */
export type WideReach =
  /** No token of the subject is named. */
  | 'everything'
  /** Subjects of nats-server itself: events of accounts and servers, and requests to servers. */
  | 'system'
  /** Requests to JetStream of which the subject leaves open what they do, so also those that delete. */
  | 'jetstream_api'
  /** Replies to requests of others. */
  | 'inboxes'

export interface WideGrant {
  readonly reach: WideReach
  /** Whether an admin has to confirm the grant; otherwise it is worth a warning. */
  readonly needsForce: boolean
  /** A clause that ends a sentence about the subject. */
  readonly why: string
}

/** `why` of each reach. */
const WHY: Readonly<Record<WideReach, string>> = {
  everything: 'names no token, so it reaches every subject of the account that is as long',
  system: 'reaches system subjects of nats-server ($SYS)',
  jetstream_api:
    'reaches the JetStream API ($JS.API) whatever the request, also those that delete; grant actions on streams',
  inboxes: 'reaches the replies to everybody who keeps the default inbox prefix (_INBOX)',
}

/** Where nats-server keeps subjects of its own. Anything else below `$SYS` counts when a subject names it. */
const SYSTEM_SPACES = ['$SYS.REQ.>', '$SYS.ACCOUNT.>', '$SYS.SERVER.>', '$SYS.DEBUG.>'].map(patternOf)
/** Tells a client of its own connection, and nothing else. */
const OWN_USER_INFO = '$SYS.REQ.USER.INFO'
/** Of the account's own JetStream, and of a domain (`server/jetstream_api.go` jsDomainAPI). The next two tokens say what a request does. */
const JETSTREAM_SPACE = patternOf('$JS.API.>')
const DOMAIN_SPACE = patternOf('$JS.*.API.>')
const INBOX_SPACE = patternOf('_INBOX.>')

/**
 * What makes an allow grant on raw subjects wider than hardly anybody means, the most serious first; empty when nothing does, for
 * a denial, for a grant on a named resource, and for a subject that cannot be read, which allows nothing. A variable is taken for the
 * text that would reach most, since values come from outside: a person may be called `_INBOX`.
 */
export function wideReach({
  effect,
  action,
  subject,
}: Pick<Grant, 'effect' | 'action' | 'subject'>): readonly WideGrant[] {
  if (effect !== 'allow' || (action !== 'publish' && action !== 'subscribe')) return []
  const parsed = parseSubjectPattern(subject)
  if ('problem' in parsed) return []
  const { pattern } = parsed
  const reached: readonly (readonly [WideReach, boolean])[] = [
    ['everything', pattern.tokens.every(isWildcard)],
    ['system', subject !== OWN_USER_INFO && reachesSystem(pattern)],
    ['jetstream_api', reachesJetStream(pattern)],
    ['inboxes', overlaps(pattern, INBOX_SPACE) && leavesOpen(pattern, INBOX_SPACE, 1, isWildcard)],
  ]
  return reached
    .filter(([, isReached]) => isReached)
    .map(([reach]) => ({ reach, needsForce: reach !== 'inboxes', why: WHY[reach] }))
}

/** Whether an admin has to confirm a grant before it is added, as `--force` does. */
export function needsForce(grant: Pick<Grant, 'effect' | 'action' | 'subject'>): boolean {
  return wideReach(grant).some((wide) => wide.needsForce)
}

function patternOf(text: string): SubjectPattern {
  const parsed = parseSubjectPattern(text)
  if ('problem' in parsed) throw new TypeError(parsed.problem)
  return parsed.pattern
}

function isNamed({ tokens: [first] }: SubjectPattern, text: string): boolean {
  return first?.kind === 'literal' && first.text === text
}

function isWildcard({ kind }: SubjectToken): boolean {
  return kind === 'any' || kind === 'rest'
}

function isOpen({ kind }: SubjectToken): boolean {
  return kind !== 'literal'
}

function reachesSystem(pattern: SubjectPattern): boolean {
  return isNamed(pattern, '$SYS') || SYSTEM_SPACES.some((space) => overlaps(pattern, space))
}

/** A domain may have any name: only who names `$JS` means one. */
function reachesJetStream(pattern: SubjectPattern): boolean {
  const spaces = isNamed(pattern, '$JS') ? [JETSTREAM_SPACE, DOMAIN_SPACE] : [JETSTREAM_SPACE]
  return spaces.some((space) => overlaps(pattern, space) && leavesOpen(pattern, space, 2, isOpen))
}

/** Whether one of the first so many tokens that follow what the space names may be many things. */
function leavesOpen(
  { tokens }: SubjectPattern,
  space: SubjectPattern,
  count: number,
  isAny: (token: SubjectToken) => boolean,
): boolean {
  const start = space.tokens.length - 1
  const rest = tokens.findIndex(({ kind }) => kind === 'rest')
  return (rest !== -1 && rest < start + count) || tokens.slice(start, start + count).some(isAny)
}
