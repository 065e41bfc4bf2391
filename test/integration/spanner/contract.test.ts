import { randomUUID } from 'node:crypto'
import { after, before } from 'node:test'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { systemClock } from '../../../src/service/clock.ts'
import { createPolicyAdmin } from '../../../src/spanner/policy-admin.ts'
import { createPolicyReader } from '../../../src/spanner/policy-store.ts'
import { RowReader } from '../../../src/spanner/values.ts'
import { decisionLogContract } from '../../contract/decision-log.contract.ts'
import { policyStoreContract } from '../../contract/policy-store.contract.ts'
import { createTestDatabase, inMs, startOwnEmulator, openDecisionLog } from '../../support/spanner.ts'
import type { TestDatabase } from '../../support/spanner.ts'

let emulator: SpannerEmulator
const opened: TestDatabase[] = []

before(async () => {
  emulator = await startOwnEmulator()
})

after(async () => {
  for (const connection of opened) await connection[Symbol.asyncDispose]()
  await emulator.stop()
})

async function emptyDatabase(): Promise<TestDatabase> {
  const connection = await createTestDatabase(emulator.host)
  opened.push(connection)
  return connection
}

policyStoreContract('Spanner', async () => {
  const { database } = await emptyDatabase()
  return {
    reader: createPolicyReader(database),
    admin: createPolicyAdmin({ database, clock: systemClock, newId: randomUUID }),
  }
})

decisionLogContract('Spanner', async () => {
  const { database } = await emptyDatabase()
  return {
    log: openDecisionLog(database),
    async storedIds() {
      const rows = await database.query('SELECT DecisionId FROM Decisions ORDER BY DecisionId', {}, inMs(5000))
      return rows.map((row) => new RowReader('Decisions', ['DecisionId'], row).string())
    },
  }
})
