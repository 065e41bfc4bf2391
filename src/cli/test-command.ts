import { writeFile } from 'node:fs/promises'
import type { SessionRules } from '../core/decide.ts'
import type { Policy } from '../core/grant.ts'
import { lockKeys } from '../core/locks.ts'
import { runPermissionTest, type PermissionTest, type TestedExpectation } from '../core/permission-test.ts'
import type { PlannedChange } from '../core/plan.ts'
import { PolicyOverlay } from '../core/policy-overlay.ts'
import { FILE_CHARACTERS_MAX } from '../documents/document-yaml.ts'
import { readPermissionTests } from '../documents/permission-tests.ts'
import { systemClock as clock } from '../service/clock.ts'
import { rulesOf } from './assumed-client.ts'
import { loadConfig } from './configuration.ts'
import { loadDocuments, wantedRows } from './document-input.ts'
import { section } from './explain-output.ts'
import { readText } from './input-files.ts'
import { CommandFailure, EXIT, type CliIo } from './io.ts'
import { junitXml } from './junit.ts'
import { writeOutput, type Column, type OutputFormat } from './output.ts'
import { readPolicy } from './policy-reading.ts'
import { openKnownStore } from './store.ts'

/** UTF-8 takes at most three bytes for a UTF-16 code unit. */
const FILE_BYTES_MAX = 3 * FILE_CHARACTERS_MAX

export interface TestOptions {
  /** Files and folders of documents, in place of the database. */
  readonly documents?: readonly string[]
  /** File for results in XML. */
  readonly junit?: string
  readonly output: OutputFormat
}

interface Tested extends TestedExpectation {
  readonly test: PermissionTest
}

/**
 * `callout test`: whether clients are allowed and denied what a file expects, by the rows of the database or by documents. Returns 0
 * when all is as expected, else 1.
 */
export async function testPermissions(
  configFile: string,
  file: string,
  options: TestOptions,
  io: CliIo,
): Promise<number> {
  const tests = await loadTests(file, io)
  const tested =
    options.documents === undefined
      ? await testDatabase(configFile, tests, io)
      : await testDocuments(configFile, tests, options.documents, io)
  if (options.junit !== undefined) await writeJunit(options.junit, file, tests, tested)
  writeTested(io, options.output, tested)
  return tested.every(({ isAsExpected }) => isAsExpected) ? EXIT.ok : EXIT.failure
}

async function loadTests(file: string, io: CliIo): Promise<readonly PermissionTest[]> {
  const reading = readPermissionTests(file === '-' ? 'stdin' : file, await readText(file, FILE_BYTES_MAX, io))
  if ('tests' in reading) return reading.tests
  throw new CommandFailure(
    EXIT.usage,
    reading.problems.map(({ path, message }) => `${path}: ${message}`),
  )
}

/** All at the timestamp of the first read: an edit meanwhile is seen by every test or by none. */
async function testDatabase(configFile: string, tests: readonly PermissionTest[], io: CliIo): Promise<Tested[]> {
  await using store = await openKnownStore(configFile, io)
  const rules = rulesOf(store.config)
  const nowMs = clock.nowMs()
  const tested: Tested[] = []
  let at: string | undefined
  for (const test of tests) {
    const { policy } = await readPolicy(store, keysOf(test, rules), at)
    at ??= policy.readTimestamp
    tested.push(...testedOn(test, policy, rules, nowMs))
  }
  return tested
}

const NO_ROWS: Policy = { grants: [], bindings: [], locks: [], roles: [], readTimestamp: '' }

async function testDocuments(
  configFile: string,
  tests: readonly PermissionTest[],
  names: readonly string[],
  io: CliIo,
): Promise<Tested[]> {
  const rules = rulesOf(await loadConfig(configFile))
  const documents = await loadDocuments(names, undefined, io)
  const rows = new PolicyOverlay(wantedRows(documents).map(({ kind, row }) => ({ kind, after: row }) as PlannedChange))
  const nowMs = clock.nowMs()
  return tests.flatMap((test) => testedOn(test, rows.after(NO_ROWS, keysOf(test, rules)), rules, nowMs))
}

function keysOf({ identity }: PermissionTest, { accounts }: SessionRules): string[] {
  return lockKeys(identity, accounts.keys())
}

function testedOn(test: PermissionTest, policy: Policy, rules: SessionRules, nowMs: number): Tested[] {
  return runPermissionTest(test, policy, rules, nowMs).map((tested) => ({ test, ...tested }))
}

const FOUND = { yes: 'allow', no: 'deny', partly: 'allow in part' } as const

interface ShownTest {
  readonly client: string
  readonly action: string
  readonly subject: string
  readonly queue: string | undefined
  readonly expected: string
  readonly found: string
  readonly isAsExpected: boolean
  readonly because: string
}

const COLUMNS: readonly Column<ShownTest>[] = [
  { heading: 'CLIENT', cell: ({ client }) => client },
  { heading: 'ACTION', cell: ({ action }) => action },
  { heading: 'SUBJECT', cell: ({ subject }) => subject },
  { heading: 'QUEUE', cell: ({ queue = '' }) => queue },
  { heading: 'EXPECTED', cell: ({ expected }) => expected },
  { heading: 'FOUND', cell: ({ found }) => found },
  { heading: 'BECAUSE OF', cell: ({ because }) => because },
]

function writeTested(io: CliIo, format: OutputFormat, tested: readonly Tested[]): void {
  const records = tested.map(({ test: { name }, expectation, verdict, isAsExpected, because }): ShownTest => ({
    client: name,
    action: expectation.question.action,
    subject: expectation.subject,
    queue: expectation.question.queue,
    expected: expectation.expected,
    found: FOUND[verdict],
    isAsExpected,
    because,
  }))
  if (format !== 'table') return writeOutput(io, format, { columns: COLUMNS, records })
  const unexpected = records.filter(({ isAsExpected }) => !isAsExpected)
  io.stdout.write(`${records.length - unexpected.length} of ${records.length} as expected\n`)
  section(io, COLUMNS, unexpected)
}

async function writeJunit(
  name: string,
  file: string,
  tests: readonly PermissionTest[],
  tested: readonly Tested[],
): Promise<void> {
  const ofTest = Map.groupBy(tested, ({ test }) => test)
  const suites = tests.map((test) => ({ name: test.name, cases: (ofTest.get(test) ?? []).map(junitCase) }))
  try {
    await writeFile(name, junitXml(file, suites))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new CommandFailure(EXIT.usage, [`cannot write ${name} (${code})`], { cause: error })
  }
}

function junitCase({ expectation, verdict, isAsExpected, because }: Tested): { name: string; failure?: string } {
  const { question, subject, expected } = expectation
  const queue = question.queue === undefined ? '' : ` queue ${question.queue}`
  const name = `${expected} ${question.action} ${subject}${queue}`
  if (isAsExpected) return { name }
  return { name, failure: `${FOUND[verdict]}${because === '' ? '' : `: ${because}`}` }
}
