import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  formatServerTimestamp,
  int64Value,
  jsonValue,
  parseTimestampMs,
  RowReader,
  stringsValue,
  stringValue,
  timestampValue,
} from '../../../src/spanner/values.ts'

const NULL = { nullValue: 'NULL_VALUE' } as const

function reader(...row: object[]): RowReader {
  return new RowReader(
    'Grants',
    row.map((_, index) => `C${index}`),
    row,
  )
}

test('values take the form of the wire', () => {
  assert.deepEqual(
    [stringValue('a'), stringValue(undefined), int64Value(-7), stringsValue(['a', 'b']), jsonValue({ a: [1] })],
    [
      { stringValue: 'a' },
      NULL,
      { stringValue: '-7' },
      { listValue: { values: [{ stringValue: 'a' }, { stringValue: 'b' }] } },
      { stringValue: '{"a":[1]}' },
    ],
  )
})

test('a time is written to the microsecond, rounded down', () => {
  const cases: [number, string][] = [
    [0, '1970-01-01T00:00:00.000000Z'],
    [1_700_000_000_123.5, '2023-11-14T22:13:20.123500Z'],
    [-0.5, '1969-12-31T23:59:59.999500Z'],
  ]
  for (const [ms, text] of cases) assert.deepEqual(timestampValue(ms), { stringValue: text })
})

test('every whole millisecond that is written is read back', () => {
  fc.assert(
    fc.property(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), (ms) => {
      const { stringValue: text } = timestampValue(ms)
      assert.equal(parseTimestampMs(text ?? '', 'up'), ms)
      assert.equal(parseTimestampMs(text ?? '', 'down'), ms)
    }),
  )
})

test('a part of a millisecond is rounded in the direction asked for', () => {
  assert.equal(parseTimestampMs('1970-01-01T00:00:00.000000001Z', 'up'), 1)
  assert.equal(parseTimestampMs('1970-01-01T00:00:00.000999999Z', 'down'), 0)
  assert.equal(parseTimestampMs('1970-01-01T00:00:00.9999Z', 'up'), 1000)
})

test('a timestamp in another form is not read', () => {
  for (const text of ['', '2023-11-14', '2023-11-14T22:13:20', '2023-11-14T22:13:20+01:00', '2023-13-14T22:13:20Z'])
    assert.equal(parseTimestampMs(text, 'up'), undefined, text)
})

test('a text that is not Unicode is refused, because the wire would carry another', () => {
  assert.throws(() => stringValue('a\ud800'), { code: 'ERR_STORE_REFUSED' })
})

test('a server timestamp is written to the microsecond', () => {
  assert.equal(formatServerTimestamp({ seconds: '1700000000', nanos: 1999 }), '2023-11-14T22:13:20.000001Z')
})

test('a row is read column by column', () => {
  const row = reader({ stringValue: 'a' }, NULL, { stringValue: 'ALLOW' }, { stringValue: '42' })
  const effects = { ALLOW: 'allow' } as const
  assert.deepEqual([row.string(), row.optionalString(), row.oneOf(effects), row.int64()], ['a', undefined, 'allow', 42])
})

test('a list of texts and a word of a closed list may be NULL', () => {
  const row = reader({ listValue: { values: [{ stringValue: 'a' }] } }, { listValue: { values: [] } }, NULL, NULL)
  const read = [row.optionalStrings(), row.optionalStrings(), row.optionalStrings(), row.optionalOneOf({ A: 'a' })]
  assert.deepEqual(read, [['a'], [], undefined, undefined])
})

test('a row of unexpected shape is an error that names the column and not the value', () => {
  const wrong: [string, (row: RowReader) => unknown, object][] = [
    ['Grants.C0 is NULL', (row) => row.string(), NULL],
    ['Grants.C0 is not a string', (row) => row.string(), { boolValue: true }],
    ['Grants.C0 is not a string', (row) => row.optionalString(), { listValue: { values: [] } }],
    ['Grants.C0 holds an unknown word', (row) => row.oneOf({ ALLOW: 'allow' }), { stringValue: 'toString' }],
    ['Grants.C0 holds an unknown word', (row) => row.optionalOneOf({ ALLOW: 'allow' }), { stringValue: 'allow' }],
    ['Grants.C0 is not a list', (row) => row.optionalStrings(), { stringValue: 'a' }],
    ['Grants.C0 holds what is not a string', (row) => row.optionalStrings(), { listValue: { values: [NULL] } }],
    ['Grants.C0 is not an integer', (row) => row.int64(), { stringValue: '9007199254740993' }],
    ['Grants.C0 is not a timestamp', (row) => row.optionalTimestampMs('up'), { stringValue: 'yesterday' }],
  ]
  for (const [message, read, value] of wrong) assert.throws(() => read(reader(value)), { message })
  assert.throws(() => new RowReader('Grants', ['A', 'B'], [NULL]), { message: 'Grants: got 1 columns, want 2' })
})
