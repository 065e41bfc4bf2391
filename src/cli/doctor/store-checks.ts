import { CalloutError } from '../../core/errors.ts'
import { schemaProblem } from '../../spanner/migrations.ts'
import { fail, ok, skipped, warn, type Check, type Finding } from './check.ts'
import type { DoctorContext } from './context.ts'
import { judgeClock } from './judge-clock.ts'

/** A decision reads and then commits, and a commit takes about as long as a read or two. */
const SHARE_OF_DEADLINE = 1 / 4

/** The database: nothing is written, so that rows can be written is for `/readyz` of the service to say. */
export const STORE_CHECKS: readonly Check[] = [
  {
    id: 'store.schema',
    title: 'the database answers and has the schema of this release',
    async run(context) {
      const schema = await context.schema()
      if (schema instanceof CalloutError) {
        return [
          fail(
            schema.message,
            'check store.url, the network, and GOOGLE_APPLICATION_CREDENTIALS or SPANNER_EMULATOR_HOST',
          ),
        ]
      }
      const problem = schemaProblem(schema)
      return [
        problem === undefined
          ? ok(`version ${schema.version}`)
          : fail(problem, 'until then "callout serve" does not start'),
      ]
    },
  },
  {
    id: 'store.latency',
    title: 'grants are read well within `callout.deadline`',
    async run(context) {
      if (!(await isUsable(context))) return [skipped('the database cannot be used')]
      const { tookMs } = await context.strongReads()
      return [judgeLatency(tookMs, context.config.callout.deadlineMs)]
    },
  },
  {
    id: 'store.clock',
    title: 'the clock of the database agrees with ours',
    async run(context) {
      if (!(await isUsable(context))) return [skipped('the database cannot be used')]
      const { clockOffsetMs, uncertaintyMs } = await context.strongReads()
      return [judgeClock('Spanner', clockOffsetMs, uncertaintyMs)]
    },
  },
]

async function isUsable(context: DoctorContext): Promise<boolean> {
  const schema = await context.schema()
  return !(schema instanceof CalloutError) && schemaProblem(schema) === undefined
}

export function judgeLatency(tookMs: readonly number[], deadlineMs: number): Finding {
  const sorted = tookMs.toSorted((a, b) => a - b)
  const medianMs = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  const detail = `strong reads of grants: median ${medianMs.toFixed(1)} ms, slowest ${(sorted.at(-1) ?? 0).toFixed(1)} ms`
  const advice = 'run the service in a region of the instance, and look at the load of Spanner'
  if (!(medianMs < deadlineMs)) return fail(detail, advice)
  return medianMs > deadlineMs * SHARE_OF_DEADLINE ? warn(detail, advice) : ok(detail)
}
