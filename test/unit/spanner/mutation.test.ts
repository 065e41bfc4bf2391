import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sparseInsertions } from '../../../src/spanner/mutation.ts'
import { NULL, stringValue } from '../../../src/spanner/values.ts'

const [a, b, c] = ['a', 'b', 'c'].map(stringValue) as [object, object, object]

test('rows are inserted without their NULL cells, and those that fill the same columns together', () => {
  const rows = [
    [a, NULL, b],
    [a, b, c],
    [c, NULL, a],
  ]
  assert.deepEqual(sparseInsertions('T', ['X', 'Y', 'Z'], rows), [
    { insert: { table: 'T', columns: ['X', 'Z'], values: [{ values: [a, b] }, { values: [c, a] }] } },
    { insert: { table: 'T', columns: ['X', 'Y', 'Z'], values: [{ values: [a, b, c] }] } },
  ])
})

test('a NULL that has been on the disk is left out too', () => {
  const [mutation] = sparseInsertions('T', ['X', 'Y'], [[a, JSON.parse(JSON.stringify(NULL)) as object]])
  assert.deepEqual(mutation?.insert?.columns, ['X'])
})
