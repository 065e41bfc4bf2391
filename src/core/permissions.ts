import type { Action, Effect, ResponsePermission } from './grant.ts'
import { OpenSubjects } from './open-subjects.ts'

/** The two sides of a user JWT as nats-server reads them. */
export interface Permissions {
  readonly publish: SubjectPermission
  readonly subscribe: SubjectPermission
  /** Answers to what is received may be published besides, wherever the request says, a denied subject included. */
  readonly responses?: ResponsePermission
}

/** Sorted, without duplicates. In `subscribe`, an entry may be `subject queue`. */
export interface SubjectPermission {
  readonly allow: readonly string[]
  readonly deny: readonly string[]
}

/** Around an entry in JSON. Between are its characters, each of a byte or more. */
const QUOTES_AND_COMMA_BYTES = 3

/** A grant after parsing and expansion: a valid subject, and what is to be done with it. */
export interface ExpandedGrant {
  readonly action: Action
  readonly effect: Effect
  readonly subject: string
  readonly queue?: string
}

/**
 * Compiles grants to permissions. nats-server lets deny win over allow, and takes a side whose lists are both empty for
 * full access (`server/accounts.go` buildPermissionsFromJwt), so a side on which nothing is allowed is closed with `>`.
 * Undefined as soon as the permissions are certainly larger than `bytesMax`; they may be so otherwise as well (`permissionsBytes`).
 */
export function compilePermissions(
  grants: readonly ExpandedGrant[],
  responses?: readonly ResponsePermission[],
): Permissions
export function compilePermissions(
  grants: readonly ExpandedGrant[],
  responses: readonly ResponsePermission[],
  bytesMax: number,
): Permissions | undefined
export function compilePermissions(
  grants: readonly ExpandedGrant[],
  responses: readonly ResponsePermission[] = [],
  bytesMax = Infinity,
): Permissions | undefined {
  const publish = compileSide(grants, 'publish', bytesMax)
  const subscribe = compileSide(grants, 'subscribe', bytesMax)
  if (publish === undefined || subscribe === undefined) return undefined
  const response = widestResponse(responses)
  return { publish, subscribe, ...(response === undefined ? {} : { responses: response }) }
}

/**
 * nats-server knows one response permission for all that a user receives. Of several it is one of them, never a mixture that
 * allows more than each: the one of most messages, of these the one that lasts longest.
 */
function widestResponse(responses: readonly ResponsePermission[]): ResponsePermission | undefined {
  const [widest] = responses.toSorted((a, b) => b.max - a.max || b.ttlMs - a.ttlMs)
  return widest
}

function compileSide(
  grants: readonly ExpandedGrant[],
  action: Action,
  bytesMax: number,
): SubjectPermission | undefined {
  const allow = entriesWithin(entriesOf(grants, action, 'allow'), bytesMax)
  if (allow?.length === 0) return { allow, deny: ['>'] }
  const deny = entriesWithin(entriesOf(grants, action, 'deny'), bytesMax)
  if (allow === undefined || deny === undefined) return undefined
  if (action === 'publish') return { allow, deny }
  return { allow, deny: [...new Set([...deny, ...subscriptionGuards(allow)])].sort() }
}

/**
 * nats-server compares a subscription as a text (`server/client.go` canSubscribe): an allowed `orders.*` lets a subscription
 * to `orders.>` through, and would deliver `orders.eu.new` to it (measured on 2.10.27 and 2.15.1). What lies below such a `*` is
 * therefore denied, unless it is allowed as a whole; nats-server then takes the subscription and keeps that back. An allowed
 * subject that lies below in part is closed with it: nothing in a user JWT tells the two apart.
 */
function subscriptionGuards(allow: readonly string[]): string[] {
  const below = new Set(allow.flatMap((entry) => guardOf(subjectOf(entry)) ?? []))
  if (below.size === 0) return []
  const open = new OpenSubjects(allow.filter((entry) => entry.endsWith('>') && subjectOf(entry) === entry))
  return [...below].filter((subject) => !open.cover(subject))
}

/** What is denied because of an allowed subscription, unless it is allowed as a whole; undefined when nothing is. */
export function guardOf(subject: string): string | undefined {
  return /(?:^|\.)\*$/.test(subject) ? `${subject}.>` : undefined
}

/** The subject of an entry, which is all of one without a queue group. */
export function subjectOf(entry: string): string {
  const space = entry.indexOf(' ')
  return space === -1 ? entry : entry.slice(0, space)
}

function* entriesOf(grants: readonly ExpandedGrant[], action: Action, effect: Effect): Generator<string> {
  for (const grant of grants) {
    if (grant.action !== action || grant.effect !== effect) continue
    yield grant.queue === undefined ? grant.subject : `${grant.subject} ${grant.queue}`
  }
}

/**
 * The entries as a list of permissions has them: sorted, without duplicates. Undefined as soon as they alone are certainly larger
 * than `bytesMax`, with no look at the others.
 */
export function entriesWithin(entries: Iterable<string>, bytesMax: number): string[] | undefined {
  const found = new Set<string>()
  let bytes = 0
  for (const entry of entries) {
    if (found.has(entry)) continue
    found.add(entry)
    bytes += entry.length + QUOTES_AND_COMMA_BYTES
    if (bytes > bytesMax) return undefined
  }
  return [...found].sort()
}

/** Size of the permissions as they will stand in the JWT, before base64url; bytes. */
export function permissionsBytes(permissions: Permissions): number {
  return new TextEncoder().encode(JSON.stringify(permissions)).length
}
