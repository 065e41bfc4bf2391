import { run } from '../../../src/cli/program.ts'
import type { CliIo, TextOutput } from '../../../src/cli/io.ts'

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
  const recorder = (record: (text: string) => void): TextOutput => ({
    write(text, done) {
      record(text)
      done?.()
    },
    isTTY,
  })
  return {
    io: {
      stdout: recorder((text) => (stdout += text)),
      stderr: recorder((text) => (stderr += text)),
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
