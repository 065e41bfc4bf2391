import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createExpectations, verdict, type ExpectationsOptions } from '../../../src/dev/expectations.ts'
import { textStyle } from '../../../src/dev/text-style.ts'

const PLAIN = textStyle({}, {})

function recorder(options: Partial<ExpectationsOptions> = {}) {
  let printed = ''
  const expectations = createExpectations({
    write: (text) => void (printed += text),
    style: PLAIN,
    signal: new AbortController().signal,
    ...options,
  })
  return { expectations, printed: () => printed }
}

const forever = (): Promise<string> => new Promise(() => {})

suite('a step of the demo', () => {
  test('that goes as expected is marked ok', async () => {
    const { expectations, printed } = recorder()
    await expectations.step('alice knocks', 'let in', async () => 'let in')
    assert.equal(printed(), '  ok  alice knocks  let in\n')
    assert.deepEqual([expectations.tried, expectations.failed], [1, 0])
  })

  test('that goes otherwise is marked, with what was expected and what happened', async () => {
    const { expectations, printed } = recorder()
    await expectations.step('alice knocks', 'let in', async () => 'refused')
    assert.equal(printed(), '  NOT AS EXPECTED  alice knocks\n      expected: let in\n      happened: refused\n')
    assert.deepEqual([expectations.tried, expectations.failed], [1, 1])
  })

  test('that throws is not as expected, and the next one is tried all the same', async () => {
    const { expectations, printed } = recorder()
    await expectations.step('alice knocks', 'let in', async () => {
      throw new Error('connection refused')
    })
    await expectations.step('bob knocks', 'let in', async () => 'let in')
    assert.match(printed(), /happened: error: connection refused\n {2}ok {2}bob knocks/)
    assert.deepEqual([expectations.tried, expectations.failed], [2, 1])
  })

  test('that gets no answer in time is not as expected', async () => {
    const { expectations, printed } = recorder({ stepTimeoutMs: 5 })
    await expectations.step('alice knocks', 'let in', forever)
    assert.match(printed(), /happened: nothing within 0\.005 s/)
  })

  test('cannot write to the terminal what the terminal would obey', async () => {
    const { expectations, printed } = recorder()
    await expectations.step('alice knocks', 'let in', async () => '\u001b[2J\nok')
    assert.match(printed(), /happened: \\u\{1b\}\[2J\\u\{a\}ok\n$/)
  })

  test('ends when the demo ends, uncounted, and so does every later one', async () => {
    const ending = new AbortController()
    const { expectations, printed } = recorder({ signal: ending.signal })
    const step = expectations.step('alice knocks', 'let in', forever)
    ending.abort(new Error('over'))
    await assert.rejects(step, /over/)
    await assert.rejects(
      expectations.step('bob knocks', 'let in', async () => 'let in'),
      /over/,
    )
    assert.equal(printed(), '')
    assert.equal(expectations.tried, 0)
  })
})

suite('the verdict', () => {
  test('is good when every step went as expected', () => {
    assert.equal(verdict({ tried: 27, failed: 0 }, PLAIN), 'All 27 steps went as expected.')
  })

  test('counts the steps that did not', () => {
    assert.equal(verdict({ tried: 27, failed: 2 }, PLAIN), '2 of 27 steps NOT AS EXPECTED, see above.')
  })

  test('is not good when nothing was tried', () => {
    assert.equal(verdict({ tried: 0, failed: 0 }, PLAIN), 'Nothing was tried.')
  })
})

suite('colour', () => {
  const isColoured = (isTTY: boolean, env: Record<string, string>): boolean =>
    textStyle({ isTTY }, env).good('ok') !== 'ok'

  test('is used on a terminal', () => {
    assert.equal(isColoured(true, { TERM: 'xterm' }), true)
  })

  test('is not used in a pipe', () => {
    assert.equal(isColoured(false, { TERM: 'xterm' }), false)
  })

  test('is not used with NO_COLOR', () => {
    assert.equal(isColoured(true, { TERM: 'xterm', NO_COLOR: '1' }), false)
  })

  test('is not used on a terminal without it', () => {
    assert.equal(isColoured(true, { TERM: 'dumb' }), false)
  })
})
