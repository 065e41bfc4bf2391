import assert from 'node:assert/strict'
import { test } from 'node:test'
import { auditedRequest } from '../../../src/core/audit-entry.ts'
import { decide } from '../../../src/core/decide.ts'
import { encodeDecision } from '../../../src/spanner/decision-row.ts'
import { DECISION_COLUMNS } from '../../../src/spanner/schema.ts'
import { NULL } from '../../../src/spanner/values.ts'
import { aDeny, anAllow, anEntry } from '../../contract/stored-rows.ts'
import { aDecisionInput, aGrant, aPolicy, aRequest, NOW_MS } from '../../support/builders.ts'

test('a row names a thousand skipped grants and counts the rest', () => {
  const grants = Array.from({ length: 1500 }, (_, n) => aGrant({ id: `g${n}`, validUntilMs: NOW_MS }))
  const row = encodeDecision({
    decision: decide(aDecisionInput({ policy: aPolicy({ grants }) })),
    request: auditedRequest(aRequest()),
    groups: [],
    token: {},
    instanceId: 'i',
    serviceVersion: '0',
    elapsedMicros: 1,
    stageMicros: {},
  })
  const skipped = JSON.parse(row[DECISION_COLUMNS.indexOf('SkippedGrants')]?.stringValue ?? '') as object[]
  assert.equal(skipped.length, 1001)
  assert.deepEqual(skipped.at(-1), { more: 500 })
})

test('a row tells a principal for whom nobody acts from a client of whom that is not known', () => {
  const column = DECISION_COLUMNS.indexOf('Actors')
  const { actors: _actors, ...unknown } = anEntry(aDeny({ reason: 'token_missing' }))
  assert.deepEqual(encodeDecision(anEntry(anAllow(), { actors: [] }))[column], { stringValue: '[]' })
  assert.equal(encodeDecision(unknown)[column], NULL)
})
