import type { Decision } from './decision.ts'
import type { Permissions } from './permissions.ts'

/** What can be compared of two decisions, made or recorded. */
export interface DecisionFacts {
  readonly outcome: 'allow' | 'deny'
  /** Of a denial. */
  readonly reason?: string
  /** Of an allow. */
  readonly account?: string
  readonly permissions?: Permissions
  /** How long from the decision on; chance may shorten a session, and of a decision that is made again it is not known by how much. */
  readonly session?: { readonly shortestMs: number; readonly longestMs: number }
  readonly grantIds: readonly string[]
  readonly lockIds: readonly string[]
  readonly skipped: readonly { readonly id: string; readonly why: string }[]
  /** Skipped grants that were counted only. */
  readonly skippedBesides: number
}

/** One thing that is not the same: what only the first says of it, and what only the second does. */
export interface DecisionDifference {
  readonly what: string
  readonly first: readonly string[]
  readonly second: readonly string[]
}

/** The facts of a decision; `shortest` is the same one with the session as short as chance makes it. */
export function factsOf(decision: Decision, shortest: Decision = decision): DecisionFacts {
  const skipped = { skipped: decision.skippedGrants, skippedBesides: 0 }
  if (decision.outcome === 'deny') {
    const { outcome, reason, lockIds } = decision
    return { outcome, reason, grantIds: [], lockIds, ...skipped }
  }
  const { outcome, account, permissions, grantIds, expiresAt } = decision
  const lengthMs = (seconds: number): number => seconds * 1000 - decision.decidedAtMs
  return {
    outcome,
    account,
    permissions,
    session: {
      shortestMs: lengthMs(shortest.outcome === 'allow' ? shortest.expiresAt : expiresAt),
      longestMs: lengthMs(expiresAt),
    },
    grantIds,
    lockIds: [],
    ...skipped,
  }
}

/** Every difference between two decisions; empty when they are the same. The order of entries is none. */
export function differencesBetween(first: DecisionFacts, second: DecisionFacts): DecisionDifference[] {
  const sides = (['publish', 'subscribe'] as const).flatMap((side) =>
    (['allow', 'deny'] as const).map((effect) => {
      const entries = ({ permissions }: DecisionFacts): readonly string[] => permissions?.[side][effect] ?? []
      return compared(`${side} ${effect}`, entries(first), entries(second))
    }),
  )
  return [
    compared('outcome', [first.outcome], [second.outcome]),
    compared('reason', listed(first.reason), listed(second.reason)),
    compared('account', listed(first.account), listed(second.account)),
    ...sides,
    compared('responses', responses(first), responses(second)),
    ...sessions(first, second),
    compared('grants used', first.grantIds, second.grantIds),
    compared('locks', first.lockIds, second.lockIds),
    skips(first, second),
  ].filter((difference) => difference.first.length > 0 || difference.second.length > 0)
}

function compared(what: string, first: readonly string[], second: readonly string[]): DecisionDifference {
  const [before, after] = [new Set(first), new Set(second)]
  return { what, first: [...before.difference(after)], second: [...after.difference(before)] }
}

function listed(text: string | undefined): string[] {
  return text === undefined ? [] : [text]
}

function responses({ permissions }: DecisionFacts): string[] {
  const answers = permissions?.responses
  return answers === undefined ? [] : [`${answers.max} within ${answers.ttlMs}ms`]
}

/** Where one of the two is a denial, the outcome has said it. */
function sessions({ session: first }: DecisionFacts, { session: second }: DecisionFacts): DecisionDifference[] {
  if (first === undefined || second === undefined) return []
  if (first.shortestMs <= second.longestMs && second.shortestMs <= first.longestMs) return []
  return [{ what: 'session', first: [`${first.longestMs / 1000}s`], second: [`${second.longestMs / 1000}s`] }]
}

/** Of a list that was cut for the record, what is left is compared, and how many there were. */
function skips(first: DecisionFacts, second: DecisionFacts): DecisionDifference {
  const written = ({ skipped }: DecisionFacts): string[] => skipped.map(({ id, why }) => `${id} ${why}`)
  const { what, ...only } = compared('grants skipped', written(first), written(second))
  const count = ({ skipped, skippedBesides }: DecisionFacts): number => skipped.length + skippedBesides
  if (first.skippedBesides === 0 && second.skippedBesides === 0) return { what, ...only }
  const cut = {
    first: second.skippedBesides > 0 ? [] : only.first,
    second: first.skippedBesides > 0 ? [] : only.second,
  }
  if (count(first) === count(second)) return { what, ...cut }
  return { what, first: [...cut.first, `${count(first)} in all`], second: [...cut.second, `${count(second)} in all`] }
}
