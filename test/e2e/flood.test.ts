import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startLocalStack, type LocalStack, type RunningService } from '../../src/dev/stack.ts'
import { isAdmitted } from '../support/clients.ts'
import { inMs, until } from '../support/spanner.ts'

const REFUSED = 30

let stack: LocalStack
let service: RunningService
before(async () => {
  stack = await startLocalStack()
  service = stack.service
})
after(() => stack?.[Symbol.asyncDispose]())

test('a flood of clients without a good token leaves a few rows that count all of them, and every admission its own', async () => {
  const [refusedBefore, admittedBefore] = [await refusals(), await admissions()]
  const token = await stack.provider.clientCredentials('orders-service')
  for (let client = 0; client < REFUSED; client += 1) {
    assert.equal(await isAdmitted(stack, { token: `no token ${client}` }), false)
    if (client % 10 === 0) assert.equal(await isAdmitted(stack, { token }), true)
  }
  await until('all are counted', 15_000, async () => (await refusals()).counted === refusedBefore.counted + REFUSED)
  assert.equal((await refusals()).rows, refusedBefore.rows + 6)
  assert.equal(await admissions(), admittedBefore + 3)
})

test('what is counted by then is written at the end of the service', async () => {
  const before = await refusals()
  for (let client = 0; client < 10; client += 1) await isAdmitted(stack, { token: 'none' })
  service.process.signal('SIGTERM')
  await service.process.exited
  assert.equal((await refusals()).counted, before.counted + 10)
  service = await stack.startService()
})

async function refusals(): Promise<{ readonly rows: number; readonly counted: number }> {
  const where = "FROM Decisions WHERE Outcome = 'DENY'"
  return {
    rows: await count(`SELECT COUNT(*) ${where}`),
    counted: await count(`SELECT SUM(1 + COALESCE(RepeatCount, 0)) ${where}`),
  }
}

function admissions(): Promise<number> {
  return count("SELECT COUNT(*) FROM Decisions WHERE Outcome = 'ALLOW'")
}

async function count(sql: string): Promise<number> {
  const [row] = await stack.database.query(sql, {}, inMs(10_000))
  return Number(row?.[0]?.stringValue ?? 0)
}
