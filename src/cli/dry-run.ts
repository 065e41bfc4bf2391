import type { CliIo } from './io.ts'

/** Says below what a command shows that it was not done. */
export function noteDryRun(io: CliIo): void {
  io.stderr.write('callout: dry run: nothing was done\n')
}
