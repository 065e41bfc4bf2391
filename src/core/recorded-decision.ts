import type { DecisionInput } from './decide.ts'
import type { DecisionFacts } from './decision-difference.ts'

/** A decision as the audit keeps it, with what it was made of, so that it can be made again on other rows. */
export interface RecordedDecision {
  readonly id: string
  readonly decidedAtMs: number
  readonly outcome: 'allow' | 'deny'
  /** Of a denial. */
  readonly reason?: string
  /** Of an allow. */
  readonly account?: string
  readonly sessionExpiresAtMs?: number
  /** Timestamp of the strong read of the policy; absent when it was not read. */
  readonly grantsReadAt?: string
  /** Absent when the token was not accepted: there was nobody to decide on. */
  readonly made?: Pick<DecisionInput, 'identity' | 'wantedAccount' | 'connection'>
  /** Parts that a row of an older release does not hold (`attributes`), so that the decision made again may differ. */
  readonly missing: readonly string[]
  readonly connection: { readonly serverName: string; readonly connectionId?: number; readonly clientName?: string }
}

/** The same with all that was decided. */
export interface RecordedInFull extends RecordedDecision {
  readonly facts: DecisionFacts
  /** Of a denial, for operators. */
  readonly detail?: string
  /** Inputs that were cut to fit their columns, so that the decision made again may differ. */
  readonly cut: readonly string[]
}

/** The inputs of the decision; nothing when there was nobody to decide on. */
export function recordedInputs({ made, missing, account }: RecordedDecision): RecordedDecision['made'] {
  // Rows before `WantedAccount` do not say whether the client named its account.
  return made === undefined || missing.length === 0 ? made : { ...made, wantedAccount: account }
}
