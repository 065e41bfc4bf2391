import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatNanoseconds, parseNanoseconds } from '../../../src/spanner/nanoseconds.ts'

test('a timestamp is written with nine digits of a second, also before 1970', () => {
  for (const [text, written] of [
    ['2023-11-14T22:13:20Z', '2023-11-14T22:13:20.000000000Z'],
    ['2023-11-14T22:13:20.0000012Z', '2023-11-14T22:13:20.000001200Z'],
    ['1970-01-01T00:00:00Z', '1970-01-01T00:00:00.000000000Z'],
    ['1969-12-31T23:59:59.5Z', '1969-12-31T23:59:59.500000000Z'],
    ['0001-01-01T00:00:00.000001Z', '0001-01-01T00:00:00.000001000Z'],
  ] as const)
    assert.equal(formatNanoseconds(parseNanoseconds(text)), written)
})
