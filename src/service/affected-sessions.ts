import { decide, type DecisionInput, type SessionRules } from '../core/decide.ts'
import type { Policy } from '../core/grant.ts'
import { lockKeys } from '../core/locks.ts'
import type { PlannedChange } from '../core/plan.ts'
import { PolicyOverlay } from '../core/policy-overlay.ts'
import { recordedInputs, type RecordedDecision } from '../core/recorded-decision.ts'
import { effectOn, type SessionEffect } from '../core/session-effect.ts'
import type { Clock, LiveSessions, PolicyReader } from './ports.ts'

export interface AffectedSession {
  readonly session: RecordedDecision
  readonly effect: SessionEffect
}

export interface AffectedSessions {
  readonly affected: readonly AffectedSession[]
  /** Live sessions that were found, whether the changes touch them or not. */
  readonly looked: number
  /** Some live sessions were not looked at. */
  readonly isComplete: boolean
}

export interface AffectedSessionsOptions {
  readonly liveSessions: LiveSessions
  readonly policyReader: PolicyReader
  readonly clock: Clock
  readonly rules: SessionRules
  /** The longest that any session may be. */
  readonly sessionMaxMs: number
  /** Live sessions that are looked at; the newest ones. */
  readonly limit: number
}

const READ_TIMEOUT_MS = 20_000
/** Beyond, all live sessions are looked at in one go. */
const PRINCIPALS_LOOKED_FOR_MAX = 100

/**
 * What changes of policy do to the sessions that may be going on: each is decided anew, now, on the policy as it is and as it would
 * be, with the identity and the connection of its row. A session that would be refused today as well is not affected by the changes.
 */
export async function affectedSessions(
  changes: readonly PlannedChange[],
  options: AffectedSessionsOptions,
): Promise<AffectedSessions> {
  const { liveSessions, clock, sessionMaxMs, limit } = options
  const overlay = new PolicyOverlay(changes)
  const touched = new Set(overlay.touchedKeys)
  if (overlay.touchedRoles.size > 0) {
    for (const member of await liveSessions.membersOf([...overlay.touchedRoles])) touched.add(member)
  }
  if (touched.size === 0) return { affected: [], looked: 0, isComplete: true }
  const principals = lookedFor(touched, changes)
  const nowMs = clock.nowMs()
  const { sessions, isComplete } = await liveSessions.find({
    nowMs,
    sessionMaxMs,
    limit,
    ...(principals === undefined ? {} : { principals }),
  })
  const affected: AffectedSession[] = []
  const policies = new Map<string, Policy>()
  for (const session of sessions) {
    const made = recordedInputs(session)
    if (made === undefined) continue
    const keys = lockKeys(made.identity, options.rules.accounts.keys())
    if (!keys.some((key) => touched.has(key))) continue
    const readKeys = [...keys, ...overlay.rolesGiven(keys)]
    const name = readKeys.join('\n')
    const before =
      policies.get(name) ?? (await options.policyReader.read(readKeys, clock.monotonicMs() + READ_TIMEOUT_MS))
    remember(policies, name, before)
    const effect = effectOn(
      decideNow(session, made, before, options, nowMs),
      decideNow(session, made, overlay.after(before, keys), options, nowMs),
    )
    if (effect !== undefined) affected.push({ session, effect })
  }
  return { affected, looked: sessions.length, isComplete }
}

/** Undefined when a group, an issuer, or a lock on more than one principal is touched: these are not looked for by a key. */
function lookedFor(touched: ReadonlySet<string>, changes: readonly PlannedChange[]): string[] | undefined {
  const isByKey = [...touched].every((key) => /^(?:user|client):/.test(key))
  // A lock on a client stops the users that came through it, and one on a user whoever acts for others.
  const locks = changes.some(({ kind }) => kind === 'lock')
  return isByKey && !locks && touched.size <= PRINCIPALS_LOOKED_FOR_MAX ? [...touched] : undefined
}

/** Many sessions are of the same few identities; the map stays small whatever comes. */
function remember(policies: Map<string, Policy>, name: string, policy: Policy): void {
  if (policies.size >= 1000) policies.clear()
  policies.set(name, policy)
}

/** Without what would refuse a session only for how little of it is left, and without chance. */
function decideNow(
  session: RecordedDecision,
  made: NonNullable<RecordedDecision['made']>,
  policy: Policy,
  { rules }: AffectedSessionsOptions,
  nowMs: number,
): ReturnType<typeof decide> {
  const input: DecisionInput = {
    id: session.id,
    ...made,
    policy,
    rules: { ...rules, jitter: 0, minRemainingMs: 0 },
    nowMs,
    random: 0,
  }
  return decide(input)
}
