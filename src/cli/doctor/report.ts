import type { CliIo } from '../io.ts'
import { writeOutput, type OutputFormat } from '../output.ts'
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

/**
 * For people a line for each finding, what to do below it, and a line that counts them. For programs `checks[].findings[]` with
 * `status` ok, warn, fail or skipped; by lines and by columns, the findings.
 */
export function writeReport(io: CliIo, format: OutputFormat, results: readonly CheckResult[]): void {
  writeOutput(io, format, {
    columns: [
      { heading: 'STATUS', cell: ({ status }) => status },
      { heading: 'CHECK', cell: ({ check }) => check },
      { heading: 'DETAIL', cell: ({ detail }) => detail },
      { heading: 'ADVICE', cell: ({ advice = '' }) => advice },
    ],
    records: results.flatMap(({ id, findings }) => findings.map((finding) => ({ check: id, ...finding }))),
    document: {
      summary: summaryOf(results),
      checks: results.map(({ tookMs, ...result }) => ({ ...result, tookMs: Math.round(tookMs) })),
    },
    text: textOf(results),
  })
}

function textOf(results: readonly CheckResult[]): string {
  const width = Math.max(...results.map(({ id }) => id.length))
  const lines = results.flatMap(({ id, findings }) => findings.map((finding) => linesOf(id.padEnd(width), finding)))
  const { ok, warn, fail, skipped } = summaryOf(results)
  return `${lines.join('')}\n${fail} failed, ${warn} to look at, ${ok} well, ${skipped} skipped\n`
}

function linesOf(id: string, { status, detail, advice }: Finding): string {
  const line = `${WORDS[status].padEnd(STATUS_WIDTH)}  ${id}  ${visible(detail)}\n`
  return advice === undefined ? line : `${line}${ADVICE_INDENT}→ ${visible(advice)}\n`
}
