import { decisionLogContract } from '../../contract/decision-log.contract.ts'
import { policyStoreContract } from '../../contract/policy-store.contract.ts'
import { MemoryDecisionLog, MemoryPolicyStore } from '../../support/memory-store.ts'

policyStoreContract('MemoryPolicyStore', async () => {
  const store = new MemoryPolicyStore()
  return { reader: store, admin: store }
})

decisionLogContract('MemoryDecisionLog', async () => {
  const log = new MemoryDecisionLog()
  return { log, storedIds: async () => log.entries.map(({ decision }) => decision.id).sort() }
})
