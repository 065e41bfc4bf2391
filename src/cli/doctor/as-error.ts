/** What was thrown, for its message. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error('an error without a message', { cause: error })
}
