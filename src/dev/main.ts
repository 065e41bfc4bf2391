import { parseArgs } from 'node:util'
import { EXIT } from '../cli/io.ts'
import { endingSignal } from './ending-signal.ts'
import { textStyle } from './text-style.ts'

const { argv, stdout, stderr, env } = process

const TITLE = 'nats-spanner-callout: who gets into NATS, and what they may do there'

const INTRODUCTION = `
  A client shows a token when it connects. nats-server asks the callout service, which verifies the token, reads in
  Spanner what its owner may do, puts its decision on record there, and only then answers.
  All of it is real and runs on this machine alone; nothing is installed, and nothing stays when it ends.
`

interface MainOptions {
  /** Ends after the transcript. */
  readonly once: boolean
  /** With nats-server in operator mode. */
  readonly operator: boolean
}

/**
 * Runs the whole stack on this machine and tries out who gets in and who does not. Stays up until a signal and returns 0
 * then. With `once` ends after the transcript, and returns 0 only if every step went as expected. Returns 1 also when the
 * stack does not start and when the service ends by itself.
 */
async function main({ once, operator }: MainOptions): Promise<number> {
  const signal = endingSignal()
  const style = textStyle(stdout, env)
  // A reader that has gone changes nothing about what happens, nor about the exit code.
  stdout.on('error', () => {})
  stdout.write(`${style.title(TITLE)}\n${INTRODUCTION}\n${style.title('Starting')}\n`)
  try {
    // The SDKs take half a second: whoever waits for them has something to read.
    const { performDemo } = await import('./demo.ts')
    const code = await performDemo({ io: { stdout, stderr, env }, style, signal, once, operator })
    stdout.write('Everything has ended; nothing is left behind.\n')
    return code
  } catch (error) {
    if (signal.aborted) {
      stdout.write('\nEnded during the start; nothing is left behind.\n')
      return once ? EXIT.failure : EXIT.ok
    }
    stdout.write(`\n${style.bad('This did not work:')} ${error instanceof Error ? error.message : String(error)}\n`)
    return EXIT.failure
  }
}

/** Undefined when there is an option that does not exist. */
function optionsOf(args: readonly string[]): MainOptions | undefined {
  const flag = { type: 'boolean', default: false } as const
  try {
    return parseArgs({ args: [...args], options: { once: flag, operator: flag } }).values
  } catch {
    return undefined
  }
}

const options = optionsOf(argv.slice(2))
if (options === undefined) {
  stderr.write('usage: node src/dev/main.ts [--once] [--operator]\n')
  process.exitCode = EXIT.usage
} else {
  process.exitCode = await main(options)
}
