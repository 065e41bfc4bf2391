import { isDeepStrictEqual } from 'node:util'
import { CalloutError } from '../core/errors.ts'
import { nameOfRow, POLICY_KINDS, sidesOf } from '../core/policy-row.ts'
import type { GrantRow, PolicyKind, PolicyRow, UnsignedRow } from '../core/policy-row.ts'
import { CHANGES_PER_EDIT_MAX } from '../service/ports.ts'
import type { Clock, DeadlineMs, GrantFilter, PolicyAdmin, PolicyEdit } from '../service/ports.ts'
import type { SpannerDatabase } from './database.ts'
import { deletion, insertion, upsertion } from './mutation.ts'
import type { Mutation } from './mutation.ts'
import { encodePolicyRow, keyValues, POLICY_TABLES } from './policy-tables.ts'
import type { KeyedRead, Parameter } from './query.ts'
import {
  GRANTS_BY_ID,
  GRANTS_BY_SCOPE,
  LOCKS_BY_ID,
  LOCKS_BY_SCOPE,
  POLICY_EDIT_COLUMNS,
  POLICY_EDITS,
  ROLE_BINDINGS_BY_SCOPE,
  ROLES_BY_SCOPE,
} from './schema.ts'
import type { Transaction } from './transaction.ts'
import { COMMIT_TIMESTAMP, int64Value, stringValue } from './values.ts'
import type { Row } from './values.ts'

/** A person waits for it; a database that takes longer is not there. */
const TIMEOUT_MS = 10_000
/** Of an edit that touches as many rows as one may. */
const EDIT_TIMEOUT_MS = 60_000
/** Keys of one read within a transaction. */
const KEYS_PER_READ_MAX = 500

export interface PolicyAdminOptions {
  readonly database: SpannerDatabase
  readonly clock: Clock
  /** Makes ids that are never the same twice. */
  readonly newId: () => string
}

/** Edits policy in the database. Each edit is recorded in `PolicyEdits` in the same transaction. */
export function createPolicyAdmin({ database, clock, newId }: PolicyAdminOptions): PolicyAdmin {
  const deadline = (): DeadlineMs => clock.monotonicMs() + TIMEOUT_MS
  return {
    async edit(edit) {
      if (edit.changes.length === 0) return
      if (edit.changes.length > CHANGES_PER_EDIT_MAX) {
        throw new CalloutError('ERR_STORE_REFUSED', `more than ${CHANGES_PER_EDIT_MAX} changes in one edit`)
      }
      const id = newId()
      const deadlineMs = clock.monotonicMs() + EDIT_TIMEOUT_MS
      if (edit.precondition === undefined && edit.changes.every(({ before }) => before === undefined))
        return database.commit(mutationsOfEdit(edit, id), { repeatable: false }, deadlineMs)
      await database.transact((transaction) => editWithin(transaction, edit, id), deadlineMs)
    },

    listGrants: (filter, limit) => listGrants(database, filter, limit, deadline()),

    async scan(kind, limit, after) {
      const { table, columns, decode } = POLICY_TABLES[kind]
      const { rows } = await database.read(
        {
          table,
          columns,
          prefixes: [[]],
          ...(after === undefined ? {} : { after: after.map((part) => stringValue(part)) }),
          limit,
        },
        'strong',
        deadline(),
      )
      return rows.map(decode)
    },

    async startingWith(kind, key, limit) {
      const { table, columns, decode } = POLICY_TABLES[kind]
      // A text with a lone surrogate is the key of no row; on the wire it would turn into the key of another.
      if (!key.every((part) => part.isWellFormed())) return []
      const prefixes = [key.map((part) => stringValue(part))]
      const { rows } = await database.read({ table, columns, prefixes, limit }, 'strong', deadline())
      return rows.map(decode)
    },

    lookUp: (rows) => withKeysOf(rows, async (read) => (await database.read(read, 'strong', deadline())).rows),

    async findGrant(id) {
      const sql = `${SELECT_GRANTS}@{FORCE_INDEX=${GRANTS_BY_ID}} WHERE GrantId = @id`
      const [row] = await database.query(sql, { id: textParameter(id) }, deadline())
      return row === undefined ? undefined : POLICY_TABLES.grant.decode(row)
    },

    async findLock(id) {
      const { table, columns, decode } = POLICY_TABLES.lock
      const sql = `SELECT ${columns.join(', ')} FROM ${table}@{FORCE_INDEX=${LOCKS_BY_ID}} WHERE LockId = @id`
      const [row] = await database.query(sql, { id: textParameter(id) }, deadline())
      return row === undefined ? undefined : decode(row)
    },
  }
}

/**
 * Makes the changes of an edit at the commit of this transaction, once it has found the rows to be what whoever made the edit has
 * seen. Throws as `PolicyAdmin.edit`.
 */
export async function editWithin(transaction: Transaction, edit: PolicyEdit, editId: string): Promise<void> {
  if (edit.precondition !== undefined) await requireScope(transaction, edit.precondition)
  const seen = edit.changes.map(sidesOf).flatMap(({ before }) => before ?? [])
  await requireUnchanged(transaction, seen)
  transaction.buffer(...mutationsOfEdit(edit, editId))
}

function mutationsOfEdit(edit: PolicyEdit, editId: string): Mutation[] {
  return [...edit.changes.map(sidesOf).flatMap(mutationsOf), editRow(edit, editId)]
}

/** The stored rows that have the key of one of these, read with as many keys at a time as one read takes. */
async function withKeysOf(
  rows: readonly UnsignedRow[],
  read: (request: KeyedRead) => Promise<readonly Row[]>,
): Promise<PolicyRow[]> {
  const found: PolicyRow[] = []
  for (const [kind, ofKind] of Map.groupBy(rows, (row) => row.kind)) {
    const { table, columns, decode } = POLICY_TABLES[kind]
    for (let start = 0; start < ofKind.length; start += KEYS_PER_READ_MAX) {
      const prefixes = ofKind.slice(start, start + KEYS_PER_READ_MAX).map(keyValues)
      const stored = await read({ table, columns, prefixes, limit: prefixes.length })
      found.push(...stored.map((row) => ({ kind, row: decode(row) }) as PolicyRow))
    }
  }
  return found
}

async function requireUnchanged(transaction: Transaction, seen: readonly PolicyRow[]): Promise<void> {
  const stored = await withKeysOf(seen, (read) => transaction.read(read))
  const byName = new Map(stored.map((policyRow) => [nameOfRow(policyRow), policyRow.row]))
  for (const row of seen) requireSame(row, byName.get(nameOfRow(row)))
}

function requireSame(seen: PolicyRow, stored: PolicyRow['row'] | undefined): void {
  if (stored === undefined)
    throw new CalloutError('ERR_STORE_NOT_FOUND', `the ${nameOfRow(seen)} is not there any more`)
  if (isDeepStrictEqual(stored, seen.row)) return
  throw new CalloutError('ERR_STORE_CONFLICT', `the ${nameOfRow(seen)} was changed by ${stored.createdBy} meanwhile`)
}

const SCOPE_INDEXES: Readonly<Record<PolicyKind, string>> = {
  grant: GRANTS_BY_SCOPE,
  role: ROLES_BY_SCOPE,
  binding: ROLE_BINDINGS_BY_SCOPE,
  lock: LOCKS_BY_SCOPE,
}

/**
 * Refuses the edit when a row of the scope has come or gone. The database adds up the digests of the keys (`core/plan.ts` ScopeState)
 * under the locks of the transaction, so that a scope of any size costs one row of answer.
 */
async function requireScope(
  transaction: Transaction,
  { scope, states }: NonNullable<PolicyEdit['precondition']>,
): Promise<void> {
  for (const kind of POLICY_KINDS) {
    const { table, columns, keyColumns } = POLICY_TABLES[kind]
    const key = columns.slice(0, keyColumns).join(String.raw`, '\n', `)
    const digest = `CAST(CONCAT('0x', SUBSTR(TO_HEX(SHA256(CONCAT(${key}, ''))), 1, 14)) AS INT64)`
    const [row] = await transaction.query(
      `@{spanner_emulator.disable_query_null_filtered_index_check=true} SELECT COUNT(*), IFNULL(BIT_XOR(${digest}), 0)
FROM ${table}@{FORCE_INDEX=${SCOPE_INDEXES[kind]}} WHERE Scope = @scope`,
      { scope: textParameter(scope) },
    )
    const [rows, keys] = (row ?? []).map(({ stringValue: integer }) => BigInt(integer ?? '0'))
    if (rows === BigInt(states[kind].rows) && keys === BigInt(`0x${states[kind].keys}`)) continue
    throw new CalloutError(
      'ERR_STORE_CONFLICT',
      `the scope ${scope} has other rows of ${table} meanwhile; make a new plan`,
    )
  }
}

/** A row whose key changes goes, and another comes. */
function mutationsOf({ before, after }: { readonly before?: PolicyRow; readonly after?: PolicyRow }): Mutation[] {
  const isSameKey = before !== undefined && after !== undefined && nameOfRow(before) === nameOfRow(after)
  const mutations: Mutation[] = []
  if (before !== undefined && !isSameKey) {
    mutations.push(deletion(POLICY_TABLES[before.kind].table, keyValues(before)))
  }
  if (after !== undefined) {
    const { table, row } = encodePolicyRow(after)
    const write = isSameKey ? upsertion : insertion
    mutations.push(write(table.table, table.columns, [row]))
  }
  return mutations
}

function editRow({ source, actor, approvedBy, reason }: PolicyEdit, id: string): Mutation {
  const row = [id, COMMIT_TIMESTAMP, source, actor, approvedBy, reason].map((cell) =>
    typeof cell === 'object' ? cell : stringValue(cell),
  )
  return insertion(POLICY_EDITS, POLICY_EDIT_COLUMNS, [row])
}

const SELECT_GRANTS = `SELECT ${POLICY_TABLES.grant.columns.join(', ')} FROM ${POLICY_TABLES.grant.table}`

async function listGrants(
  database: SpannerDatabase,
  { principal, account }: GrantFilter,
  limit: number,
  deadlineMs: DeadlineMs,
): Promise<GrantRow[]> {
  const conditions = ['TRUE']
  const parameters: Record<string, Parameter> = { limit: { value: int64Value(limit), type: 'INT64' } }
  if (principal !== undefined) {
    conditions.push('Principal = @principal')
    parameters['principal'] = textParameter(principal)
  }
  if (account !== undefined) {
    conditions.push('Account = @account')
    parameters['account'] = textParameter(account)
  }
  const sql = `${SELECT_GRANTS} WHERE ${conditions.join(' AND ')} ORDER BY Principal, GrantId LIMIT @limit`
  return (await database.query(sql, parameters, deadlineMs)).map(POLICY_TABLES.grant.decode)
}

function textParameter(text: string): Parameter {
  return { value: stringValue(text), type: 'STRING' }
}
