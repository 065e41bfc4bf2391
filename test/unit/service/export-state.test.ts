import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ExportState } from '../../../src/service/decision-export.ts'
import { decodeExportState, encodeExportState } from '../../../src/service/export-state.ts'

const TIME = '2027-01-31T18:00:00.123456789Z'
const AFTER = { decidedAt: TIME, shard: 3, id: '018bcfe5-6800-7000-8000-000000000003' }

test('the state of an export reads back as what it was', () => {
  const states: readonly ExportState[] = [
    {},
    { completeUntil: TIME, recentUntil: TIME },
    { recentUntil: TIME, walk: { over: 'all', committedUntil: TIME } },
    { completeUntil: TIME, walk: { over: 'late', committedAfter: TIME, committedUntil: TIME, after: AFTER } },
  ]
  for (const state of states)
    assert.deepEqual(decodeExportState(JSON.parse(JSON.stringify(encodeExportState(state)))), state)
})

test('what is no state of an export is told from one', () => {
  const walk = { over: 'all', committedUntil: TIME }
  const others = [
    null,
    'x',
    { completeUntil: 'yesterday' },
    { recentUntil: 7 },
    { walk: {} },
    { walk: { ...walk, over: 'some' } },
    { walk: { ...walk, committedAfter: '' } },
    { walk: { ...walk, after: 'x' } },
    { walk: { ...walk, after: AFTER } },
  ]
  for (const other of others) assert.equal(decodeExportState(other), undefined, JSON.stringify(other))
})
