import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { formatDuration, parseDuration, parsePercentage, parseSize } from '../../../src/config/units.ts'

suite('durations', () => {
  test('are whole numbers with a unit', () => {
    assert.deepEqual(parseDuration('1500ms'), { value: 1_500 })
    assert.deepEqual(parseDuration('30s'), { value: 30_000 })
    assert.deepEqual(parseDuration('5m'), { value: 300_000 })
    assert.deepEqual(parseDuration('12h'), { value: 43_200_000 })
  })

  for (const wrong of [
    30,
    '30',
    '1.5s',
    '-1s',
    '1 s',
    '1S',
    's',
    '',
    '1d',
    '1h30m',
    '1e3ms',
    '٣s',
    null,
    undefined,
    ['1s'],
    '1s\n',
  ]) {
    test(`refuse ${JSON.stringify(wrong)}`, () => {
      assert.ok('problem' in parseDuration(wrong))
    })
  }

  test('read back what was written', () => {
    fc.assert(
      fc.property(fc.nat({ max: 999_999_999 }), (ms) =>
        assert.deepEqual(parseDuration(formatDuration(ms)), { value: ms }),
      ),
    )
  })
})

suite('sizes', () => {
  test('are bytes as a number, or a number with a unit', () => {
    assert.deepEqual(parseSize(16_384), { value: 16_384 })
    assert.deepEqual(parseSize('64KiB'), { value: 65_536 })
    assert.deepEqual(parseSize('1MiB'), { value: 1_048_576 })
    assert.deepEqual(parseSize('512B'), { value: 512 })
  })

  for (const wrong of ['64', '64KB', '64k', -1, 1.5, Number.NaN, Infinity, 2 ** 60, null, '']) {
    test(`refuse ${String(wrong)}`, () => {
      assert.ok('problem' in parseSize(wrong))
    })
  }
})

suite('percentages', () => {
  test('become a fraction', () => {
    assert.deepEqual(parsePercentage('10%'), { value: 0.1 })
    assert.deepEqual(parsePercentage('0%'), { value: 0 })
  })

  for (const wrong of [10, '10', '0.1', '-1%', '1.5%', '10 %']) {
    test(`refuse ${JSON.stringify(wrong)}`, () => {
      assert.ok('problem' in parsePercentage(wrong))
    })
  }
})
