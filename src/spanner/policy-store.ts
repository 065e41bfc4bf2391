import { CalloutError } from '../core/errors.ts'
import type { Policy } from '../core/grant.ts'
import type {
  Clock,
  DeadlineMs,
  GrantFilter,
  NewGrant,
  PolicyAdmin,
  PolicyReader,
  StoredGrant,
} from '../service/ports.ts'
import type { KeyedRead, ReadResult, SpannerDatabase, TimestampBound } from './database.ts'
import { deletion, insertion } from './mutation.ts'
import type { Mutation } from './mutation.ts'
import {
  decodeGrant,
  decodeLock,
  decodeRoleBinding,
  decodeStoredGrant,
  encodeGrant,
  STORED_GRANT_COLUMNS,
} from './policy-rows.ts'
import type { Parameter } from './query.ts'
import {
  GRANT_CHANGE_COLUMNS,
  GRANT_CHANGES,
  GRANT_COLUMNS,
  GRANTS,
  LOCK_COLUMNS,
  LOCK_ORIGIN_COLUMNS,
  LOCKS,
  ROLE_BINDING_COLUMNS,
  ROLE_BINDING_ORIGIN_COLUMNS,
  ROLE_BINDINGS,
} from './schema.ts'
import { storeError } from './status.ts'
import {
  COMMIT_TIMESTAMP,
  formatServerTimestamp,
  int64Value,
  jsonValue,
  stringValue,
  timestampValue,
} from './values.ts'
import type { Row } from './values.ts'

/**
 * Rows of one table that one read may bring, some 6 MB of them: the unary Read of Spanner ends at 10 MB, and no JWT that
 * nats-server accepts can hold that many permissions. More is an error; a part of the grants would be without its denials.
 */
const ROWS_MAX = 20_000

/** A person waits for it; a database that takes longer is not there. */
const ADMIN_TIMEOUT_MS = 10_000

/**
 * Reads policy with three keyed reads: the role bindings with a strong read, then, in parallel and exactly at the timestamp of
 * that read, the locks and the grants of principals and roles. So the answer is one snapshot, not older than the call.
 */
export function createPolicyReader(database: SpannerDatabase, rowsMax = ROWS_MAX): PolicyReader {
  return {
    async read(principals, deadlineMs) {
      try {
        return await readPolicy(database, principals, rowsMax, deadlineMs)
      } catch (error) {
        const failure = storeError(error, 'policy')
        if (failure === undefined || failure.code === 'ERR_STORE_REFUSED') throw failure ?? error
        throw new CalloutError('ERR_GRANTS_UNAVAILABLE', `grants: ${failure.message}`, { cause: failure })
      }
    },
  }
}

async function readPolicy(
  database: SpannerDatabase,
  principals: readonly string[],
  rowsMax: number,
  deadlineMs: DeadlineMs,
): Promise<Policy> {
  // A text with a lone surrogate is the key of no row; on the wire it would turn into the key of another.
  const asked = new Set(principals.filter((principal) => principal.isWellFormed()))
  const rows = async (
    table: string,
    columns: readonly string[],
    keys: ReadonlySet<string>,
    bound: TimestampBound,
  ): Promise<ReadResult> => {
    const result = await database.read(keyedRead(table, columns, keys, rowsMax + 1), bound, deadlineMs)
    if (result.rows.length > rowsMax) {
      throw new CalloutError('ERR_STORE_REFUSED', `${table}: more than ${rowsMax} rows for the principals of one read`)
    }
    return result
  }
  const bound = await rows(ROLE_BINDINGS, ROLE_BINDING_COLUMNS, asked, 'strong')
  const bindings = bound.rows.map(decodeRoleBinding)
  const holders = asked.union(new Set(bindings.map((binding) => binding.role)))
  const [locks, grants] = await Promise.all([
    rows(LOCKS, LOCK_COLUMNS, asked, bound.readTimestamp),
    rows(GRANTS, GRANT_COLUMNS, holders, bound.readTimestamp),
  ])
  return {
    bindings,
    locks: locks.rows.map(decodeLock),
    grants: grants.rows.map(decodeGrant),
    readTimestamp: formatServerTimestamp(bound.readTimestamp),
  }
}

function keyedRead(table: string, columns: readonly string[], keys: ReadonlySet<string>, limit: number): KeyedRead {
  return {
    table,
    columns,
    prefixes: Array.from(keys, (key) => [{ stringValue: key }]),
    limit,
  }
}

export interface PolicyAdminOptions {
  readonly database: SpannerDatabase
  readonly clock: Clock
}

/** Edits policy in the database. Each change of a grant is written to `GrantChanges` in the same transaction. */
export function createPolicyAdmin({ database, clock }: PolicyAdminOptions): PolicyAdmin {
  const deadline = (): DeadlineMs => clock.monotonicMs() + ADMIN_TIMEOUT_MS
  const insert = (...mutations: readonly Mutation[]): Promise<void> =>
    database.commit(mutations, { repeatable: false }, deadline())
  return {
    async addGrants(grants) {
      if (grants.length === 0) return
      await insert(
        insertion(GRANTS, STORED_GRANT_COLUMNS, grants.map(encodeGrant)),
        insertion(
          GRANT_CHANGES,
          GRANT_CHANGE_COLUMNS,
          grants.map((grant) => changeRow('ADDED', grant, grant.createdBy, grant.reason)),
        ),
      )
    },

    listGrants: (filter, limit) => listGrants(database, filter, limit, deadline()),

    removeGrant: (id, actor) =>
      database.transact(async (transaction) => {
        const [row] = await transaction.query(`${SELECT_GRANTS} WHERE GrantId = @id`, { id: textParameter(id) })
        if (row === undefined) throw new CalloutError('ERR_STORE_NOT_FOUND', 'no grant has this id')
        const grant = decodeStoredGrant(row)
        transaction.buffer(
          deletion(GRANTS, [stringValue(grant.principal), stringValue(grant.id)]),
          insertion(GRANT_CHANGES, GRANT_CHANGE_COLUMNS, [changeRow('REMOVED', grant, actor.removedBy, actor.reason)]),
        )
        return grant
      }, deadline()),

    async addRoleBinding({ member, role, validFromMs, validUntilMs, reason, createdBy }) {
      const row = [
        stringValue(member),
        stringValue(role),
        timestampValue(validFromMs),
        timestampValue(validUntilMs),
        stringValue(reason),
        stringValue(createdBy),
        COMMIT_TIMESTAMP,
      ]
      await insert(insertion(ROLE_BINDINGS, [...ROLE_BINDING_COLUMNS, ...ROLE_BINDING_ORIGIN_COLUMNS], [row]))
    },

    async addLock({ id, target, expiresAtMs, reason, createdBy }) {
      const row = [
        stringValue(target),
        stringValue(id),
        timestampValue(expiresAtMs),
        stringValue(reason),
        stringValue(createdBy),
        COMMIT_TIMESTAMP,
      ]
      await insert(insertion(LOCKS, [...LOCK_COLUMNS, ...LOCK_ORIGIN_COLUMNS], [row]))
    },
  }
}

const SELECT_GRANTS = `SELECT ${STORED_GRANT_COLUMNS.join(', ')} FROM ${GRANTS}`

async function listGrants(
  database: SpannerDatabase,
  { principal, account }: GrantFilter,
  limit: number,
  deadlineMs: DeadlineMs,
): Promise<StoredGrant[]> {
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
  return (await database.query(sql, parameters, deadlineMs)).map(decodeStoredGrant)
}

function textParameter(text: string): Parameter {
  return { value: stringValue(text), type: 'STRING' }
}

function changeRow(change: 'ADDED' | 'REMOVED', grant: NewGrant, changedBy: string, reason: string): Row {
  return [
    stringValue(grant.id),
    COMMIT_TIMESTAMP,
    stringValue(change),
    stringValue(grant.principal),
    stringValue(changedBy),
    stringValue(reason),
    jsonValue(grant),
  ]
}
