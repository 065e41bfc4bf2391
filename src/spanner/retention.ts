import type { DeadlineMs } from '../service/ports.ts'
import type { SpannerDatabase } from './database.ts'
import { AUDIT_CHECKPOINTS, AUDIT_READS, DECISIONS, GRANT_SET_MEMBERS } from './schema.ts'
import { RowReader } from './values.ts'

/** Tables of the audit, and the time from which their rows are kept. */
const KEPT_TABLES = [
  { table: DECISIONS, column: 'DecidedAt', extraDays: 0 },
  // `SeenAt` is renewed once a day: what a decision names has to outlive it.
  { table: GRANT_SET_MEMBERS, column: 'SeenAt', extraDays: 2 },
  { table: AUDIT_CHECKPOINTS, column: 'CreatedAt', extraDays: 0 },
  { table: AUDIT_READS, column: 'ReadAt', extraDays: 0 },
] as const

/** How long rows of a table are kept. */
export interface Retention {
  readonly table: string
  /** Undefined when rows are kept for ever, or by a rule of another form. */
  readonly days: number | undefined
  /** As the database has it. */
  readonly policy: string | undefined
}

/** What the database does with old rows of the audit; tables that one may not see are left out. Throws the `CalloutError`s of the database. */
export async function readRetention(database: SpannerDatabase, deadlineMs: DeadlineMs): Promise<readonly Retention[]> {
  const rows = await database.query(
    `SELECT TABLE_NAME, ROW_DELETION_POLICY_EXPRESSION FROM INFORMATION_SCHEMA.TABLES
WHERE TABLE_SCHEMA = '' AND TABLE_NAME IN (${KEPT_TABLES.map(({ table }) => `'${table}'`).join(', ')})`,
    {},
    deadlineMs,
  )
  const policies = new Map(
    rows.map((row) => {
      const reader = new RowReader('TABLES', ['TABLE_NAME', 'ROW_DELETION_POLICY_EXPRESSION'], row)
      return [reader.string(), reader.optionalString()] as const
    }),
  )
  return KEPT_TABLES.filter(({ table }) => policies.has(table)).map(({ table, column }) => {
    const policy = policies.get(table)
    return { table, days: daysOf(policy, column), policy }
  })
}

function daysOf(policy: string | undefined, column: string): number | undefined {
  const days = new RegExp(String.raw`^OLDER_THAN\(\s*${column},\s*INTERVAL (\d+) DAY\)$`).exec(policy ?? '')?.[1]
  return days === undefined ? undefined : Number(days)
}

export interface RetentionChange {
  readonly statement: string
  /** Rows go that would have been kept. */
  readonly shortens: boolean
}

/** What has to be run so that decisions are kept for so many days, and what belongs to them no shorter; nothing for what is so. */
export function retentionChanges(current: readonly Retention[], days: number): readonly RetentionChange[] {
  return KEPT_TABLES.flatMap(({ table, column, extraDays }) => {
    const found = current.find((retention) => retention.table === table)
    const wanted = days + extraDays
    if (found?.days === wanted) return []
    const change = found?.policy === undefined ? 'ADD' : 'REPLACE'
    const policy = `OLDER_THAN(${column}, INTERVAL ${wanted} DAY)`
    return [
      {
        statement: `ALTER TABLE ${table} ${change} ROW DELETION POLICY (${policy})`,
        shortens: found?.days === undefined || found.days > wanted,
      },
    ]
  })
}
