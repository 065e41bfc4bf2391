import { CalloutError } from '../core/errors.ts'
import { RowShapeError } from './values.ts'

/** The gRPC status codes that mean something to us: google.rpc.Code. */
export const STATUS = {
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const

/** Detail texts are kept for operators; a whole SQL statement is of no use in a log line. */
const DETAIL_CHARACTERS_MAX = 300

/** What a failed call carries, whatever threw it. */
export interface GrpcFailure {
  readonly code: number
  readonly details: string
}

export function grpcFailure(error: unknown): GrpcFailure | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error) || typeof error.code !== 'number') {
    return undefined
  }
  const details = 'details' in error && typeof error.details === 'string' ? error.details : ''
  return { code: error.code, details }
}

/** The session is gone (idle, dropped with the database, or the server restarted); a new one heals it. */
export function isSessionLost(error: unknown): boolean {
  const failure = grpcFailure(error)
  return failure?.code === STATUS.notFound && /session not found/i.test(failure.details)
}

/** The transaction was not applied and may be tried again at once. */
export function isAborted(error: unknown): boolean {
  return grpcFailure(error)?.code === STATUS.aborted
}

/**
 * The call may or may not have been applied, and the next attempt may succeed. INTERNAL counts only in the wordings of a
 * broken connection that Google's own clients retry on.
 */
export function isTransient(error: unknown): boolean {
  const failure = grpcFailure(error)
  if (failure === undefined) return false
  if (failure.code === STATUS.unavailable || failure.code === STATUS.resourceExhausted) return true
  return (
    failure.code === STATUS.internal && /RST_STREAM|HTTP\/2|stream terminated|Connection closed/i.test(failure.details)
  )
}

/** The deadline passed here, before the peer said anything. */
export class DeadlinePassed extends Error {
  readonly code = STATUS.deadlineExceeded
  readonly details: string

  constructor(details: string) {
    super(details)
    this.details = details
  }
}

/** The connection was replaced or closed under the call. */
export class ConnectionLost extends Error {
  readonly code = STATUS.unavailable
  readonly details = 'the connection was closed'

  constructor() {
    super('the connection was closed')
  }
}

/**
 * The one place that turns a failure of a call into a `CalloutError`; undefined for what is no failure of the store, but a bug.
 * Messages name the operation, the status and, for a row that the database refused, the constraint or column; never a
 * parameter. The original is the `cause`. `role` is as for `forbiddenError`.
 */
export function storeError(error: unknown, operation: string, role?: string): CalloutError | undefined {
  if (error instanceof CalloutError) return error
  if (error instanceof RowShapeError) {
    return new CalloutError('ERR_STORE_REFUSED', `${operation}: unusable row: ${error.message}`, { cause: error })
  }
  const failure = grpcFailure(error)
  return failure === undefined
    ? undefined
    : (forbiddenError(error, operation, role) ?? grpcError(failure, operation, error))
}

/**
 * Of a call that Spanner did not permit: PERMISSION_DENIED and UNAUTHENTICATED, undefined for any other failure. It has a code of its own
 * because somebody has to mend it: no outage is waited for. Nor does a row of the audit that is forbidden go into a spool, from which
 * it might never come into the database; its client is refused. `role` is the database role, where the caller knows it.
 */
export function forbiddenError(error: unknown, operation: string, role?: string): CalloutError | undefined {
  const failure = grpcFailure(error)
  const details = failure?.details.slice(0, DETAIL_CHARACTERS_MAX)
  if (failure?.code === STATUS.unauthenticated) {
    const advice = '(check GOOGLE_APPLICATION_CREDENTIALS)'
    const message = `${operation}: Spanner does not accept the credentials: ${details} ${advice}`
    return new CalloutError('ERR_STORE_FORBIDDEN', message, { cause: error })
  }
  if (failure?.code !== STATUS.permissionDenied) return undefined
  const who = role === undefined ? 'store.role, or without one the account, lacks it' : `the database role is ${role}`
  const message = `${operation}: a privilege is missing in Spanner: ${details} (${who}; "Least privilege in Spanner" in README.md says what is needed)`
  return new CalloutError('ERR_STORE_FORBIDDEN', message, { cause: error })
}

/**
 * Whether the store may do by itself later what it did not do now: it gave no answer, or none that says something. A database or a
 * table that is not there has to be made by somebody.
 */
export function isOutage(error: unknown): error is CalloutError {
  if (!(error instanceof CalloutError) || error.code !== 'ERR_STORE_UNAVAILABLE') return false
  return grpcFailure(error.cause)?.code !== STATUS.notFound || isSessionLost(error.cause)
}

function grpcError({ code, details }: GrpcFailure, operation: string, error: unknown): CalloutError {
  switch (code) {
    case STATUS.alreadyExists:
      return new CalloutError('ERR_STORE_CONFLICT', `${operation}: a row with this key exists`, { cause: error })
    case STATUS.notFound:
      return /^(?:Database|Instance|Session|Role|Table|Column|Index)\b.*not found/i.test(details)
        ? new CalloutError('ERR_STORE_UNAVAILABLE', `${operation}: ${details.slice(0, DETAIL_CHARACTERS_MAX)}`, {
            cause: error,
          })
        : new CalloutError('ERR_STORE_NOT_FOUND', `${operation}: no such row`, { cause: error })
    case STATUS.invalidArgument:
    case STATUS.failedPrecondition:
    case STATUS.outOfRange:
    case STATUS.unimplemented:
      return new CalloutError('ERR_STORE_REFUSED', `${operation}: ${refusal(details)}`, { cause: error })
    case STATUS.deadlineExceeded:
      return new CalloutError('ERR_STORE_UNAVAILABLE', `${operation}: no answer from Spanner before the deadline`, {
        cause: error,
      })
    default:
      return new CalloutError(
        'ERR_STORE_UNAVAILABLE',
        `${operation}: status ${code}: ${details.slice(0, DETAIL_CHARACTERS_MAX)}`,
        { cause: error },
      )
  }
}

/** Names what the database objected to without the values: its texts for refused rows quote the key of the row. */
function refusal(details: string): string {
  const constraint = /\bCK_[A-Za-z0-9_]+/.exec(details)?.[0]
  if (constraint !== undefined) return `the database refused the row: constraint ${constraint}`
  const column = /\b(?:column:? )?`?([A-Z][A-Za-z]+)`?\.`?([A-Z][A-Za-z]+)`?/.exec(details)
  if (column !== null && /maximum size|null/i.test(details)) {
    const why = /maximum size/i.test(details) ? 'is too long' : 'is missing'
    return `the database refused the row: ${column[1]}.${column[2]} ${why}`
  }
  return details.slice(0, DETAIL_CHARACTERS_MAX)
}
