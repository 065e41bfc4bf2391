import { randomUUID } from 'node:crypto'
import { loadSecrets } from '../config/secrets.ts'
import { systemClock as clock } from '../service/clock.ts'
import { invalidConfiguration, loadConfig } from './configuration.ts'
import { CHECKS } from './doctor/checks.ts'
import { createContext } from './doctor/context.ts'
import { summaryOf, writeReport } from './doctor/report.ts'
import { runChecks } from './doctor/run-checks.ts'
import { EXIT, emulatorHostOf, type CliIo } from './io.ts'
import type { OutputFormat } from './output.ts'

/** A server that accepts connections and says nothing costs one of these. */
const CHECK_WITHIN_MS = 20_000
const ALL_WITHIN_MS = 90_000

export interface DoctorOptions {
  /** Warnings count as failures. */
  readonly strict?: boolean
  readonly output: OutputFormat
}

/**
 * `callout doctor`: looks at a deployment from outside in and says of each thing whether it is well, and if not, what is
 * wrong and what to do. Changes nothing and shows no secret. Returns 0 when nothing failed, 1 otherwise.
 */
export async function examine(configFile: string, options: DoctorOptions, io: CliIo): Promise<number> {
  const config = await loadConfig(configFile)
  const reading = await loadSecrets(config)
  if ('problems' in reading) throw invalidConfiguration(configFile, reading.problems)
  await using context = createContext({
    configFile,
    config,
    secrets: reading.secrets,
    fileWarnings: reading.warnings,
    clock,
    name: `callout doctor ${randomUUID().slice(0, 8)}`,
    emulatorHost: emulatorHostOf(io),
  })
  const results = await runChecks(CHECKS, context, {
    checkWithinMs: CHECK_WITHIN_MS,
    allWithinMs: ALL_WITHIN_MS,
    clock,
    progress: (title) => {
      if (io.stderr.isTTY === true) io.stderr.write(`looking whether ${title.replaceAll('`', '')}\n`)
    },
  })
  writeReport(io, options.output, results)
  const { fail, warn } = summaryOf(results)
  return fail > 0 || (options.strict === true && warn > 0) ? EXIT.failure : EXIT.ok
}
