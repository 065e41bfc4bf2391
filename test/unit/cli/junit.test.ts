import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { junitXml } from '../../../src/cli/junit.ts'
import { visible } from '../../../src/cli/visible.ts'
import { parseXml } from '../../support/strict-xml.ts'

suite('JUnit XML', () => {
  test('has a suite for each client, a case for each expectation, and counts', () => {
    const { name, attributes, children } = parseXml(
      junitXml('tests.yaml', [
        { name: 'alice', cases: [{ name: 'a' }, { name: 'b', failure: 'deny: c' }] },
        { name: 'bob', cases: [] },
      ]),
    )
    assert.deepEqual([name, attributes], ['testsuites', { name: 'tests.yaml', tests: '2', failures: '1', errors: '0' }])
    const [alice, bob] = children
    assert.deepEqual(alice?.attributes, { name: 'alice', tests: '2', failures: '1', errors: '0' })
    assert.deepEqual(bob?.children, [])
    assert.deepEqual(alice?.children, [
      { name: 'testcase', attributes: { classname: 'alice', name: 'a' }, children: [] },
      {
        name: 'testcase',
        attributes: { classname: 'alice', name: 'b' },
        children: [{ name: 'failure', attributes: { message: 'deny: c' }, children: [] }],
      },
    ])
  })

  test('is well-formed whatever the texts hold, and keeps what XML can hold', () => {
    const hostile = fc.constantFrom(
      ']]>',
      '<![CDATA[',
      '"\'&<>',
      '&amp;',
      '\u0000\u001b[31m',
      '\ud800',
      '\ufffe\uffff',
      '\n\t\r',
      '-->',
      '\u202e',
    )
    const text = fc.oneof(
      hostile,
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.tuple(hostile, fc.string(), hostile).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(text, text, text, (suiteName, name, failure) => {
        const { attributes, children } = parseXml(
          junitXml(suiteName, [{ name: suiteName, cases: [{ name, failure }] }]),
        )
        const [written] = children[0]?.children ?? []
        const shown = (value: string): string =>
          visible(value).replaceAll('\ufffe', '\\u{fffe}').replaceAll('\uffff', '\\u{ffff}')
        assert.equal(attributes['name'], shown(suiteName))
        assert.deepEqual(written?.attributes, { classname: shown(suiteName), name: shown(name) })
        assert.equal(written.children[0]?.attributes['message'], shown(failure))
      }),
    )
  })
})
