import type { PolicyRow, UnsignedRow } from '../../src/core/policy-row.ts'
import type { SpannerDatabase } from '../../src/spanner/database.ts'
import { insertion } from '../../src/spanner/mutation.ts'
import { encodePolicyRow } from '../../src/spanner/policy-tables.ts'
import { inMs } from './spanner.ts'

/** The emulator takes some 600 rows a second this way; of more rows a commit it takes fewer. */
const ROWS_PER_COMMIT = 20
const COMMIT_TIMEOUT_MS = 60_000
const ROWS_BETWEEN_REPORTS = 20_000
const ORIGIN = { reason: 'a test', createdBy: 'a test' }

/** Inserts rows as SQL would, past the edits of the commands. Says on stderr how far it is. */
export async function insertPolicy(database: SpannerDatabase, rows: Iterable<UnsignedRow>): Promise<void> {
  let inserted = 0
  let some: UnsignedRow[] = []
  const flush = async (): Promise<void> => {
    const mutations = some.map((unsigned) => {
      const { table, row } = encodePolicyRow({ ...unsigned, row: { ...unsigned.row, ...ORIGIN } } as PolicyRow)
      return insertion(table.table, table.columns, [row])
    })
    await database.commit(mutations, { repeatable: false }, inMs(COMMIT_TIMEOUT_MS))
    inserted += some.length
    if (inserted % ROWS_BETWEEN_REPORTS === 0) process.stderr.write(`${inserted} rows inserted\n`)
    some = []
  }
  for (const row of rows) {
    some.push(row)
    if (some.length === ROWS_PER_COMMIT) await flush()
  }
  if (some.length > 0) await flush()
}
