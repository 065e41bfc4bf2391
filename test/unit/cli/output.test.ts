import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { reportFailure } from '../../../src/cli/failure-report.ts'
import { CommandFailure } from '../../../src/cli/io.ts'
import { writeTable } from '../../../src/cli/table.ts'
import { visible } from '../../../src/cli/visible.ts'
import { CalloutError } from '../../../src/core/errors.ts'
import { recordingIo } from './recorded-io.ts'

suite('a table', () => {
  test('has a heading and aligned columns, without blanks at the end of a line', () => {
    const { io, stdout } = recordingIo()
    writeTable(
      io,
      ['ID', 'NAME'],
      [
        ['1', 'a'],
        ['100', 'José 東京'],
      ],
    )
    assert.equal(stdout(), 'ID   NAME\n1    a\n100  José 東京\n')
  })

  test('is one line a row and obeyed by no terminal, whatever the rows hold', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 2, maxLength: 2 }), (row) => {
        const { io, stdout } = recordingIo({}, false)
        writeTable(io, ['A', 'B'], [row])
        const lines = stdout().split('\n')
        assert.equal(lines.length, 3)
        assert.doesNotMatch(lines.join(''), /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
      }),
    )
  })

  const headingOf = (env: Record<string, string>, isTTY: boolean): string => {
    const { io, stdout } = recordingIo(env, isTTY)
    writeTable(io, ['A'], [])
    return stdout()
  }

  test('has a bold heading on a terminal only', () => {
    assert.equal(headingOf({}, true), '\u001b[1mA\u001b[0m\n')
    assert.equal(headingOf({}, false), 'A\n')
  })

  test('is plain with NO_COLOR and on a dumb terminal', () => {
    assert.equal(headingOf({ NO_COLOR: '1' }, true), 'A\n')
    assert.equal(headingOf({ TERM: 'dumb' }, true), 'A\n')
    assert.equal(headingOf({ NO_COLOR: '' }, true), '\u001b[1mA\u001b[0m\n')
  })
})

test('characters that a terminal obeys, hides or turns around are shown as their codes', () => {
  assert.equal(visible('a\u001b[2J\u009b\n\u202eb\u200b\ud800'), 'a\\u{1b}[2J\\u{9b}\\u{a}\\u{202e}b\\u{200b}\\u{d800}')
  assert.equal(visible('a\u3164\ufe0f'), 'a\\u{3164}\\u{fe0f}')
  assert.equal(visible('José 東京 🙂'), 'José 東京 🙂')
})

suite('a failure', () => {
  const report = (error: unknown, env: Record<string, string> = {}) => {
    const { io, stdout, stderr } = recordingIo(env)
    return { exitCode: reportFailure(error, io), stdout: stdout(), stderr: stderr() }
  }

  test('is one line for each problem, on standard error', () => {
    const { exitCode, stdout, stderr } = report(new CommandFailure(2, ['a', 'b\u001b']))
    assert.deepEqual([exitCode, stdout, stderr], [2, '', 'callout: a\ncallout: b\\u{1b}\n'])
  })

  for (const [code, exitCode] of [
    ['ERR_CONFIG_INVALID', 2],
    ['ERR_STORE_NOT_FOUND', 3],
    ['ERR_STORE_CONFLICT', 3],
    ['ERR_STORE_REFUSED', 1],
    ['ERR_STORE_FORBIDDEN', 1],
    ['ERR_SCHEMA_VERSION', 1],
    ['ERR_STORE_UNAVAILABLE', 5],
    ['ERR_DEADLINE', 5],
  ] as const) {
    test(`of code ${code} exits with ${exitCode}`, () => {
      assert.equal(report(new CalloutError(code, 'what')).exitCode, exitCode)
    })
  }

  test('to reach Spanner says what to look at', () => {
    const error = new CalloutError('ERR_STORE_UNAVAILABLE', 'no answer')
    assert.match(report(error).stderr, /GOOGLE_APPLICATION_CREDENTIALS/)
    assert.match(report(error, { SPANNER_EMULATOR_HOST: '127.0.0.1:1' }).stderr, /running at 127\.0\.0\.1:1\?/)
  })

  test('that is a bug shows its stack and exits with 1', () => {
    const { exitCode, stderr } = report(new TypeError('x is undefined'))
    assert.equal(exitCode, 1)
    assert.match(stderr, /bug[^]*TypeError: x is undefined[^]*at /)
  })
})
