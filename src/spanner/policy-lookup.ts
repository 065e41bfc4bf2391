import type { PolicyKind, PolicyRow } from '../core/policy-row.ts'
import type { Clock } from '../service/ports.ts'
import type { SpannerDatabase } from './database.ts'
import { POLICY_TABLES } from './policy-tables.ts'
import { stringValue } from './values.ts'

/** A person waits for it. */
const TIMEOUT_MS = 10_000
/** As the decision path: nobody has more. */
const ROWS_MAX = 20_000

export interface PolicyLookupOptions {
  readonly database: SpannerDatabase
  readonly clock: Clock
}

/** Rows of policy by their keys, with everything that admins see of them. Throws the `CalloutError`s of every store. */
export interface PolicyLookup {
  find(kind: PolicyKind, key: readonly string[]): Promise<PolicyRow | undefined>
  /** What counts for a principal now: its grants, bindings and locks, and the settings and grants of its roles. */
  rowsOf(principal: string): Promise<readonly PolicyRow[]>
}

export function createPolicyLookup({ database, clock }: PolicyLookupOptions): PolicyLookup {
  const read = async (kind: PolicyKind, ...prefixes: readonly (readonly string[])[]): Promise<PolicyRow[]> => {
    if (prefixes.length === 0) return []
    const { table, columns, decode } = POLICY_TABLES[kind]
    const keys = prefixes.map((prefix) => prefix.map((part) => stringValue(part)))
    const { rows } = await database.read(
      { table, columns, prefixes: keys, limit: ROWS_MAX },
      'strong',
      clock.monotonicMs() + TIMEOUT_MS,
    )
    return rows.map((row) => ({ kind, row: decode(row) }) as PolicyRow)
  }
  return {
    async find(kind, key) {
      const [row] = await read(kind, key)
      return row
    },

    async rowsOf(principal) {
      const bindings = await read('binding', [principal])
      const bound = bindings.map(({ row }) => ('role' in row ? row.role : ''))
      const roles = (principal.startsWith('role:') ? [principal] : bound).map((role) => [role])
      const [locks, settings, grants] = await Promise.all([
        read('lock', [principal]),
        read('role', ...roles),
        read('grant', [principal], ...roles.filter(([role]) => role !== principal)),
      ])
      return [...locks, ...bindings, ...settings, ...grants]
    },
  }
}
