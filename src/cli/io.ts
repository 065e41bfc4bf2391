import { visible } from './visible.ts'

/** Where a command writes: standard output or standard error of the process, or a recorder of a test. */
export interface TextOutput {
  /** `done` is called when the text has left the process, or cannot leave it. */
  write(text: string, done?: (error?: Error | null) => void): unknown
  readonly isTTY?: boolean
  /** Of the file that it goes to; absent when it is none of the operating system. */
  readonly fd?: number
}

/**
 * Everything that a command sees of the process it runs in. Data goes to `stdout`, everything for people to `stderr`.
 */
export interface CliIo {
  readonly stdout: TextOutput
  /** Standard input, for commands that are told to read it with `-`. */
  readonly stdin?: AsyncIterable<Uint8Array>
  readonly stderr: TextOutput
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Documented in `callout --help`; scripts rely on them. */
export const EXIT = {
  ok: 0,
  /** A negative answer, a refusal, or a failure that no other code names. */
  failure: 1,
  /** Wrong arguments or configuration; nothing was done. */
  usage: 2,
  /** What was named is not there, or is there already. */
  conflict: 3,
  /** A dependency did not answer; worth another try. */
  unavailable: 5,
  /** A plan or a comparison has changes. */
  changes: 10,
} as const

/** Why a command ends without success, for people: one line for each problem, each says what to do. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
  readonly exitCode: number
  readonly lines: readonly string[]

  constructor(exitCode: number, lines: readonly string[], options?: { cause?: unknown }) {
    super(lines.join('; '), options)
    this.exitCode = exitCode
    this.lines = lines
  }
}

export function usageFailure(line: string): CommandFailure {
  return new CommandFailure(EXIT.usage, [line])
}

/** `host:port` of an emulator; undefined for Spanner itself, also where the variable is set to nothing. */
export function emulatorHostOf({ env }: CliIo): string | undefined {
  const host = env['SPANNER_EMULATOR_HOST']
  return host === '' ? undefined : host
}

/** Says what is worth a look and does not keep the command from its work. */
export function warn(io: CliIo, line: string): void {
  io.stderr.write(`callout: warning: ${visible(line)}\n`)
}
