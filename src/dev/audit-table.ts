import type { CliIo } from '../cli/io.ts'
import { writeTable } from '../cli/table.ts'
import type { DenyReason } from '../core/reasons.ts'
import { systemClock as clock } from '../service/clock.ts'
import type { SpannerDatabase } from '../spanner/database.ts'
import { stringValue } from '../spanner/values.ts'

const QUERY_TIMEOUT_MS = 5000

/** Enough to tell the rows of one demo apart, and to find one again with LIKE; the first digits of an id are the time. */
const SHORT_ID_DIGITS = 8

const COLUMNS = 'DecidedAt, Outcome, Reason, Principal, Account, ClientName, DecisionId'

/** What the demo runs, and shows so that others can. */
export const DECISIONS_SQL = `SELECT ${COLUMNS} FROM Decisions ORDER BY DecidedAt`

const DECISIONS_OF_CLIENT_SQL = `SELECT ${COLUMNS} FROM Decisions WHERE ClientName = @name ORDER BY DecidedAt`

/** What the demo knows before it asks: the row that the connection of one client must leave behind. */
export interface ExpectedDecision {
  /** The name that the client connects under, unique in a demo. */
  readonly client: string
  readonly outcome: 'ALLOW' | 'DENY'
  readonly reason?: DenyReason
  /** Absent when the token proved nothing. */
  readonly principal?: string
  readonly account?: string
}

/** One row of the audit table as far as the demo shows it. */
export interface DecisionRow {
  readonly decidedAt: string
  readonly outcome: string
  readonly reason: string | undefined
  readonly principal: string | undefined
  readonly account: string | undefined
  readonly client: string | undefined
  readonly decisionId: string
}

/** All rows, or those of the client with the name, oldest first, by one strong query. */
export async function readDecisions(database: SpannerDatabase, client?: string): Promise<DecisionRow[]> {
  const deadline = clock.monotonicMs() + QUERY_TIMEOUT_MS
  const rows =
    client === undefined
      ? await database.query(DECISIONS_SQL, {}, deadline)
      : await database.query(
          DECISIONS_OF_CLIENT_SQL,
          { name: { value: stringValue(client), type: 'STRING' } },
          deadline,
        )
  return rows.map((row) => {
    const [decidedAt = '', outcome = '', reason, principal, account, name, decisionId = ''] = row.map(
      (value) => value.stringValue ?? undefined,
    )
    return { decidedAt, outcome, reason, principal, account, client: name, decisionId }
  })
}

/** Prints the rows for people. Times are UTC. */
export function writeDecisions(io: CliIo, rows: readonly DecisionRow[]): void {
  writeTable(
    io,
    ['TIME (UTC)', 'OUTCOME', 'REASON', 'PRINCIPAL', 'ACCOUNT', 'CLIENT', 'DECISION'],
    rows.map((row) => [
      timeOfDay(row.decidedAt),
      row.outcome,
      row.reason ?? '-',
      row.principal ?? '-',
      row.account ?? '-',
      row.client ?? '-',
      `…${row.decisionId.slice(-SHORT_ID_DIGITS)}`,
    ]),
  )
}

/** To the millisecond; Spanner leaves out zeros at the end. */
function timeOfDay(timestamp: string): string {
  const [, time, fraction = ''] = /T(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(timestamp) ?? []
  return time === undefined ? timestamp : `${time}.${fraction.slice(0, 3).padEnd(3, '0')}`
}

/** `one row for each of <n> connections, as expected`, or every difference. */
export function compareDecisions(rows: readonly DecisionRow[], expected: readonly ExpectedDecision[]): string {
  const differences: string[] = []
  const byClient = Map.groupBy(rows, (row) => row.client ?? 'a client without a name')
  for (const wanted of expected) {
    const found = byClient.get(wanted.client) ?? []
    byClient.delete(wanted.client)
    if (found.length !== 1) differences.push(`${found.length} rows for ${wanted.client}`)
    for (const row of found) {
      if (decisionText(row) !== decisionText(wanted)) differences.push(`${wanted.client}: ${decisionText(row)}`)
    }
  }
  for (const client of byClient.keys()) differences.push(`a row that nobody expected, of ${client}`)
  return differences.length === 0 ? matchingRows(expected.length) : differences.join('; ')
}

/** What `compareDecisions` says when all is well. */
export function matchingRows(count: number): string {
  return `one row for each of ${count} connections, as expected`
}

/** What is compared; a row and an expectation both have it. */
interface Gist {
  readonly outcome: string
  readonly reason?: string | undefined
  readonly principal?: string | undefined
  readonly account?: string | undefined
}

function decisionText({ outcome, reason, principal, account }: Gist): string {
  return [outcome, reason ?? 'no reason', principal ?? 'no principal', account ?? 'no account'].join(', ')
}
