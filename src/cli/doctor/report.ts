import type { CliIo } from '../io.ts'
import { writeJson } from '../table.ts'
import { visible } from '../visible.ts'
import type { Finding, Status } from './check.ts'
import type { CheckResult } from './run-checks.ts'

const WORDS: Readonly<Record<Status, string>> = { ok: 'ok', warn: 'warn', fail: 'FAIL', skipped: 'skipped' }
const STATUS_WIDTH = 'skipped'.length
const ADVICE_INDENT = ' '.repeat(STATUS_WIDTH + 2)

export type Summary = Readonly<Record<Status, number>>

export function summaryOf(results: readonly CheckResult[]): Summary {
  const summary = { ok: 0, warn: 0, fail: 0, skipped: 0 }
  for (const { status } of results.flatMap(({ findings }) => findings)) summary[status] += 1
  return summary
}

/** A line for each finding, what to do below it, and a line that counts them. */
export function writeReport(io: CliIo, results: readonly CheckResult[]): void {
  const width = Math.max(...results.map(({ id }) => id.length))
  for (const { id, findings } of results) {
    for (const finding of findings) io.stdout.write(linesOf(id.padEnd(width), finding))
  }
  const { ok, warn, fail, skipped } = summaryOf(results)
  io.stdout.write(`\n${fail} failed, ${warn} to look at, ${ok} well, ${skipped} skipped\n`)
}

function linesOf(id: string, { status, detail, advice }: Finding): string {
  const line = `${WORDS[status].padEnd(STATUS_WIDTH)}  ${id}  ${visible(detail)}\n`
  return advice === undefined ? line : `${line}${ADVICE_INDENT}→ ${visible(advice)}\n`
}

/** The same for programs: `checks[].findings[]` with `status` ok, warn, fail or skipped. */
export function writeReportAsJson(io: CliIo, results: readonly CheckResult[]): void {
  writeJson(io, {
    summary: summaryOf(results),
    checks: results.map(({ tookMs, ...result }) => ({ ...result, tookMs: Math.round(tookMs) })),
  })
}
