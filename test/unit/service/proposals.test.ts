import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Plan } from '../../../src/core/plan.ts'
import { approveProposal, CHANGES_PER_PROPOSAL_MAX, problemOfProposal } from '../../../src/service/proposals.ts'
import type { PolicyEdit } from '../../../src/service/ports.ts'
import { aGrant } from '../../support/builders.ts'

const PROPOSAL = { id: 'p', state: 'open', proposedBy: 'ann', proposedAt: '', reason: 'T-1' } as const
const RULING = { decidedBy: 'bob', reason: 'ok' }

function planOf(count: number): Plan {
  return {
    changes: Array.from({ length: count }, (_, index) => ({ kind: 'grant', after: aGrant({ id: `g${index}` }) })),
  }
}

/** The edits that approving this plan comes to. */
async function editsOf(plan: Plan): Promise<readonly PolicyEdit[]> {
  const edits: PolicyEdit[] = []
  const store = { approve: async (_id: string, edit: PolicyEdit) => void edits.push(edit) }
  await approveProposal(store, PROPOSAL, plan, RULING)
  return edits
}

suite('a proposal', () => {
  test('is applied in one edit, in the name of who proposed it', async () => {
    const [edit, ...more] = await editsOf(planOf(CHANGES_PER_PROPOSAL_MAX))
    assert.deepEqual(more, [])
    assert.equal(edit?.changes.length, CHANGES_PER_PROPOSAL_MAX)
    assert.deepEqual([edit?.actor, edit?.approvedBy, edit?.source], ['ann', 'bob', 'proposal'])
  })

  test('of more changes is neither kept nor, where it was kept all the same, applied', async () => {
    const plan = planOf(CHANGES_PER_PROPOSAL_MAX + 1)
    assert.match(problemOfProposal(plan) ?? '', /^the plan has 301 changes, /)
    await assert.rejects(editsOf(plan), { code: 'ERR_STORE_REFUSED', message: /^the plan has 301 changes, / })
  })
})
