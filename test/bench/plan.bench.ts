import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import type { UnsignedRow } from '../../src/core/policy-row.ts'
import type { SpannerEmulator } from '../../src/dev/spanner-emulator.ts'
import { rowsOf } from '../support/documents.ts'
import { insertPolicy } from '../support/insert-policy.ts'
import { createTestDatabase, startOwnEmulator } from '../support/spanner.ts'
import { configWith } from '../unit/config/config-text.ts'
import { figure } from './figure.ts'
import { describeCommit, describeMachine } from './machine.ts'
import { processUsage } from './process-usage.ts'
import type { ProcessUsage } from './process-usage.ts'

/**
 * `callout grants plan` on a table of many rows, as a process of its own: `node test/bench/plan.bench.ts [rows]`. Documents of a hundred
 * rows each; every hundredth has another subject than the table. Prints JSON, and progress on stderr.
 */
const ROWS = Number(process.argv[2] ?? 100_000)
const SUBJECTS = 10
const PRINCIPALS = 10
const DOCUMENTS_PER_FILE = 200
const SAMPLE_MS = 50

function document(number: number, changed: boolean): string {
  const principals = Array.from({ length: PRINCIPALS }, (_, index) => `user:corp:u${number * PRINCIPALS + index}`)
  const subjects = Array.from(
    { length: SUBJECTS },
    (_, index) => `orders.${number}.${index}${changed ? '.changed' : ''}`,
  )
  return `---
apiVersion: callout.nats/v1
kind: Grant
metadata: { name: doc-${number}, owner: team-${number % 50}, ticket: OPS-${number} }
spec:
  principals: [${principals.join(', ')}]
  account: APP
  publish: { allow: [${subjects.join(', ')}] }
`
}

function* rowsOfDocuments(count: number): Generator<UnsignedRow> {
  for (let number = 0; number < count; number += 1) yield* rowsOf(document(number, false), 'bench')
}

async function main(): Promise<void> {
  const count = Math.ceil(ROWS / (PRINCIPALS * SUBJECTS))
  const emulator = await startOwnEmulator()
  const directory = await mkdtemp(path.join(tmpdir(), 'callout-plan-bench-'))
  try {
    await using database = await createTestDatabase(emulator.host)
    await insertPolicy(database.database, rowsOfDocuments(count))
    const documents = path.join(directory, 'grants')
    await mkdir(documents)
    for (let start = 0; start < count; start += DOCUMENTS_PER_FILE) {
      const some = Array.from({ length: Math.min(DOCUMENTS_PER_FILE, count - start) }, (_, index) =>
        document(start + index, (start + index) % 100 === 0),
      )
      await writeFile(path.join(documents, `${start}.yaml`), some.join(''))
    }
    const config = path.join(directory, 'callout.yaml')
    await writeFile(config, configWith({ 'store.url': `spanner://${database.name}` }))
    const plan = path.join(directory, 'plan.json')
    const argv = ['grants', 'plan', documents, '--scope', 'bench', '--prune', '--no-sessions', '--out', plan]
    const [date, machine, commit] = [new Date().toISOString(), await describeMachine(), await describeCommit()]
    const measured = await callout([...argv, '--config', config], emulator)
    const report = { date, commit, machine, rows: count * PRINCIPALS * SUBJECTS, ...measured }
    process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`)
  } finally {
    await emulator.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

async function callout(argv: readonly string[], emulator: SpannerEmulator) {
  const since = performance.now()
  const env = { ...process.env, SPANNER_EMULATOR_HOST: emulator.host }
  const child = spawn(process.execPath, ['src/main.ts', ...argv], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let plan: ProcessUsage | undefined
  const emulatorBefore = await processUsage(emulator.pid)
  const sampling = setInterval(() => {
    processUsage(child.pid).then(
      // A process that is ending has no memory any more.
      (usage) => (plan = usage !== undefined && usage.rssPeakMiB > 0 ? usage : plan),
      () => {},
    )
  }, SAMPLE_MS)
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  clearInterval(sampling)
  const seconds = (performance.now() - since) / 1000
  const emulatorMs = ((await processUsage(emulator.pid))?.cpuMs ?? 0) - (emulatorBefore?.cpuMs ?? 0)
  const exitCode = child.exitCode ?? (await new Promise<number | null>((resolve) => child.once('exit', resolve)))
  return {
    seconds: figure(seconds, 's'),
    processorTime: { plan: figure((plan?.cpuMs ?? 0) / 1000, 's'), emulator: figure(emulatorMs / 1000, 's') },
    peak: figure(plan?.rssPeakMiB ?? 0, 'MiB'),
    exitCode,
    summary: /^Rows: .*$/m.exec(stdout)?.[0],
    progressLines: stderr.split('\n').length - 1,
  }
}

if (import.meta.main) await main()
