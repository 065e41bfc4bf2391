import { run } from '../../../src/cli/program.ts'
import type { CliIo } from '../../../src/cli/io.ts'

export interface CommandResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** An `io` whose output can be looked at. */
export function recordingIo(
  env: CliIo['env'] = {},
  isTTY = false,
): { io: CliIo; stdout: () => string; stderr: () => string } {
  let [stdout, stderr] = ['', '']
  return {
    io: {
      stdout: { write: (text) => void (stdout += text), isTTY },
      stderr: { write: (text) => void (stderr += text), isTTY },
      env,
    },
    stdout: () => stdout,
    stderr: () => stderr,
  }
}

/** Runs `callout` with these arguments in this process. */
export async function callout(argv: readonly string[], env: CliIo['env'] = {}): Promise<CommandResult> {
  const { io, stdout, stderr } = recordingIo(env)
  const exitCode = await run(argv, io)
  return { exitCode, stdout: stdout(), stderr: stderr() }
}
