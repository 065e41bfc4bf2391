/** What could not be found out or done; stable, for logs and metrics. Operator mistakes and failed dependencies, never denials. */
export type CalloutErrorCode =
  | 'ERR_CONFIG_INVALID'
  | 'ERR_KEY_INVALID'
  | 'ERR_ISSUER_UNAVAILABLE'
  | 'ERR_GRANTS_UNAVAILABLE'
  | 'ERR_AUDIT_UNAVAILABLE'
  | 'ERR_STORE_UNAVAILABLE'
  | 'ERR_STORE_FORBIDDEN'
  | 'ERR_STORE_REFUSED'
  | 'ERR_STORE_CONFLICT'
  | 'ERR_STORE_NOT_FOUND'
  | 'ERR_SCHEMA_VERSION'
  | 'ERR_APPROVAL_NEEDED'
  | 'ERR_DEADLINE'
  | 'ERR_OVERLOADED'
  | 'ERR_TOOL_MISSING'

/**
 * "Could not find out" or "set up wrong", with a stable code. Never holds a token, seed, JWT or SQL parameter.
 * Wrap at the edge of an adapter, once, and always pass the cause.
 */
export class CalloutError extends Error {
  override readonly name = 'CalloutError'
  readonly code: CalloutErrorCode

  constructor(code: CalloutErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/** For the `default` of a switch over a closed union: a new member fails to compile, a stray value fails loudly. */
export function assertNever(value: never): never {
  throw new TypeError(`unexpected value ${JSON.stringify(value)}`)
}
