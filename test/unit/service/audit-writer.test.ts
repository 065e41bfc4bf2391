import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { auditedRequest, type AuditEntry } from '../../../src/core/audit-entry.ts'
import { decide } from '../../../src/core/decide.ts'
import { CalloutError } from '../../../src/core/errors.ts'
import { createAuditWriter } from '../../../src/service/audit-writer.ts'
import { aDecisionInput, aRequest } from '../../support/builders.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

function anEntry(id: string): AuditEntry {
  return {
    decision: decide(aDecisionInput({ id })),
    request: auditedRequest(aRequest()),
    groups: [],
    token: {},
    instanceId: 'i',
    serviceVersion: '0',
    elapsedMicros: 1,
    stageMicros: {},
  }
}

suite('the group commit of the audit', () => {
  test('puts entries that wait at the same moment into one commit', async () => {
    const commits: string[][] = []
    const writer = createAuditWriter({
      log: {
        append(entries) {
          commits.push(entries.map((entry) => entry.decision.id))
          return Promise.resolve()
        },
      },
      waitingMax: 10,
      clock: new ManualClock(),
      events: new RecordedEvents(),
    })
    await Promise.all(['1', '2', '3'].map((id) => writer.record(anEntry(id), 1000)))
    assert.deepEqual(commits, [['1', '2', '3']])
  })

  test('does not return before the commit has', async () => {
    const commit = Promise.withResolvers<void>()
    const writer = createAuditWriter({
      log: { append: () => commit.promise },
      waitingMax: 10,
      clock: new ManualClock(),
      events: new RecordedEvents(),
    })
    const order: string[] = []
    const recorded = writer.record(anEntry('1'), 1000).finally(() => order.push('returned'))
    await settled()
    order.push('committed')
    commit.resolve()
    await recorded
    assert.deepEqual(order, ['committed', 'returned'])
  })

  test('commits each entry alone when the database refuses one for what it holds', async () => {
    const stored: string[] = []
    const writer = createAuditWriter({
      log: {
        append(entries) {
          if (entries.some((entry) => entry.decision.id === 'poison')) {
            return Promise.reject(new CalloutError('ERR_STORE_REFUSED', 'value too long'))
          }
          stored.push(...entries.map((entry) => entry.decision.id))
          return Promise.resolve()
        },
      },
      waitingMax: 10,
      clock: new ManualClock(),
      events: new RecordedEvents(),
    })
    const results = await Promise.allSettled(['1', 'poison', '2'].map((id) => writer.record(anEntry(id), 1000)))
    assert.deepEqual(
      results.map((result) => result.status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.deepEqual(stored, ['1', '2'])
  })
})
