import type { ConnectionCondition } from './connection-condition.ts'

export type Effect = 'allow' | 'deny'
export type Action = 'publish' | 'subscribe'

/** What people grant on things that are made of many subjects; `subject` then names the thing. */
export const RESOURCE_ACTIONS = [
  'stream:read',
  'stream:write',
  'stream:manage',
  'consumer:use',
  'kv:read',
  'kv:write',
  'object:read',
  'object:write',
  'service:call',
  'service:offer',
] as const
export type ResourceAction = (typeof RESOURCE_ACTIONS)[number]
export type GrantAction = Action | ResourceAction

/** How much a subscriber may answer to the reply subject of what it receives. Whole numbers, from 1 to the bounds below. */
export interface ResponsePermission {
  /** Messages for each message received. */
  readonly max: number
  readonly ttlMs: number
}

/** As the constraint `CK_Grants_Response`. */
export const RESPONSE_MAX_MAX = 1_000_000
export const RESPONSE_TTL_MAX_MS = 86_400_000

/** What nats-server takes when nothing is said (`server/const.go`), and `service:offer` without a response of its own. */
export const DEFAULT_RESPONSE: ResponsePermission = { max: 1, ttlMs: 120_000 }

export function isResponsePermission({ max, ttlMs }: ResponsePermission): boolean {
  const isBetween = (value: number, most: number): boolean => Number.isSafeInteger(value) && value >= 1 && value <= most
  return isBetween(max, RESPONSE_MAX_MAX) && isBetween(ttlMs, RESPONSE_TTL_MAX_MS)
}

export function isResourceAction(action: string): action is ResourceAction {
  return RESOURCE_ACTIONS.some((known) => known === action)
}

/** Closed at the start, open at the end; epoch milliseconds. An absent bound is unbounded. */
export interface ValidityWindow {
  readonly validFromMs?: number
  readonly validUntilMs?: number
}

/** One row of `Grants`: a principal may or may not publish or subscribe to a subject in an account. */
export interface Grant extends ValidityWindow {
  readonly id: string
  /** Written form of DESIGN "Principals and grants": `user:corp:alice`, `role:reader`, … */
  readonly principal: string
  readonly account: string
  readonly effect: Effect
  readonly action: GrantAction
  /** NATS subject with wildcards and `{{…}}` variables, or the name of a resource, as stored; parse before use. */
  readonly subject: string
  /** Queue group, on `subscribe` only: the grant holds for members of that group. */
  readonly queue?: string
  /** On `subscribe` and `service:offer` only. */
  readonly response?: ResponsePermission
  /** Absent: the grant holds for every connection. */
  readonly condition?: ConnectionCondition
}

/** One row of `RoleBindings`: the member principal has the role while the window is open. */
export interface RoleBinding extends ValidityWindow {
  readonly member: string
  /** `role:<name>` */
  readonly role: string
}

/** One row of `Roles`: what holds for everyone who has the role. A role needs no row. */
export interface RoleSettings {
  readonly role: string
  /** Longest session that uses a grant of the role. */
  readonly sessionMaxMs?: number
}

/** One row of `Locks`: whoever the target names is refused, before any grant is looked at. */
export interface Lock {
  readonly id: string
  /**
   * A principal, but no role: whoever holds a role is locked as a user, client or group. Or `account:<name>`,
   * `token:<issuer id>:<token id>`, `address` with `sourceCidr`, or `everyone`.
   */
  readonly target: string
  readonly sourceCidr?: string
  /** For people who look at the refusal; never sent to nats-server. */
  readonly message?: string
  readonly expiresAtMs?: number
}

/** Everything that the store says about some principals at one timestamp. */
export interface Policy {
  readonly grants: readonly Grant[]
  readonly bindings: readonly RoleBinding[]
  readonly locks: readonly Lock[]
  /** Of the roles in `bindings`, those that have a row. */
  readonly roles: readonly RoleSettings[]
  /** The timestamp of the strong read, RFC 3339 with the precision of the store. */
  readonly readTimestamp: string
}
