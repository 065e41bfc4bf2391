import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { changeRecords } from '../../../src/spanner/change-record.ts'
import { RowShapeError } from '../../../src/spanner/values.ts'
import { rowOf } from '../../support/scripted-change-stream.ts'

const CHANGE = {
  commit_timestamp: '2026-01-01T00:00:01Z',
  server_transaction_id: 't',
  record_sequence: '00000001',
  number_of_records_in_transaction: '2',
  table_name: 'Grants',
  mod_type: 'UPDATE',
  mods: [
    { keys: '{"GrantId":"g1"}', new_values: '{"Subject":"a.b"}', old_values: '{"Subject":"a"}' },
    { keys: '{"GrantId":"g2"}', new_values: '{"Subject":"a.c"}', old_values: '{}' },
  ],
}

function recordsOf(record: Parameters<typeof rowOf>[0]) {
  const { row, rowType } = rowOf(record)
  return changeRecords(row, rowType)
}

suite('a row of a change stream', () => {
  test('says which rows a transaction wrote, with their columns before and after', () => {
    const [record, ...others] = recordsOf({ data_change_record: [CHANGE] })
    assert.deepEqual(others, [])
    assert.deepEqual(record, {
      kind: 'data',
      committedAt: '2026-01-01T00:00:01Z',
      transactionId: 't',
      sequence: '00000001',
      recordsOfTransaction: 2,
      rows: [
        { ...aRow('g1', 0), newValues: { Subject: 'a.b' }, oldValues: { Subject: 'a' } },
        { ...aRow('g2', 1), newValues: { Subject: 'a.c' }, oldValues: {} },
      ],
    })
  })

  test('says that nothing else was committed until then', () => {
    assert.deepEqual(recordsOf({ heartbeat_record: [{ timestamp: '2026-01-01T00:00:01Z' }] }), [
      { kind: 'heartbeat', at: '2026-01-01T00:00:01Z' },
    ])
  })

  test('says which partitions go on, and of which they are made', () => {
    const record = {
      start_timestamp: '2026-01-01T00:00:01Z',
      child_partitions: [{ token: 'c', parent_partition_tokens: ['a', 'b'] }],
    }
    assert.deepEqual(recordsOf({ child_partitions_record: [record] }), [
      { kind: 'children', startAt: '2026-01-01T00:00:01Z', children: [{ token: 'c', parents: ['a', 'b'] }] },
    ])
  })

  test('may say several things, in this order: changes, heartbeats, partitions', () => {
    const children = { start_timestamp: '2026-01-01T00:00:03Z', child_partitions: [] }
    const record = {
      data_change_record: [CHANGE, { ...CHANGE, record_sequence: '00000002' }],
      heartbeat_record: [{ timestamp: '2026-01-01T00:00:02Z' }],
      child_partitions_record: [children],
    }
    assert.deepEqual(
      recordsOf(record).map(({ kind }) => kind),
      ['data', 'data', 'heartbeat', 'children'],
    )
    assert.deepEqual(recordsOf({ data_change_record: [], heartbeat_record: [], child_partitions_record: [] }), [])
  })

  for (const [what, change] of [
    ['another kind of change', { mod_type: 'UPSERT' }],
    ['no table', { table_name: [] }],
    ['no list of rows', { mods: 'none' }],
    ['values that are no object', { mods: [{ keys: '[]', new_values: '{}', old_values: '{}' }] }],
  ] as const)
    test(`is refused with ${what}`, () => {
      assert.throws(() => recordsOf({ data_change_record: [{ ...CHANGE, ...change }] }), RowShapeError)
    })
})

function aRow(id: string, modIndex: number) {
  return { table: 'Grants', recordSequence: '00000001', modIndex, type: 'UPDATE', key: { GrantId: id } }
}
