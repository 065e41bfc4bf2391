import { Planner, type KeyDigest, type Planned, type PlanOptions } from '../core/plan.ts'
import type { UnsignedRow } from '../core/policy-row.ts'
import { scanPolicy } from './policy-scan.ts'
import type { PolicyAdmin } from './ports.ts'

/** Compares what documents ask for with every row that is there; `progress` gets the number of rows looked at. */
export async function makePlan(
  admin: Pick<PolicyAdmin, 'scan'>,
  wanted: readonly UnsignedRow[],
  options: PlanOptions & { readonly keyDigest: KeyDigest; readonly progress: (rows: number) => void },
): Promise<Planned> {
  const planner = new Planner(wanted, options, options.keyDigest)
  let looked = 0
  for await (const rows of scanPolicy(admin)) {
    for (const row of rows) planner.see(row)
    looked += rows.length
    options.progress(looked)
  }
  return planner.finish()
}
