import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ChangeBuffer } from '../../../src/spanner/change-buffer.ts'
import { parseNanoseconds } from '../../../src/spanner/nanoseconds.ts'

const AT = '2026-01-01T00:00:01Z'
const LATER = '2026-01-01T00:00:01.5Z'

function record(transactionId: string, sequence: string, recordsOfTransaction: number, committedAt = AT, rows = 1) {
  const row = {
    table: 'Grants',
    recordSequence: sequence,
    type: 'INSERT' as const,
    key: {},
    newValues: {},
    oldValues: {},
  }
  return {
    kind: 'data' as const,
    committedAt,
    transactionId,
    sequence,
    recordsOfTransaction,
    rows: Array.from({ length: rows }, (_, modIndex) => ({ ...row, modIndex })),
  }
}

function idsOf(buffer: ChangeBuffer, rowsMax = 100): string[] {
  return buffer.take(rowsMax).map(({ id, rows }) => `${id}:${rows.length}`)
}

suite('the records of transactions', () => {
  test('are handed out together, when the last of them has come', () => {
    const buffer = new ChangeBuffer(10)
    buffer.add(record('t', '1', 2))
    assert.deepEqual(idsOf(buffer), [])
    buffer.add(record('t', '2', 2))
    assert.deepEqual(idsOf(buffer), ['t:2'])
    assert.equal(buffer.rows, 0)
  })

  test('are handed out when every partition was read past the commit, whatever the count says', () => {
    const buffer = new ChangeBuffer(10)
    buffer.add(record('t', '1', 2))
    buffer.passed(parseNanoseconds(AT) - 1n)
    assert.deepEqual(idsOf(buffer), [])
    buffer.passed(parseNanoseconds(AT))
    assert.deepEqual(idsOf(buffer), ['t:1'])
  })

  test('come in the order of the commits, whose texts may be of different lengths', () => {
    const buffer = new ChangeBuffer(10)
    buffer.add(record('later', '1', 1, LATER))
    buffer.add(record('first', '1', 1, AT))
    assert.deepEqual(idsOf(buffer), ['first:1', 'later:1'])
  })

  test('are not handed out beyond the rows asked for, but at least one transaction is', () => {
    const buffer = new ChangeBuffer(10)
    buffer.add(record('a', '1', 1, AT, 5))
    buffer.add(record('b', '1', 1, LATER, 5))
    assert.deepEqual(idsOf(buffer, 3), ['a:5'])
    assert.equal(buffer.earliest, parseNanoseconds(LATER))
    assert.deepEqual(idsOf(buffer, 3), ['b:5'])
  })

  test('of a transaction without bound are handed out in parts, and its time stays open until the last', () => {
    const buffer = new ChangeBuffer(10)
    buffer.add(record('t', '1', 3, AT, 8))
    buffer.add(record('t', '2', 3, AT, 8))
    assert.deepEqual(idsOf(buffer), ['t:16'])
    assert.equal(buffer.earliest, parseNanoseconds(AT))
    buffer.add(record('t', '3', 3, AT, 1))
    assert.deepEqual(idsOf(buffer), ['t:1'])
    assert.equal(buffer.earliest, undefined)
  })
})
