import { decisionId } from '../../src/core/decision-id.ts'
import type { AuditEntry } from '../../src/core/audit-entry.ts'
import { DENY_REASONS, type DenyReason } from '../../src/core/reasons.ts'
import type { DecisionFilter, DecisionRecord } from '../../src/service/decision-search.ts'
import type { SpannerDatabase } from '../../src/spanner/database.ts'
import { decisionRecord } from '../../src/spanner/decision-record.ts'
import { DECISIONS, STORED_DECISION_COLUMNS } from '../../src/spanner/schema.ts'
import { aDeny, anAllow, anEntry } from '../contract/stored-rows.ts'
import type { Dice } from '../fuzz/dice.ts'
import { inMs } from './spanner.ts'

export const REASONS = Object.keys(DENY_REASONS).slice(0, 4) as DenyReason[]
const ISSUERS = ['corp', 'partner', undefined]
const SUBJECTS = ['alice', 'bob', '=cmd|x', 'r\u202eo']
const ADDRESSES = ['10.0.0.1', '10.0.0.2', '::1']
const SERVERS = ['n1', 'n2', 'n3']
const TOKENS = ['t1', 't2', 't3', 't4']
const GRANTS = ['g1', 'g2', 'g3']
export const ACCOUNTS = ['APP', 'OPS'] as const

/** What parts of a filter may ask for: each is there in some rows, and one of each in none. */
export const ASKED = {
  principal: ['user:corp:alice', 'user:partner:bob', 'user:corp:nobody'],
  issuer: ['corp', 'partner', 'https://idp.example/realms/prod', 'nobody'],
  outcome: ['allow', 'deny'],
  reason: [...REASONS, 'overloaded'],
  account: [...ACCOUNTS, 'NONE'],
  subject: [...SUBJECTS, 'nobody'],
  grantId: [...GRANTS, 'none'],
  address: [...ADDRESSES, '192.0.2.1'],
  serverName: [...SERVERS, 'n9'],
  tokenId: ['t1', 't2', 't3', 't4', 't9'],
} as const satisfies Partial<Record<keyof DecisionFilter, readonly string[]>>

/** A decision of any kind between two times, whole milliseconds; several of one time are to be expected. */
export function anyEntry(dice: Dice, fromMs: number, untilMs: number): AuditEntry {
  const decidedAtMs = fromMs + dice.below(untilMs - fromMs)
  const id = decisionId(
    decidedAtMs,
    Uint8Array.from({ length: 10 }, () => dice.below(256)),
  )
  const subject = dice.pick(SUBJECTS)
  const issuer = ISSUERS[dice.below(ISSUERS.length)]
  const isAllow = issuer !== undefined && dice.chance(0.5)
  const grantIds = GRANTS.filter(() => dice.chance(0.4))
  const head = { id, decidedAtMs }
  const decision = isAllow
    ? anAllow({ ...head, account: dice.pick(ACCOUNTS), grantIds })
    : aDeny({ ...head, reason: dice.pick(REASONS) })
  const entry = anEntry(decision)
  const { principal: _principal, issuerId: _issuerId, ...nobody } = entry
  const { request, token } = entry
  return {
    ...(issuer === undefined ? nobody : { ...entry, principal: `user:${issuer}:${subject}`, issuerId: issuer }),
    request: {
      ...request,
      server: { ...request.server, name: dice.pick(SERVERS) },
      client: { ...request.client, host: dice.pick(ADDRESSES) },
    },
    token: { ...token, subject, id: dice.pick(TOKENS) },
  }
}

/** Whether a row is what a filter asks for, told without SQL. */
export function isAskedFor(record: DecisionRecord, filter: DecisionFilter): boolean {
  const decidedAtMs = Date.parse(String(record['DecidedAt']))
  const same = (column: string, wanted: string | undefined): boolean =>
    wanted === undefined || record[column] === wanted
  return (
    (filter.sinceMs === undefined || decidedAtMs >= filter.sinceMs) &&
    (filter.untilMs === undefined || decidedAtMs < filter.untilMs) &&
    same('Principal', filter.principal) &&
    (same('IssuerId', filter.issuer) || same('Issuer', filter.issuer)) &&
    same('Outcome', filter.outcome?.toUpperCase()) &&
    same('Reason', filter.reason) &&
    same('Account', filter.account) &&
    same('Subject', filter.subject) &&
    (filter.grantId === undefined || (record['GrantIds'] as string[]).includes(filter.grantId)) &&
    same('ClientHost', filter.address) &&
    same('ServerName', filter.serverName) &&
    same('TokenId', filter.tokenId)
  )
}

/** Every row of the table, newest first. */
export async function allDecisions(database: SpannerDatabase): Promise<DecisionRecord[]> {
  const records: DecisionRecord[] = []
  for (let shard = 0; shard < 16; shard++) {
    const sql = `SELECT ${STORED_DECISION_COLUMNS.join(', ')} FROM ${DECISIONS} WHERE Shard = ${shard}`
    for (const row of await database.query(sql, {}, inMs(20_000)))
      records.push(decisionRecord(STORED_DECISION_COLUMNS, row))
  }
  return records.sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1))
}

/** Sorts as the rows do, newest first. */
function placeOf(record: DecisionRecord): string {
  const age = 1e15 - Date.parse(String(record['DecidedAt']))
  return `${age} ${String(record['Shard']).padStart(2, '0')} ${String(record['DecisionId'])}`
}

export function idsOf(records: readonly DecisionRecord[]): string[] {
  return records.map((record) => String(record['DecisionId']))
}
