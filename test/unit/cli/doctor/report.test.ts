import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { fail, ok, skipped, warn, type Check, type Finding } from '../../../../src/cli/doctor/check.ts'
import { CHECKS } from '../../../../src/cli/doctor/checks.ts'
import type { DoctorContext } from '../../../../src/cli/doctor/context.ts'
import { summaryOf, writeReport } from '../../../../src/cli/doctor/report.ts'
import { runChecks, type CheckResult } from '../../../../src/cli/doctor/run-checks.ts'
import { ManualClock } from '../../../support/manual-clock.ts'
import { recordingIo } from '../recorded-io.ts'

const RESULTS: readonly CheckResult[] = [
  { id: 'a.one', title: 'one', findings: [ok('here'), warn('odd', 'look')], tookMs: 1.4 },
  { id: 'b.three', title: 'three', findings: [fail('broken \u001b[31m', 'mend it'), skipped('not seen')], tookMs: 2 },
]

suite('the report of doctor', () => {
  test('has a line for each finding, with what to do below it', () => {
    const { io, stdout } = recordingIo()
    writeReport(io, 'table', RESULTS)
    assert.equal(
      stdout(),
      [
        'ok       a.one    here',
        'warn     a.one    odd',
        '         → look',
        'FAIL     b.three  broken \\u{1b}[31m',
        '         → mend it',
        'skipped  b.three  not seen',
        '',
        '1 failed, 1 to look at, 1 well, 1 skipped',
        '',
      ].join('\n'),
    )
  })

  test('is JSON for programs', () => {
    const { io, stdout } = recordingIo()
    writeReport(io, 'json', RESULTS)
    assert.deepEqual(JSON.parse(stdout()), {
      summary: { ok: 1, warn: 1, fail: 1, skipped: 1 },
      checks: RESULTS.map((result) => ({ ...result, tookMs: Math.round(result.tookMs) })),
    })
  })

  test('counts every finding', () => {
    assert.deepEqual(summaryOf(RESULTS), { ok: 1, warn: 1, fail: 1, skipped: 1 })
  })
})

suite('the checks of doctor', () => {
  const context = {} as DoctorContext
  const check = (id: string, run: Check['run']): Check => ({ id, title: id, run })
  const runAll = (checks: readonly Check[], clock = new ManualClock()): ReturnType<typeof runChecks> =>
    runChecks(checks, context, { checkWithinMs: 1000, allWithinMs: 1500, clock, progress: () => {} })
  const details = (results: readonly CheckResult[]): readonly Finding['status'][] =>
    results.flatMap(({ findings }) => findings.map(({ status }) => status))

  test('have names of their own', () => {
    assert.equal(new Set(CHECKS.map(({ id }) => id)).size, CHECKS.length)
  })

  test('fail with the message of what they throw', async () => {
    const [result] = await runAll([check('a', () => Promise.reject(new Error('no such host')))])
    assert.deepEqual(
      result?.findings.map(({ status, detail }) => [status, detail]),
      [['fail', 'no such host']],
    )
  })

  test('fail when they take too long, and leave no time to those after them', async () => {
    const clock = new ManualClock()
    const never = check('never', async () => {
      queueMicrotask(() => void clock.advance(1000))
      return new Promise(() => {})
    })
    const results = await runAll([never, never, check('after', async () => [ok('well')])], clock)
    assert.deepEqual(details(results), ['fail', 'fail', 'skipped'])
  })

  test('are announced in their order', async () => {
    const titles: string[] = []
    const options = { checkWithinMs: 1000, allWithinMs: 1000, clock: new ManualClock() }
    const well = async (): Promise<readonly Finding[]> => [ok('well')]
    await runChecks([check('a', well), check('b', well)], context, {
      ...options,
      progress: (title) => void titles.push(title),
    })
    assert.deepEqual(titles, ['a', 'b'])
  })
})
