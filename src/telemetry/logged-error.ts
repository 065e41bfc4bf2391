import { bounded } from './bounded.ts'

/** Deep enough for an adapter's error around a library's around a socket's. */
const CAUSES_MAX = 4
const STACK_CHARACTERS_MAX = 2_000

export interface LoggedError {
  readonly name: string
  readonly message: string
  readonly code?: string | number
  readonly stack?: string
  readonly cause?: LoggedError
}

/** What a log says about a caught value: bounded, with its causes, without any of its other properties. */
export function describeError(error: unknown, depth = CAUSES_MAX): LoggedError {
  if (!(error instanceof Error)) return { name: typeof error, message: 'a value that is not an Error was thrown' }
  const code = 'code' in error ? error.code : undefined
  const { stack, cause } = error
  return {
    name: bounded(error.name),
    message: bounded(error.message),
    ...(typeof code === 'string' ? { code: bounded(code) } : typeof code === 'number' ? { code } : {}),
    ...(stack === undefined ? {} : { stack: stack.slice(0, STACK_CHARACTERS_MAX) }),
    ...(cause === undefined || depth <= 1 ? {} : { cause: describeError(cause, depth - 1) }),
  }
}
