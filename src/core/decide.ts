import { judgeCondition, type Connection, type ConnectionCondition } from './connection-condition.ts'
import type { Decision, Deny, SkippedGrant } from './decision.ts'
import type { Policy } from './grant.ts'
import type { Identity } from './identity.ts'
import { inboxSubject, type InboxPolicy } from './inbox.ts'
import { locksOnAccount, locksOnClient, namedLocks } from './locks.ts'
import { compilePermissions, permissionsBytes, type Permissions } from './permissions.ts'
import type { DenyReason } from './reasons.ts'
import { guardStarDenials } from './star-denials.ts'
import { appliedGrants, type AppliedGrant, type AppliedGrants, type UnenforceableDeny } from './applied-grants.ts'

/** What the operator sets for the clients of an account; by itself nothing. */
export interface AccountRules extends ConnectionCondition {
  /** Longest session there. */
  readonly sessionMaxMs?: number
  /** Absent: `none`. */
  readonly inbox?: InboxPolicy
}

/** The operator's rules for placement and for how long a session may last. */
export interface SessionRules {
  /**
   * Accounts into which a client may be placed, and what is set for its clients. nats-server itself lets a
   * callout place a user anywhere, SYS included, and on any connection.
   */
  readonly accounts: ReadonlyMap<string, AccountRules>
  readonly maxMs: number
  /** 0 to 1: by how much of its length a session may be shortened at random, so that storms do not come back as storms. */
  readonly jitter: number
  /** A session shorter than this is refused: the client would reconnect at once, again and again. */
  readonly minRemainingMs: number
}

export interface DecisionInput {
  readonly id: string
  readonly identity: Identity
  /** User name that the client sent; names the account when grants lie in several. */
  readonly wantedAccount: string | undefined
  readonly connection: Connection
  readonly policy: Policy
  readonly rules: SessionRules
  /** Epoch milliseconds. */
  readonly nowMs: number
  /** Uniform in [0, 1). */
  readonly random: number
}

/**
 * nats-server takes JWTs up to 1 MiB and payloads up to `max_payload` (1 MiB by default); the user JWT is base64 within base64
 * (×1.78). So it accepts 589,000 bytes of permissions and not 590,000 (measured on 2.15.1); 256 KiB fit where `max_payload` is half as large too.
 */
export const PERMISSIONS_BYTES_MAX = 256 * 1024

/**
 * Decides what a verified identity may do. Pure, total, and the only place where an allow is made: permissions ⊆ grants in
 * force at `nowMs`, expiry ≤ token expiry, ≤ the end of every grant used, ≤ the start of any deny that is still to come,
 * ≤ every session maximum that applies. Conditions on the connection are judged once, here: a session that is open keeps what it has, as its
 * address and its TLS do not change. A deny that cannot be applied refuses everything: leaving it out would grant more than was meant.
 */
export function decide(input: DecisionInput): Decision {
  const { identity, policy, nowMs } = input
  const locks = locksOnClient(identity, input.connection, policy.locks, nowMs)
  if (locks.length > 0) return deny(input, 'locked', namedLocks(locks))

  const applied = appliedGrants(identity, input.connection, policy, nowMs)
  const { denies, laterDenies, unenforceable } = applied
  const allows = applied.allows.filter((grant) => input.rules.accounts.has(grant.account))
  const misplaced = applied.allows.filter((grant) => !input.rules.accounts.has(grant.account))
  const skipped = [...applied.skipped, ...skippedFor('account_not_allowed', misplaced)]
  const placement = place(input.wantedAccount, allows, skipped)
  if ('reason' in placement) return deny(input, placement.reason, { skipped, detail: placement.detail })
  const { account } = placement
  const accountLocks = locksOnAccount(account, policy.locks, nowMs)
  if (accountLocks.length > 0) return deny(input, 'locked', { skipped, ...namedLocks(accountLocks) })

  const accountRules = input.rules.accounts.get(account) ?? {}
  const verdict = judgeCondition(accountRules, input.connection)
  if (verdict.holds !== 'yes')
    return deny(input, 'connection_not_allowed', { skipped, detail: `account ${account}: ${verdict.why}` })

  const blocking = unenforceable.filter((grant) => grant.account === account)
  if (blocking.length > 0) return deny(input, 'deny_unenforceable', { skipped, detail: describe(blocking) })

  const used = allows.filter((grant) => grant.account === account)
  const elsewhere = allows.filter((grant) => grant.account !== account)
  const denied = denies.filter((grant) => grant.account === account)
  const inbox = inboxSubject(accountRules.inbox ?? 'none', identity)
  const permissions = permissionsFrom(used, denied, inbox)
  if ('tooLarge' in permissions) return deny(input, 'permissions_too_large', { skipped, detail: permissions.tooLarge })

  const later = laterDenies.filter((grant) => grant.account === account)
  const expiresAt = sessionEnd(input, sessionBounds(input, used, later, accountRules))
  if (expiresAt * 1000 - nowMs < input.rules.minRemainingMs) {
    return deny(input, 'session_too_short', { skipped, detail: `the session would end at ${expiresAt}` })
  }
  return {
    id: input.id,
    decidedAtMs: nowMs,
    outcome: 'allow',
    account,
    permissions,
    expiresAt,
    grantIds: [...new Set(used.map((grant) => grant.id))],
    skippedGrants: [...skipped, ...skippedFor('other_account', elsewhere)],
  }
}

function place(
  wantedAccount: string | undefined,
  allows: readonly AppliedGrant[],
  skipped: readonly SkippedGrant[],
): { account: string } | { reason: DenyReason; detail?: string } {
  const accounts = new Set(allows.map((grant) => grant.account))
  const [only, another] = accounts
  if (only === undefined) return { reason: whyNothingApplies(skipped) }
  if (another === undefined) return { account: only }
  if (wantedAccount !== undefined && accounts.has(wantedAccount)) return { account: wantedAccount }
  return { reason: 'account_ambiguous', detail: `grants in ${[...accounts].sort().join(', ')}` }
}

function whyNothingApplies(skipped: readonly SkippedGrant[]): DenyReason {
  const why = new Set(skipped.map((grant) => grant.why))
  if (why.has('account_not_allowed')) return 'account_not_allowed'
  if (why.has('subject_invalid') || why.has('variable_unresolved')) return 'grants_unusable'
  if (why.has('connection_type_unmet') || why.has('source_address_unmet') || why.has('tls_unmet'))
    return 'conditions_unmet'
  if (why.has('expired') || why.has('not_yet_valid')) return 'grants_expired'
  return 'no_grants'
}

/**
 * The inbox is the account's to give, so it comes by no grant; a deny closes it all the same. Permissions that are far too large
 * are made only as far as it takes to tell, so of these the size is not known.
 */
function permissionsFrom(
  used: readonly AppliedGrant[],
  denied: readonly AppliedGrant[],
  inbox: string | undefined,
): Permissions | { readonly tooLarge: string } {
  const subjects = [...used, ...denied].flatMap((grant) => grant.subjects)
  const responses = used.flatMap(({ response }) => response ?? [])
  if (inbox !== undefined) subjects.push({ action: 'subscribe', effect: 'allow', subject: inbox })
  const compiled = compilePermissions(subjects, responses, PERMISSIONS_BYTES_MAX)
  const permissions = compiled === undefined ? undefined : guardStarDenials(compiled, PERMISSIONS_BYTES_MAX)
  if (permissions === undefined) return tooLarge(`more than ${PERMISSIONS_BYTES_MAX}`)
  const bytes = permissionsBytes(permissions)
  return bytes > PERMISSIONS_BYTES_MAX ? tooLarge(bytes) : permissions
}

function tooLarge(bytes: number | string): { readonly tooLarge: string } {
  return { tooLarge: `${bytes} bytes of permissions, at most ${PERMISSIONS_BYTES_MAX}` }
}

/** What a session does not outlast. */
export interface SessionBound {
  /** `grant`: it ends; `role`: the longest session of the role that the grant comes by; `deny`: it begins. */
  readonly by: 'token' | 'session_max' | 'account_max' | 'grant' | 'role' | 'deny'
  readonly grantId?: string
  readonly endsMs: number
}

/** Every bound of a session in an account that uses these grants. */
export function sessionBounds(
  { identity, rules, nowMs }: DecisionInput,
  used: readonly AppliedGrant[],
  laterDenies: AppliedGrants['laterDenies'],
  { sessionMaxMs: accountMaxMs }: AccountRules,
): SessionBound[] {
  const bounds: SessionBound[] = [
    { by: 'token', endsMs: (identity.token.expiresAt ?? 0) * 1000 },
    { by: 'session_max', endsMs: nowMs + rules.maxMs },
  ]
  if (accountMaxMs !== undefined) bounds.push({ by: 'account_max', endsMs: nowMs + accountMaxMs })
  for (const { id, validUntilMs, sessionMaxMs } of used) {
    if (validUntilMs !== undefined) bounds.push({ by: 'grant', grantId: id, endsMs: validUntilMs })
    if (sessionMaxMs !== undefined) bounds.push({ by: 'role', grantId: id, endsMs: nowMs + sessionMaxMs })
  }
  for (const { id, validFromMs } of laterDenies) bounds.push({ by: 'deny', grantId: id, endsMs: validFromMs })
  return bounds
}

/** Whole seconds, rounded down: nats-server ends the connection at that second. */
function sessionEnd({ rules, nowMs, random }: DecisionInput, bounds: readonly SessionBound[]): number {
  let endMs = Infinity
  for (const { endsMs } of bounds) endMs = Math.min(endMs, endsMs)
  const lengthMs = endMs - nowMs
  const shortenedMs = lengthMs * (1 - rules.jitter * random)
  return Math.floor((nowMs + Math.max(shortenedMs, Math.min(lengthMs, rules.minRemainingMs + 1000))) / 1000)
}

function skippedFor(why: SkippedGrant['why'], grants: readonly AppliedGrant[]): SkippedGrant[] {
  return grants.map((grant) => ({ id: grant.id, why }))
}

function describe(grants: readonly UnenforceableDeny[]): string {
  return grants
    .slice(0, 3)
    .map((grant) => `deny grant ${grant.id}: ${grant.problem}`)
    .join('; ')
}

function deny(
  input: DecisionInput,
  reason: DenyReason,
  {
    skipped = [],
    lockIds = [],
    detail,
  }: { skipped?: readonly SkippedGrant[]; lockIds?: string[]; detail?: string | undefined },
): Deny {
  return {
    id: input.id,
    decidedAtMs: input.nowMs,
    outcome: 'deny',
    reason,
    ...(detail === undefined ? {} : { detail }),
    lockIds,
    skippedGrants: skipped,
  }
}
