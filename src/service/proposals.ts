import { CalloutError } from '../core/errors.ts'
import { signed, type Plan } from '../core/plan.ts'
import { preconditionOf } from './applying.ts'
import type { PolicyEdit } from './ports.ts'

/**
 * A proposal is applied in one transaction, so that it is applied exactly and once, or not at all. So many changes take the emulator
 * 4 s of the 60 that a command waits, twice as many four times as long, and a busy machine takes its part.
 */
export const CHANGES_PER_PROPOSAL_MAX = 300

export const PROPOSAL_STATES = ['open', 'applied', 'rejected'] as const
export type ProposalState = (typeof PROPOSAL_STATES)[number]

export interface ProposalSummary {
  readonly id: string
  readonly state: ProposalState
  readonly proposedBy: string
  /** RFC 3339. */
  readonly proposedAt: string
  readonly reason: string
  readonly decidedBy?: string
  readonly decidedAt?: string
  readonly decisionReason?: string
}

export interface Proposal extends ProposalSummary {
  /** A saved plan as it was stored; to be read as if somebody hostile had written it. */
  readonly plan: unknown
}

export interface NewProposal {
  readonly id: string
  readonly plan: unknown
  readonly proposedBy: string
  readonly reason: string
}

/** Who decides on a proposal, and why. */
export interface Ruling {
  readonly decidedBy: string
  readonly reason: string
}

/**
 * Proposals as they are kept. A proposal that is not there throws `ERR_STORE_NOT_FOUND`, one that was decided `ERR_STORE_CONFLICT`;
 * otherwise as `PolicyAdmin`.
 */
export interface ProposalStore {
  add(proposal: NewProposal): Promise<void>
  /** Undefined when there is none. */
  find(id: string): Promise<Proposal | undefined>
  /** Newest first. */
  list(states: readonly ProposalState[], limit: number): Promise<readonly ProposalSummary[]>
  /** Makes the edit and marks the proposal as applied, both or neither. The edit has to be by who proposed it. */
  approve(id: string, edit: PolicyEdit, ruling: Ruling): Promise<void>
  reject(id: string, ruling: Ruling): Promise<void>
}

/** Why a plan cannot be proposed, if so. */
export function problemOfProposal({ changes }: Plan): string | undefined {
  if (changes.length === 0) return 'the plan has no changes'
  if (changes.length <= CHANGES_PER_PROPOSAL_MAX) return undefined
  return (
    `the plan has ${changes.length} changes, and at most ${CHANGES_PER_PROPOSAL_MAX} can be approved at once: ` +
    'plan a part of the documents without --prune and propose that, then the next part'
  )
}

/** Throws `ERR_APPROVAL_NEEDED` for who proposed it, and `ERR_STORE_REFUSED` for a plan that could not be proposed. */
export function requireApprovable({ proposedBy }: ProposalSummary, plan: Plan, decidedBy: string): void {
  if (decidedBy === proposedBy)
    throw new CalloutError('ERR_APPROVAL_NEEDED', `${proposedBy} proposed it, so somebody else has to approve it`)
  const problem = problemOfProposal(plan)
  if (problem !== undefined) throw new CalloutError('ERR_STORE_REFUSED', problem)
}

/**
 * Applies exactly the plan that was proposed, in the name of who proposed it and with the approval of somebody else, once: who
 * comes second finds that it was decided. Throws as `ProposalStore` and `requireApprovable`.
 */
export async function approveProposal(
  store: Pick<ProposalStore, 'approve'>,
  proposal: ProposalSummary,
  plan: Plan,
  ruling: Ruling,
): Promise<void> {
  requireApprovable(proposal, plan, ruling.decidedBy)
  const { id, proposedBy, reason } = proposal
  const origin = { reason, createdBy: proposedBy }
  const edit: PolicyEdit = {
    changes: plan.changes.map((change) => signed(change, origin)),
    source: 'proposal',
    actor: proposedBy,
    approvedBy: ruling.decidedBy,
    reason,
    ...preconditionOf(plan),
  }
  await store.approve(id, edit, ruling)
}
