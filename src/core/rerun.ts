import { decide, type DecisionInput, type SessionRules } from './decide.ts'
import { differencesBetween, factsOf, type DecisionDifference } from './decision-difference.ts'
import type { Policy } from './grant.ts'
import { recordedInputs, type RecordedInFull } from './recorded-decision.ts'

/** Rows to decide on, and when. */
export interface RerunOn {
  readonly policy: Policy
  readonly rules: SessionRules
  readonly nowMs: number
}

export type Inputs = NonNullable<ReturnType<typeof recordedInputs>>

/** Why a decision cannot be made again: it was made without a look at the grants. */
export type NothingToRun = 'token_not_accepted' | 'grants_not_read'

/** What to make a recorded decision of again, and the time of its rows. */
export function rerunInputs(
  recorded: RecordedInFull,
): { readonly inputs: Inputs; readonly grantsReadAt: string } | { readonly nothing: NothingToRun } {
  const inputs = recordedInputs(recorded)
  if (inputs === undefined) return { nothing: 'token_not_accepted' }
  const { grantsReadAt } = recorded
  return grantsReadAt === undefined ? { nothing: 'grants_not_read' } : { inputs, grantsReadAt }
}

/** The input of the decision at its own time, without chance. */
export function inputAsThen(
  { id, decidedAtMs }: RecordedInFull,
  inputs: Inputs,
  on: Omit<RerunOn, 'nowMs'>,
): DecisionInput {
  return { id, ...inputs, ...on, rules: { ...on.rules, jitter: 0 }, nowMs: decidedAtMs, random: 0 }
}

/** What of the record the decision made again does not say, and the other way round. A session may be shorter by chance. */
export function differencesFromRecord(
  { facts }: RecordedInFull,
  input: DecisionInput,
  jitter: number,
): DecisionDifference[] {
  const longest = decide(input)
  const shortest = decide({ ...input, rules: { ...input.rules, jitter }, random: 1 })
  return differencesBetween(facts, factsOf(longest, shortest))
}

/**
 * What is different when the same client comes at another time, with a token that lasts as long as the one it had. The time is moved by whole
 * seconds, so that sessions end at the same fraction of one.
 */
export function differencesLater(input: DecisionInput, { policy, rules, nowMs }: RerunOn): DecisionDifference[] {
  const seconds = Math.floor((nowMs - input.nowMs) / 1000)
  const { token } = input.identity
  const expiresAt = token.expiresAt === undefined ? {} : { expiresAt: token.expiresAt + seconds }
  const later = decide({
    ...input,
    identity: { ...input.identity, token: { ...token, ...expiresAt } },
    policy,
    rules: { ...rules, jitter: 0 },
    nowMs: input.nowMs + seconds * 1000,
  })
  return differencesBetween(factsOf(decide(input)), factsOf(later))
}
