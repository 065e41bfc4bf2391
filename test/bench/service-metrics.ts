import { METRIC_PREFIX } from '../../src/telemetry/metrics-reference.ts'
import { STAGES } from '../../src/service/events.ts'

/** What the service says about itself, as sums since its start. */
export type ServiceCounters = ReadonlyMap<string, number>

/** Reads `/metrics`: name with labels → value. */
export async function serviceCounters(httpUrl: string): Promise<ServiceCounters> {
  const response = await fetch(`${httpUrl}/metrics`)
  if (!response.ok) throw new Error(`/metrics answers ${response.status}`)
  const lines = (await response.text()).split('\n').filter((line) => line.startsWith(METRIC_PREFIX))
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ')
      return [line.slice(METRIC_PREFIX.length, space), Number(line.slice(space + 1))]
    }),
  )
}

export interface ServiceFigures {
  readonly reads: number
  readonly requestsPerRead: number
  readonly readMs: number
  readonly commits: number
  readonly rowsPerCommit: number
  readonly commitMs: number
  /** Mean of each step of a decision. */
  readonly stagesMs: Readonly<Record<string, number>>
}

/** What happened between two looks. */
export function serviceFigures(before: ServiceCounters, after: ServiceCounters): ServiceFigures {
  const grown = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0)
  const mean = (name: string, labels: string): number => grown(`${name}_sum${labels}`) / grown(`${name}_count${labels}`)
  const stages = STAGES.map((stage) => [stage, mean('stage_duration_seconds', `{stage="${stage}"}`) * 1000] as const)
  return {
    reads: grown('batch_items_count{kind="grants"}'),
    requestsPerRead: mean('batch_items', '{kind="grants"}'),
    readMs: mean('batch_duration_seconds', '{kind="grants"}') * 1000,
    commits: grown('batch_items_count{kind="audit"}'),
    rowsPerCommit: mean('batch_items', '{kind="audit"}'),
    commitMs: mean('batch_duration_seconds', '{kind="audit"}') * 1000,
    stagesMs: Object.fromEntries(stages),
  }
}
