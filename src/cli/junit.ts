import { visible } from './visible.ts'

export interface JunitSuite {
  readonly name: string
  readonly cases: readonly JunitCase[]
}

export interface JunitCase {
  readonly name: string
  /** Why it failed; absent when it passed. */
  readonly failure?: string
}

/** Results in the XML that continuous integration reads. Whatever the texts hold, the document is well-formed and each is on one line. */
export function junitXml(name: string, suites: readonly JunitSuite[]): string {
  const all = suites.flatMap(({ cases }) => cases)
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="${escaped(name)}"${counts(all)}>`,
    ...suites.flatMap((suite) => [
      `  <testsuite name="${escaped(suite.name)}"${counts(suite.cases)}>`,
      ...suite.cases.map((testCase) => `    ${caseXml(suite.name, testCase)}`),
      '  </testsuite>',
    ]),
    '</testsuites>',
    '',
  ].join('\n')
}

function counts(cases: readonly JunitCase[]): string {
  const failures = cases.filter(({ failure }) => failure !== undefined).length
  return ` tests="${cases.length}" failures="${failures}" errors="0"`
}

function caseXml(suite: string, { name, failure }: JunitCase): string {
  const open = `<testcase classname="${escaped(suite)}" name="${escaped(name)}"`
  return failure === undefined ? `${open}/>` : `${open}><failure message="${escaped(failure)}"/></testcase>`
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
}

/** XML 1.0 has no way to write most control characters, nor U+FFFE and U+FFFF: they become their codes, as on a terminal. */
function escaped(text: string): string {
  return visible(text)
    .replaceAll(/[\uFFFE\uFFFF]/g, (character) => `\\u{${character.charCodeAt(0).toString(16)}}`)
    .replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
}
