import { once as occurrence } from 'node:events'
import type { CliIo } from '../cli/io.ts'
import { lastLines } from './child-process.ts'
import { demoGuide } from './demo-guide.ts'
import { DEMO_PROVIDER } from './demo-guests.ts'
import { playScenes } from './demo-scenes.ts'
import { createExpectations, verdict } from './expectations.ts'
import { startLocalStack, type LocalStack } from './stack.ts'
import type { TextStyle } from './text-style.ts'

const LOG_LINES_SHOWN = 10

export interface DemoOptions {
  readonly io: CliIo
  readonly style: TextStyle
  /** Ends the demo in order. */
  readonly signal: AbortSignal
  /** Ends after the transcript. */
  readonly once: boolean
  /** Runs nats-server in operator mode. */
  readonly operator: boolean
}

/**
 * Starts the stack, plays the scenes, stays up unless `once`, and takes everything down. Returns the exit code. Throws when
 * the stack does not start, with the reason of the signal if that is why, and when the scenes cannot go on.
 */
export async function performDemo(options: DemoOptions): Promise<number> {
  const { io, style, signal, once } = options
  const say = (text: string): void => void io.stdout.write(text)
  await using stack = await startStack(options)
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

async function startStack({ io, signal, operator }: DemoOptions): Promise<LocalStack> {
  signal.throwIfAborted()
  const startedAt = performance.now()
  const progress = (line: string): void => {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
    io.stdout.write(`  ${seconds.padStart(4)} s  ${line}\n`)
  }
  const stack = await startLocalStack({ progress, signal, operator, provider: DEMO_PROVIDER })
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
  const { code, signal } = await service.process.exited
  const how = signal === null ? `with exit code ${code}` : `by ${signal}`
  const log = lastLines(service.process.log(), LOG_LINES_SHOWN)
  return `${style.bad(`NOT AS EXPECTED: the service has ended, ${how}.`)} The end of its log:\n${log}`
}
