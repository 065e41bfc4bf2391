import { CalloutError } from '../../core/errors.ts'
import { schemaProblem } from '../../spanner/migrations.ts'
import { AUDIT_STATEMENTS } from '../../spanner/audit-statement-list.ts'
import { readsStoredRows, scannedWhole, type PlanNode } from '../../spanner/query-plan.ts'
import { fail, ok, skipped, warn, type Check, type Finding } from './check.ts'
import type { DoctorContext } from './context.ts'
import { judgeClock } from './judge-clock.ts'

/** A decision reads and then commits, and a commit takes about as long as a read or two. */
const SHARE_OF_DEADLINE = 1 / 4
const PLANS_WITHIN_MS = 15_000

/** The database: nothing is written, so that rows can be written is for `/readyz` of the service to say. */
export const STORE_CHECKS: readonly Check[] = [
  {
    id: 'store.schema',
    title: 'the database answers and has the schema of this release',
    async run(context) {
      const schema = await context.schema()
      if (schema instanceof CalloutError) {
        const advice =
          schema.code === 'ERR_STORE_FORBIDDEN'
            ? 'grant what is missing, or correct store.role'
            : 'check store.url, the network, and GOOGLE_APPLICATION_CREDENTIALS or SPANNER_EMULATOR_HOST'
        return [fail(schema.message, advice)]
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
  {
    id: 'store.plans',
    title: 'Cloud Spanner finds the rows of the audit by their keys',
    async run(context) {
      if (!(await isUsable(context))) return [skipped('the database cannot be used')]
      if (context.config.store.role !== undefined)
        return [skipped('plans cannot be looked at as a database role: unset store.role for it')]
      if ((context.emulatorHost ?? '') !== '') return [skipped('plans cannot be looked at: the emulator makes none')]
      const deadlineMs = context.clock.monotonicMs() + PLANS_WITHIN_MS
      const plans = AUDIT_STATEMENTS.map(async ({ name, sql, parameters }) => ({
        name,
        nodes: await context.database.plan(sql, parameters, deadlineMs),
      }))
      return judgePlans(await Promise.all(plans))
    },
  },
]

export interface StatementPlan {
  readonly name: string
  readonly nodes: readonly PlanNode[]
}

export function judgePlans(plans: readonly StatementPlan[]): readonly Finding[] {
  const findings = plans.flatMap(({ name, nodes }): Finding[] => {
    if (!readsStoredRows(nodes))
      return [warn(`${name}: Spanner shows no plan`, 'look at the plan in the console of Spanner')]
    const scanned = scannedWhole(nodes)
    if (scanned.length === 0) return []
    return [
      warn(
        `${name}: Spanner would read all of ${scanned.join(' and ')}`,
        'look at "callout schema status" and at the version of the query optimizer of the database; until then such a search is slow',
      ),
    ]
  })
  return findings.length > 0 ? findings : [ok(`${plans.length} statements seek by their index`)]
}

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
