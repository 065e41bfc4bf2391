import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import type { PolicyKind, PolicyRow } from '../../../src/core/policy-row.ts'
import type { HistoryEntry, StoredRow } from '../../../src/service/history.ts'
import { revertOf } from '../../../src/service/revert.ts'
import { aNewGrant } from '../../contract/stored-rows.ts'

const AUTHOR = { actor: 'eve', reason: 'mistake' }
const CREATED_AT = '2026-01-01T00:00:00.123456Z'
const OLD = aNewGrant({ id: 'g1', subject: 'a', createdAt: CREATED_AT })
const NEW = aNewGrant({ id: 'g1', subject: 'b', createdAt: CREATED_AT })

/** Rows are stored as they are; the adapter has its own tests. */
function storeWith(...rows: readonly PolicyRow['row'][]) {
  return {
    decode: (kind: PolicyKind, row: StoredRow) => ({ kind, row }) as unknown as PolicyRow,
    find: async (kind: PolicyKind, key: readonly string[]) => {
      const row = rows.find((candidate) => 'id' in candidate && candidate.id === key[1])
      return row === undefined ? undefined : ({ kind, row } as PolicyRow)
    },
    isSame: isDeepStrictEqual,
  }
}

function entry(before: object | undefined, after: object | undefined): HistoryEntry {
  return {
    committedAt: CREATED_AT,
    transactionId: 't',
    change: before === undefined ? 'added' : after === undefined ? 'removed' : 'changed',
    kind: 'grant',
    key: ['user:corp:alice', 'g1'],
    principal: 'user:corp:alice',
    source: 'command',
    ...(before !== undefined && { before: before as StoredRow }),
    ...(after !== undefined && { after: after as StoredRow }),
  }
}

const { createdAt: _createdAt, ...OLD_UNDATED } = OLD
const RESTORED = { ...OLD_UNDATED, createdBy: 'eve', reason: 'mistake' }

suite('reverting', () => {
  test('an addition takes the row away as it is now', async () => {
    const { changes } = await revertOf([entry(undefined, NEW)], AUTHOR, storeWith(NEW))
    assert.deepEqual(changes, [{ kind: 'grant', before: NEW }])
  })

  test('a removal brings the row back, in the name of whoever reverts', async () => {
    const { changes } = await revertOf([entry(OLD, undefined)], AUTHOR, storeWith())
    assert.deepEqual(changes, [{ kind: 'grant', after: RESTORED }])
  })

  test('a change brings back what the row was', async () => {
    const { changes } = await revertOf([entry(OLD, NEW)], AUTHOR, storeWith(NEW))
    assert.deepEqual(changes, [{ kind: 'grant', before: NEW, after: RESTORED }])
  })

  test('two changes of one row brings back what it was before the first', async () => {
    const between = { ...NEW, subject: 'between' }
    const { changes } = await revertOf([entry(OLD, between), entry(between, NEW)], AUTHOR, storeWith(NEW))
    assert.deepEqual(changes, [{ kind: 'grant', before: NEW, after: RESTORED }])
  })

  test('names rows that were changed since', async () => {
    const changedSince = { ...NEW, subject: 'c', createdBy: 'zoe' }
    const { moved } = await revertOf([entry(OLD, NEW)], AUTHOR, storeWith(changedSince))
    assert.deepEqual(moved, ['the grant user:corp:alice g1 was changed by zoe since'])
  })

  test('names rows that went since, and rows that came back', async () => {
    const gone = await revertOf([entry(OLD, NEW)], AUTHOR, storeWith())
    const back = await revertOf([entry(OLD, undefined)], AUTHOR, storeWith(NEW))
    assert.deepEqual(gone.moved, ['the grant user:corp:alice g1 is not there any more'])
    assert.deepEqual(back.moved, ['the grant user:corp:alice g1 was changed by ann since'])
  })
})
