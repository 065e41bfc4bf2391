import type { Clock } from '../../service/ports.ts'
import { fail, skipped, type Check, type Finding } from './check.ts'
import { asError } from './as-error.ts'
import type { DoctorContext } from './context.ts'

export interface CheckResult {
  readonly id: string
  readonly title: string
  readonly findings: readonly Finding[]
  readonly tookMs: number
}

export interface RunOptions {
  readonly checkWithinMs: number
  readonly allWithinMs: number
  readonly clock: Pick<Clock, 'monotonicMs' | 'after'>
  /** Told the title of each check before it runs. */
  readonly progress: (title: string) => void
}

/**
 * Runs the checks one after the other, so that none disturbs the measurements of another, and returns what they found in
 * their order. A check that throws or takes too long has failed; those for which no time is left are skipped.
 */
export async function runChecks(
  checks: readonly Check[],
  context: DoctorContext,
  { checkWithinMs, allWithinMs, clock, progress }: RunOptions,
): Promise<readonly CheckResult[]> {
  const endMs = clock.monotonicMs() + allWithinMs
  const results: CheckResult[] = []
  for (const { id, title, ...check } of checks) {
    const startedMs = clock.monotonicMs()
    const withinMs = Math.min(checkWithinMs, endMs - startedMs)
    progress(title)
    const findings = withinMs <= 0 ? [NO_TIME_LEFT] : await settled(() => check.run(context), withinMs, clock)
    results.push({ id, title, findings, tookMs: clock.monotonicMs() - startedMs })
  }
  return results
}

const NO_TIME_LEFT = skipped('no time was left', 'correct what failed above, which took too long, and run it again')

async function settled(
  run: () => Promise<readonly Finding[]>,
  withinMs: number,
  clock: Pick<Clock, 'after'>,
): Promise<readonly Finding[]> {
  const { promise: expired, resolve: expire } = Promise.withResolvers<readonly Finding[]>()
  const cancel = clock.after(withinMs, () =>
    expire([fail(`no result within ${withinMs} ms`, 'look at the network between this machine and what is checked')]),
  )
  try {
    return await Promise.race([run().catch(asFinding), expired])
  } finally {
    cancel()
  }
}

function asFinding(error: unknown): readonly Finding[] {
  return [fail(asError(error).message, 'this check could not be completed; correct what the message says')]
}
