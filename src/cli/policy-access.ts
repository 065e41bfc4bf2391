import { randomUUID } from 'node:crypto'
import { withApproval } from '../service/approval.ts'
import { systemClock as clock } from '../service/clock.ts'
import type { PolicyAdmin } from '../service/ports.ts'
import type { ProposalStore } from '../service/proposals.ts'
import { createPolicyAdmin } from '../spanner/policy-admin.ts'
import { createProposalStore } from '../spanner/proposal-store.ts'
import type { Store } from './store.ts'

/** Policy as the commands edit it: under the rule of `grants.approval`. */
export function policyAdminOf({ database, config }: Store): PolicyAdmin {
  return withApproval(createPolicyAdmin({ database, clock, newId: randomUUID }), config.grants.approval)
}

export function proposalsOf({ database }: Store): ProposalStore {
  return createProposalStore({ database, clock, newId: randomUUID })
}
