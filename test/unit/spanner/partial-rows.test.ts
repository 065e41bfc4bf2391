import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { named, PartialRows } from '../../../src/spanner/partial-rows.ts'
import type { Value } from '../../../src/spanner/values.ts'

const s = (stringValue: string): Value => ({ stringValue })
const list = (...values: Value[]): Value => ({ listValue: { values } })
const twoColumns = { rowType: { fields: [{ name: 'A' }, { name: 'B' }] } }

function rowsOf(...parts: readonly { values: Value[]; chunkedValue?: boolean }[]): unknown[] {
  const rows = new PartialRows()
  return parts.flatMap((part, index) => rows.take(index === 0 ? { ...part, metadata: twoColumns } : part))
}

suite('the parts of a streamed result', () => {
  test('may end within a row', () => {
    assert.deepEqual(rowsOf({ values: [s('1'), s('2'), s('3')] }, { values: [s('4')] }), [
      [s('1'), s('2')],
      [s('3'), s('4')],
    ])
  })

  test('may end within a text', () => {
    assert.deepEqual(rowsOf({ values: [s('1'), s('ab')], chunkedValue: true }, { values: [s('cd')] }), [
      [s('1'), s('abcd')],
    ])
  })

  test('may end within a list of lists, whose elements are joined where they meet', () => {
    const parts = [
      { values: [s('1'), list(s('a'), list(s('b'), s('c')))], chunkedValue: true },
      { values: [list(list(s('d')), s('e'))] },
    ]
    assert.deepEqual(rowsOf(...parts), [[s('1'), list(s('a'), list(s('b'), s('cd')), s('e'))]])
  })

  test('may end after a value that is never cut', () => {
    const parts = [
      { values: [s('1'), list({ boolValue: true })], chunkedValue: true },
      { values: [list({ boolValue: false })] },
    ]
    assert.deepEqual(rowsOf(...parts), [[s('1'), list({ boolValue: true }, { boolValue: false })]])
  })

  test('may cut a value into three', () => {
    const parts = [
      { values: [s('1'), s('a')], chunkedValue: true },
      { values: [s('b')], chunkedValue: true },
      { values: [s('c')] },
    ]
    assert.deepEqual(rowsOf(...parts), [[s('1'), s('abc')]])
  })
})

test('the fields of a structure are found by their names', () => {
  const type = {
    code: 'ARRAY' as const,
    arrayElementType: {
      code: 'STRUCT' as const,
      structType: {
        fields: [
          { name: 'x', type: { code: 'STRING' as const } },
          { name: 'y', type: { code: 'BOOL' as const } },
        ],
      },
    },
  }
  assert.deepEqual(named(list(list(s('a'), { boolValue: true }), list(s('b'), { nullValue: 'NULL_VALUE' })), type), [
    { x: 'a', y: true },
    { x: 'b', y: null },
  ])
})
