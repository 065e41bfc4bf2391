import { CalloutError } from '../core/errors.ts'
import { POLICY_KINDS, policyKey, type PolicyKind, type PolicyRow, type PolicyTables } from '../core/policy-row.ts'
import type { PolicyAdmin } from './ports.ts'

/**
 * Some 4 MB of ordinary rows; an answer ends at 10 MB. The emulator looks for each page at all rows after it: of a large table, pages half
 * as long take it twice the time.
 */
const PAGE_ROWS_MAX = 5000

/**
 * Every row of these kinds, in the order of their keys, a page at a time. Each page is read when it is asked for: a row that is
 * changed meanwhile shows as it is then. Pages of rows so long that the store refuses them are read again in smaller ones.
 */
export async function* scanPolicy(
  admin: Pick<PolicyAdmin, 'scan'>,
  kinds: readonly PolicyKind[] = POLICY_KINDS,
): AsyncGenerator<readonly PolicyRow[]> {
  for (const kind of kinds)
    for await (const page of pagesOf(admin, kind)) yield page.map((row) => ({ kind, row }) as PolicyRow)
}

/** Every row of one kind, as `scanPolicy` reads it. */
export async function* scanKind<Kind extends PolicyKind>(
  admin: Pick<PolicyAdmin, 'scan'>,
  kind: Kind,
): AsyncGenerator<PolicyTables[Kind]> {
  for await (const page of pagesOf(admin, kind)) yield* page
}

async function* pagesOf<Kind extends PolicyKind>(
  admin: Pick<PolicyAdmin, 'scan'>,
  kind: Kind,
): AsyncGenerator<readonly PolicyTables[Kind][]> {
  let limit = PAGE_ROWS_MAX
  let after: readonly string[] | undefined
  for (;;) {
    const page = await admin.scan(kind, limit, after).catch((error: unknown) => {
      if (limit === 1 || !(error instanceof CalloutError) || error.code !== 'ERR_STORE_REFUSED') throw error
      return undefined
    })
    if (page === undefined) {
      limit = Math.ceil(limit / 4)
      continue
    }
    const last = page.at(-1)
    if (last === undefined) return
    yield page
    if (page.length < limit) return
    after = policyKey({ kind, row: last } as PolicyRow)
  }
}
