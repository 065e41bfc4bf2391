import { policyKey, type PolicyKind, type PolicyRow, type PolicyTables } from '../core/policy-row.ts'
import type { PolicyAdmin } from '../service/ports.ts'

const PAGE_ROWS = 2000

/** Every row of a kind in the order of their keys, a page at a time. */
export async function* scanned<Kind extends PolicyKind>(
  admin: PolicyAdmin,
  kind: Kind,
): AsyncGenerator<PolicyTables[Kind]> {
  let after: readonly string[] | undefined
  for (;;) {
    const page = await admin.scan(kind, PAGE_ROWS, after)
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE_ROWS) return
    after = policyKey({ kind, row: last } as PolicyRow)
  }
}
