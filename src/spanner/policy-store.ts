import { CalloutError } from '../core/errors.ts'
import type { Policy } from '../core/grant.ts'
import { isLockTargetOnly } from '../core/locks.ts'
import type { DeadlineMs, PolicyReader } from '../service/ports.ts'
import type { ReadResult, SpannerDatabase, TimestampBound } from './database.ts'
import { decodeGrant, decodeLock, decodeRole, decodeRoleBinding } from './policy-rows.ts'
import type { KeyedRead } from './query.ts'
import {
  GRANT_COLUMNS,
  GRANTS,
  LOCK_COLUMNS,
  LOCKS,
  ROLE_BINDING_COLUMNS,
  ROLE_BINDINGS,
  ROLE_COLUMNS,
  ROLES,
} from './schema.ts'
import { storeError } from './status.ts'
import { formatServerTimestamp } from './values.ts'
import type { ServerTimestamp } from './values.ts'

/**
 * Rows of one table that one read may bring, some 6 MB of them: the unary Read of Spanner ends at 10 MB, and no JWT that
 * nats-server accepts can hold that many permissions. More is an error; a part of the grants would be without its denials.
 */
const ROWS_MAX = 20_000

/**
 * Reads policy with keyed reads: the role bindings with a strong read, then, in parallel and exactly at the timestamp of that
 * read, the locks, the grants of principals and roles, and the settings of the roles, if there are any. So the answer is one
 * snapshot, not older than the call.
 */
export function createPolicyReader(database: SpannerDatabase, rowsMax = ROWS_MAX): PolicyReader {
  return {
    async read(keys, deadlineMs) {
      try {
        return await readPolicy(database, keys, rowsMax, 'strong', deadlineMs)
      } catch (error) {
        const failure = storeError(error, 'policy')
        if (failure === undefined || failure.code === 'ERR_STORE_REFUSED') throw failure ?? error
        throw new CalloutError('ERR_GRANTS_UNAVAILABLE', `grants: ${failure.message}`, { cause: failure })
      }
    },
  }
}

/** The same, exactly as it was at a time; throws the `CalloutError`s of the database. */
export async function readPolicyAt(
  database: SpannerDatabase,
  keys: readonly string[],
  at: ServerTimestamp,
  deadlineMs: DeadlineMs,
): Promise<Policy> {
  try {
    return await readPolicy(database, keys, ROWS_MAX, at, deadlineMs)
  } catch (error) {
    throw storeError(error, 'policy') ?? error
  }
}

async function readPolicy(
  database: SpannerDatabase,
  keys: readonly string[],
  rowsMax: number,
  firstBound: TimestampBound,
  deadlineMs: DeadlineMs,
): Promise<Policy> {
  // A text with a lone surrogate is the key of no row; on the wire it would turn into the key of another.
  const asked = new Set(keys.filter((key) => key.isWellFormed()))
  const principals = new Set([...asked].filter((key) => !isLockTargetOnly(key)))
  const rows = async (
    table: string,
    columns: readonly string[],
    keys: ReadonlySet<string>,
    bound: TimestampBound,
  ): Promise<ReadResult> => {
    const result = await database.read(keyedRead(table, columns, keys, rowsMax + 1), bound, deadlineMs)
    if (result.rows.length > rowsMax) {
      throw new CalloutError('ERR_STORE_REFUSED', `${table}: more than ${rowsMax} rows for the keys of one read`)
    }
    return result
  }
  const bound = await rows(ROLE_BINDINGS, ROLE_BINDING_COLUMNS, principals, firstBound)
  const bindings = bound.rows.map(decodeRoleBinding)
  const asRole = [...principals].filter((principal) => principal.startsWith('role:'))
  const held = new Set([...bindings.map((binding) => binding.role), ...asRole])
  const [locks, grants, roles] = await Promise.all([
    rows(LOCKS, LOCK_COLUMNS, asked, bound.readTimestamp),
    rows(GRANTS, GRANT_COLUMNS, principals.union(held), bound.readTimestamp),
    held.size === 0 ? undefined : rows(ROLES, ROLE_COLUMNS, held, bound.readTimestamp),
  ])
  return {
    bindings,
    locks: locks.rows.map(decodeLock),
    grants: grants.rows.map(decodeGrant),
    roles: roles?.rows.map(decodeRole) ?? [],
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
