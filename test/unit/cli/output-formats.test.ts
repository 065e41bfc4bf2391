import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { parse } from 'yaml'
import { csvLine } from '../../../src/cli/csv.ts'
import { OUTPUT_FORMATS, writeOutput, type Column, type OutputFormat } from '../../../src/cli/output.ts'
import { recordingIo } from './recorded-io.ts'

interface Entry {
  readonly name: string
  readonly note?: string | undefined
}

const COLUMNS: readonly Column<Entry>[] = [
  { heading: 'NAME', cell: ({ name }) => name },
  { heading: 'NOTE', cell: ({ note = '' }) => note },
]
const ENTRIES: readonly Entry[] = [{ name: 'a', note: 'one, two' }, { name: 'b' }]
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u
/** What attackers put into names: terminal controls, turned text, quotes and everything at random. */
const hostileText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom(
      '\u001b[2J',
      '\u009b',
      '\u202e',
      '\ud800',
      '\u{e0001}',
      '\n',
      '\r',
      '"',
      "'",
      '#',
      ': ',
      '- ',
      '\\',
      'a',
    ),
  }),
)

function printed(format: OutputFormat, records: readonly Entry[], document?: object): string {
  const { io, stdout } = recordingIo()
  writeOutput(io, format, { columns: COLUMNS, records, ...(document === undefined ? {} : { document }) })
  return stdout()
}

suite('--output', () => {
  test('table is a line for each record under headings', () => {
    assert.equal(printed('table', ENTRIES), 'NAME  NOTE\na     one, two\nb\n')
  })

  test('json is a list of the records, without what they leave out', () => {
    assert.deepEqual(JSON.parse(printed('json', ENTRIES)), [{ name: 'a', note: 'one, two' }, { name: 'b' }])
  })

  test('jsonl is a record a line', () => {
    assert.equal(printed('jsonl', ENTRIES), '{"name":"a","note":"one, two"}\n{"name":"b"}\n')
  })

  test('yaml is a list of the records', () => {
    assert.equal(printed('yaml', ENTRIES), '- name: a\n  note: one, two\n- name: b\n')
  })

  test('csv is headings and a line for each record, by RFC 4180', () => {
    assert.equal(printed('csv', ENTRIES), 'NAME,NOTE\r\na,"one, two"\r\nb,\r\n')
  })

  test('of no records is empty in every format', () => {
    const empty = OUTPUT_FORMATS.map((format) => printed(format, []))
    assert.deepEqual(empty, ['NAME  NOTE\n', '[]\n', '', '[]\n', 'NAME,NOTE\r\n'])
  })

  test('json and yaml show the whole where the records are a part of it', () => {
    const document = { usable: true, entries: ENTRIES }
    assert.deepEqual(JSON.parse(printed('json', ENTRIES, document)), JSON.parse(JSON.stringify(document)))
    assert.deepEqual(parse(printed('yaml', ENTRIES, document)), JSON.parse(JSON.stringify(document)))
    assert.equal(printed('jsonl', ENTRIES, document).split('\n').length, 3)
  })

  test('json, jsonl and yaml read back as what was written, whatever the records hold', () => {
    fc.assert(
      fc.property(hostileText, hostileText, (name, note) => {
        const records = [{ name, note }]
        assert.deepEqual(JSON.parse(printed('json', records)), records)
        assert.deepEqual(JSON.parse(printed('jsonl', records)), records[0])
        assert.deepEqual(parse(printed('yaml', records)), records)
      }),
    )
  })

  test('writes nothing that a terminal obeys, in any format, whatever the records hold', () => {
    fc.assert(
      fc.property(hostileText, hostileText, fc.constantFrom(...OUTPUT_FORMATS), (name, note, format) => {
        assert.doesNotMatch(printed(format, [{ name, note }]).replaceAll(/\r?\n/g, ''), HIDDEN)
      }),
    )
  })
})

suite('a cell of CSV', () => {
  const cell = (text: string): string => csvLine([text]).slice(0, -2)

  for (const [what, text, written] of [
    ['a formula', '=HYPERLINK("http://x","y")', '"\'=HYPERLINK(""http://x"",""y"")"'],
    ['a formula with a sign', '+1+cmd|x', "'+1+cmd|x"],
    ['a formula with a minus', '-1+cmd|x', "'-1+cmd|x"],
    ['a formula of old', '@SUM(A1)', "'@SUM(A1)"],
    ['a formula in full width', '\uff1d1', "'\uff1d1"],
    ['a formula after blanks', '  =1', "'  =1"],
    ['a formula after a tab', '\t=1', '\\u{9}=1'],
    ['a formula after a carriage return', '\r=1', '\\u{d}=1'],
    ['a formula after a line feed', '\n=1', '\\u{a}=1'],
    ['a formula after a mark that is not seen', '\ufeff=1', '\\u{feff}=1'],
    ['a formula behind the separator of another language', 'a;=1', '"a;=1"'],
    ['quotes', 'say "no"', '"say ""no"""'],
    ['what a terminal obeys', '\u001b[2J', '\\u{1b}[2J'],
    ['a subject', 'orders.*.{{subject}}.>', 'orders.*.{{subject}}.>'],
    ['any script', 'José 東京', 'José 東京'],
  ] as const) {
    test(`is harmless with ${what}`, () => assert.equal(cell(text), written))
  }

  test('reads back as one cell of one line, whatever it holds', () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const line = csvLine([text, 'end'])
        assert.match(line, /^(?:[^",\r\n]*|"(?:[^"\r\n]|"")*"),end\r\n$/)
        assert.doesNotMatch(line, /^"?[=+\-@]/)
      }),
    )
  })
})
