import { CalloutError, type CalloutErrorCode } from '../core/errors.ts'
import { grpcFailure, STATUS } from '../spanner/status.ts'
import { CommandFailure, EXIT, emulatorHostOf, type CliIo } from './io.ts'
import { visible } from './visible.ts'

const EXIT_CODES: Readonly<Record<CalloutErrorCode, number>> = {
  ERR_CONFIG_INVALID: EXIT.usage,
  ERR_KEY_INVALID: EXIT.usage,
  ERR_ISSUER_UNAVAILABLE: EXIT.unavailable,
  ERR_GRANTS_UNAVAILABLE: EXIT.unavailable,
  ERR_AUDIT_UNAVAILABLE: EXIT.unavailable,
  ERR_STORE_UNAVAILABLE: EXIT.unavailable,
  ERR_STORE_FORBIDDEN: EXIT.failure,
  ERR_STORE_REFUSED: EXIT.failure,
  ERR_STORE_CONFLICT: EXIT.conflict,
  ERR_STORE_NOT_FOUND: EXIT.conflict,
  ERR_SCHEMA_VERSION: EXIT.failure,
  ERR_APPROVAL_NEEDED: EXIT.failure,
  ERR_DEADLINE: EXIT.unavailable,
  ERR_OVERLOADED: EXIT.unavailable,
  ERR_TOOL_MISSING: EXIT.failure,
}

/** Writes why a command failed to standard error and returns its exit code. Only a bug shows a stack. */
export function reportFailure(error: unknown, io: CliIo): number {
  if (error instanceof CommandFailure) {
    writeLines(io, error.lines)
    return error.exitCode
  }
  if (error instanceof CalloutError) {
    const isAbsent = isStoreAbsent(error)
    writeLines(io, [`${error.message}${isAbsent ? CREATE_FIRST : adviceFor(error.code, io)}`])
    return isAbsent ? EXIT.conflict : EXIT_CODES[error.code]
  }
  writeLines(io, ['this is a bug, please report it:'])
  io.stderr.write(
    `${error instanceof Error ? (error.stack ?? error.message) : 'a value that is not an Error was thrown'}\n`,
  )
  return EXIT.failure
}

const CREATE_FIRST = ' (create the database, or correct store.url)'

/** A service waits for a database that is not there, as for one that does not answer; a person can make it. */
function isStoreAbsent({ code, cause }: CalloutError): boolean {
  return code === 'ERR_STORE_UNAVAILABLE' && grpcFailure(cause)?.code === STATUS.notFound
}

function adviceFor(code: CalloutErrorCode, io: CliIo): string {
  if (code !== 'ERR_STORE_UNAVAILABLE') return ''
  const emulator = emulatorHostOf(io)
  return emulator === undefined
    ? ' (check store.url, the network and GOOGLE_APPLICATION_CREDENTIALS, then try again)'
    : ` (is the emulator of SPANNER_EMULATOR_HOST running at ${emulator}?)`
}

function writeLines(io: CliIo, lines: readonly string[]): void {
  for (const line of lines) io.stderr.write(`callout: ${visible(line)}\n`)
}
