import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { systemClock } from '../../src/service/clock.ts'
import type { DecisionLog } from '../../src/service/ports.ts'
import { aDeny, anAllow, anEntry, anId } from './stored-rows.ts'

export interface DecisionLogUnderTest {
  readonly log: DecisionLog
  /** Ids of what is durable, sorted. */
  readonly storedIds: () => Promise<string[]>
}

function soon(): number {
  return systemClock.monotonicMs() + 5000
}

/** What every `DecisionLog` must do. `empty` makes a log without entries. */
export function decisionLogContract(name: string, empty: () => Promise<DecisionLogUnderTest>): void {
  void suite(`${name} as a decision log`, () => {
    test('has stored every entry of a batch when append returns', async () => {
      const { log, storedIds } = await empty()
      await log.append([anEntry(anAllow()), anEntry(aDeny())], soon())
      assert.deepEqual(await storedIds(), [anId('1'), anId('2')])
    })

    test('accepts a batch without entries', async () => {
      const { log, storedIds } = await empty()
      await log.append([], soon())
      assert.deepEqual(await storedIds(), [])
    })

    test('takes the same batch again as a success and adds nothing', async () => {
      const { log, storedIds } = await empty()
      const batch = [anEntry(anAllow()), anEntry(aDeny())]
      await log.append(batch, soon())
      await log.append(batch, soon())
      assert.deepEqual(await storedIds(), [anId('1'), anId('2')])
    })

    test('takes a part of a stored batch again as a success', async () => {
      const { log, storedIds } = await empty()
      await log.append([anEntry(anAllow()), anEntry(aDeny())], soon())
      await log.append([anEntry(aDeny())], soon())
      assert.deepEqual(await storedIds(), [anId('1'), anId('2')])
    })

    test('does not call a batch durable of which only a part is stored', async () => {
      const { log, storedIds } = await empty()
      await log.append([anEntry(anAllow())], soon())
      const batch = [anEntry(anAllow()), anEntry(anAllow({ id: anId('3') }))]
      await assert.rejects(log.append(batch, soon()), { code: 'ERR_AUDIT_UNAVAILABLE' })
      assert.deepEqual(await storedIds(), [anId('1')])
    })

    test('does not take a denial for a stored admission with the same id', async () => {
      const { log } = await empty()
      await log.append([anEntry(anAllow())], soon())
      const other = anEntry(aDeny({ id: anId('1') }))
      await assert.rejects(log.append([other], soon()), { code: 'ERR_AUDIT_UNAVAILABLE' })
    })

    test('does not take an admission of one connection for that of another', async () => {
      const { log } = await empty()
      const entry = anEntry(anAllow())
      await log.append([entry], soon())
      const other = { ...entry, request: { ...entry.request, userNkey: `U${'B'.repeat(55)}` } }
      await assert.rejects(log.append([other], soon()), { code: 'ERR_AUDIT_UNAVAILABLE' })
    })
  })
}
