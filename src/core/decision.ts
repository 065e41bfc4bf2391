import type { UnmetCondition } from './connection-condition.ts'
import type { DenyReason } from './reasons.ts'
import type { Permissions } from './permissions.ts'

/** A grant that named the principal but was not applied, and why. */
export interface SkippedGrant {
  readonly id: string
  readonly why:
    | 'not_yet_valid'
    | 'expired'
    | UnmetCondition
    | 'subject_invalid'
    | 'variable_unresolved'
    | 'account_not_allowed'
    | 'other_account'
}

interface DecisionBase {
  /** UUIDv7; also the `jti` of the user JWT, the key of the audit row and the id in the text for nats-server. */
  readonly id: string
  /** Clock of the service, epoch milliseconds. */
  readonly decidedAtMs: number
  readonly skippedGrants: readonly SkippedGrant[]
}

/** Only `decide()` makes one. */
export interface Allow extends DecisionBase {
  readonly outcome: 'allow'
  readonly account: string
  readonly permissions: Permissions
  /** Epoch seconds: ≤ token expiry, ≤ end of every grant used, ≤ session maximum. */
  readonly expiresAt: number
  /** Grants that put a subject into the permissions. */
  readonly grantIds: readonly string[]
}

export interface Deny extends DecisionBase {
  readonly outcome: 'deny'
  readonly reason: DenyReason
  /** For operators and the audit row: precise, bounded, free of secrets. Never sent to nats-server. */
  readonly detail?: string
  readonly lockIds: readonly string[]
}

export type Decision = Allow | Deny
