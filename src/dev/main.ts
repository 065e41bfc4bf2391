import { once as occurrence } from 'node:events'
import { parseArgs } from 'node:util'
import type { CliIo } from '../cli/io.ts'
import { lastLines, type ChildExit } from './child-process.ts'
import { demoGuide } from './demo-guide.ts'
import { DEMO_PROVIDER } from './demo-guests.ts'
import { playScenes } from './demo-scenes.ts'
import { endingSignal } from './ending-signal.ts'
import { createExpectations, verdict } from './expectations.ts'
import { startLocalStack, type LocalStack } from './stack.ts'
import { textStyle, type TextStyle } from './text-style.ts'

const LOG_LINES_SHOWN = 10

interface Demo {
  readonly io: CliIo
  readonly style: TextStyle
  readonly signal: AbortSignal
  readonly once: boolean
}

/**
 * `node src/dev/main.ts [--once]`: the whole stack on this machine, and who gets in and who does not, tried out. Stays up
 * until a signal and returns 0 then. With `--once` ends after the transcript, and returns 0 only if every step went as
 * expected. Returns 1 also when the stack does not start and when the service ends by itself.
 */
async function main(io: CliIo): Promise<number> {
  const { values } = parseArgs({ options: { once: { type: 'boolean', default: false } } })
  const demo: Demo = { io, style: textStyle(io.stdout, io.env), signal: endingSignal(), once: values.once }
  const { style, signal, once } = demo
  const say = (text: string): void => void io.stdout.write(text)
  say(introduction(style))
  try {
    const code = await perform(demo)
    say('Everything has ended; nothing is left behind.\n')
    return code
  } catch (error) {
    if (signal.aborted) {
      say('\nEnded during the start; nothing is left behind.\n')
      return once ? 1 : 0
    }
    say(`\n${style.bad('This did not work:')} ${error instanceof Error ? error.message : String(error)}\n`)
    return 1
  }
}

function introduction(style: TextStyle): string {
  return `${style.title('nats-spanner-callout: who gets into NATS, and what they may do there')}

  A client shows a token when it connects. nats-server asks the callout service, which verifies the token, reads in
  Spanner what its owner may do, puts its decision on record there, and only then answers.
  All of it is real and runs on this machine alone; nothing is installed, and nothing stays when it ends.

${style.title('Starting')}
`
}

async function perform(demo: Demo): Promise<number> {
  const { io, style, signal, once } = demo
  const say = (text: string): void => void io.stdout.write(text)
  await using stack = await start(demo)
  const over = Promise.race([occurrence(signal, 'abort'), stack.service.process.exited])
  const curtain = new AbortController()
  void over.then(() => curtain.abort())
  const expectations = createExpectations({ write: say, style, signal: curtain.signal })
  try {
    await playScenes({ stack, expectations, io, style })
  } catch (error) {
    if (!curtain.signal.aborted) throw error
  }
  if (!curtain.signal.aborted) {
    say(`\n${verdict(expectations, style)}\n`)
    if (once) return expectations.failed === 0 ? 0 : 1
    say(`${guide(stack, style)}\n${style.title('All of it stays up until you press Ctrl-C.')}\n`)
    await over
  }
  if (!signal.aborted) {
    say(`\n${await obituary(stack, style)}\n`)
    return 1
  }
  say('\nEnding …\n')
  return once ? 1 : 0
}

async function start({ io, signal }: Demo): Promise<LocalStack> {
  const startedAt = performance.now()
  const progress = (line: string): void => {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
    io.stdout.write(`  ${seconds.padStart(4)} s  ${line}\n`)
  }
  const stack = await startLocalStack({ progress, signal, provider: DEMO_PROVIDER })
  progress('everything is ready')
  return stack
}

function guide(stack: LocalStack, style: TextStyle): string {
  const { nats, provider, emulator, service, directory, configFile } = stack
  return demoGuide(
    {
      natsUrl: nats.url,
      natsMonitorUrl: nats.monitorUrl,
      natsConfigFile: nats.configFile,
      issuer: provider.issuer,
      emulatorHost: emulator.host,
      directory,
      configFile,
      logFile: service.logFile,
      serviceUrl: service.httpUrl,
    },
    style,
  )
}

async function obituary({ service }: LocalStack, style: TextStyle): Promise<string> {
  const { code, signal }: ChildExit = await service.process.exited
  const how = signal === null ? `with exit code ${code}` : `by ${signal}`
  const log = lastLines(service.process.log(), LOG_LINES_SHOWN)
  return `${style.bad(`NOT AS EXPECTED: the service has ended, ${how}.`)} The end of its log:\n${log}\n`
}

const { stdout, stderr, env } = process
process.exitCode = await main({ stdout, stderr, env })
