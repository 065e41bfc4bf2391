import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { parseArgs } from 'node:util'

/**
 * A storm of connects over raw sockets: TCP, INFO, CONNECT with a token, PING, PONG or -ERR. A client library would cost
 * more than the servers under test. Runs as a process of its own, so that its CPU is not counted as theirs.
 *
 * With `--rate` connects start on a fixed schedule and latency counts from the scheduled start, so a slow server cannot
 * slow the clock that measures it (no coordinated omission); without it, `--concurrency` connects are kept going.
 */
interface StormOptions {
  readonly port: number
  readonly tokens: readonly string[]
  readonly count: number
  readonly rate?: number
  readonly concurrency: number
}

export interface StormResult {
  readonly connects: number
  readonly admitted: number
  readonly refused: number
  readonly seconds: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

const ANSWER_WITHIN_MS = 10_000

async function attempt(port: number, token: string): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  try {
    return await conversation(socket, token)
  } finally {
    socket.destroy()
  }
}

function conversation(socket: Socket, token: string): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  let text = ''
  let greeted = false
  socket.setTimeout(ANSWER_WITHIN_MS, () => reject(new Error('no answer')))
  socket.on('error', reject)
  socket.on('close', () => resolve(false))
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    if (!greeted && text.includes('\r\n')) {
      greeted = true
      const options = { verbose: false, pedantic: false, lang: 'bench', version: '1', protocol: 1, auth_token: token }
      socket.write(`CONNECT ${JSON.stringify(options)}\r\nPING\r\n`)
    }
    if (text.includes('PONG\r\n')) resolve(true)
    if (text.includes('-ERR')) resolve(false)
  })
  return promise
}

async function storm(options: StormOptions): Promise<StormResult> {
  const latencies: number[] = []
  let admitted = 0
  const startedMs = performance.now()
  const one = async (index: number, scheduledMs: number): Promise<void> => {
    const token = options.tokens[index % options.tokens.length] ?? ''
    if (await attempt(options.port, token)) admitted += 1
    latencies.push(performance.now() - scheduledMs)
  }
  if (options.rate === undefined) await keepGoing(options, one)
  else await onSchedule(options.count, options.rate, startedMs, one)
  const seconds = (performance.now() - startedMs) / 1000
  latencies.sort((a, b) => a - b)
  return {
    connects: options.count,
    admitted,
    refused: options.count - admitted,
    seconds,
    perSecond: admitted / seconds,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    maxMs: quantile(latencies, 1),
  }
}

type One = (index: number, scheduledMs: number) => Promise<void>

async function keepGoing({ count, concurrency }: StormOptions, one: One): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) await one(index, performance.now())
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
}

async function onSchedule(count: number, rate: number, startedMs: number, one: One): Promise<void> {
  const running: Promise<void>[] = []
  for (let index = 0; index < count;) {
    const nowMs = performance.now()
    for (; index < count && startedMs + (index * 1000) / rate <= nowMs; index += 1) {
      running.push(one(index, startedMs + (index * 1000) / rate))
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 1)
    })
  }
  await Promise.all(running)
}

function quantile(sorted: readonly number[], share: number): number {
  const index = Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)
  return Math.round((sorted[Math.max(0, index)] ?? Number.NaN) * 10) / 10
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      port: { type: 'string' },
      count: { type: 'string' },
      rate: { type: 'string' },
      concurrency: { type: 'string', default: '32' },
    },
  })
  const chunks: Buffer[] = []
  process.stdin.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(process.stdin, 'end')
  const result = await storm({
    port: Number(values.port),
    tokens: JSON.parse(Buffer.concat(chunks).toString('utf8')) as string[],
    count: Number(values.count),
    concurrency: Number(values.concurrency),
    ...(values.rate === undefined ? {} : { rate: Number(values.rate) }),
  })
  process.stdout.write(`${JSON.stringify(result)}\n`)
}
