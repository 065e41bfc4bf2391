import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { ClientCounts, ClientTask } from './client-storm.ts'
import { startHerdStack, type HerdStackOptions } from './herd-stack.ts'
import { processUsage } from './process-usage.ts'

/** What became of a herd: all clients were connected, and nats-server ended all connections at once. */
export interface ReconnectFigures {
  readonly clients: number
  readonly secondsUntilHalf: number | undefined
  readonly secondsUntilAll: number | undefined
  readonly closedForGood: number
  /** Attempts of clients that failed since all were connected first, by what the client saw. */
  readonly failures: ClientCounts['failures']
  /** Decisions and refusals from the herd's start to its end. */
  readonly admitted: number
  readonly disconnected: number
  readonly denied: number
  readonly refusedUnread: number
  readonly lateAnswers: number
  readonly serviceRssPeakMiB: number | undefined
}

const CLIENT_STORM = path.join(import.meta.dirname, 'client-storm.ts')
/** More sockets in one process make its event loop, not the parts under test, the slowest of all. */
const CLIENTS_PER_PROCESS = { 'nats.js': 2500, bare: 5000 } as const

export interface Herd extends HerdStackOptions {
  readonly clients: number
  readonly library: ClientTask['library']
  readonly advised: ClientTask['advised']
  /** nats-server starts anew, in place of a reload, with which it ends every session that a callout admitted. */
  readonly restart: boolean
  readonly secondsMax: number
}

/**
 * Lets so many clients connect, makes nats-server end all their sessions at once, and waits until
 * all are back or lost, or `secondsMax` have passed.
 */
export async function benchReconnect(herd: Herd, progress: (line: string) => void): Promise<ReconnectFigures> {
  const { clients, library, advised, restart, secondsMax } = herd
  await using stack = await startHerdStack(herd)
  const running = startHerd({ url: stack.url, ca: stack.ca, tokens: stack.tokens, clients, library, advised })
  try {
    await running.until(({ connected }) => connected === clients, 300, progress)
    const before = await stack.counters()
    const startedMs = performance.now()
    if (restart) await stack.nats.restart()
    else stack.nats.signal('SIGHUP')
    let halfMs: number | undefined
    const settled = await running.until(
      ({ back, connected, closedForGood }) => {
        if (back >= clients / 2) halfMs ??= performance.now()
        return back + closedForGood >= clients && connected + closedForGood === clients
      },
      secondsMax,
      progress,
    )
    const endedMs = performance.now()
    const { closedForGood, failures } = running.counts()
    const after = await stack.counters()
    const grown = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0)
    return {
      clients,
      secondsUntilHalf: halfMs === undefined ? undefined : (halfMs - startedMs) / 1000,
      secondsUntilAll: settled && closedForGood === 0 ? (endedMs - startedMs) / 1000 : undefined,
      closedForGood,
      failures,
      admitted: grown('decisions_total{outcome="allow",reason="none"}'),
      disconnected: grown('refusals_total{way="disconnect"}'),
      denied: grown('refusals_total{way="reply"}'),
      refusedUnread: grown('refusals_total{way="empty"}'),
      lateAnswers: grown('late_answers_total'),
      serviceRssPeakMiB: (await processUsage(stack.responderPid))?.rssPeakMiB,
    }
  } finally {
    running.end()
  }
}

interface RunningHerd {
  counts(): ClientCounts
  /** False when the seconds have passed before `condition` holds. */
  until(
    condition: (counts: ClientCounts) => boolean,
    secondsMax: number,
    progress: (line: string) => void,
  ): Promise<boolean>
  end(): void
}

function startHerd(task: ClientTask): RunningHerd {
  const clientsPerProcess = CLIENTS_PER_PROCESS[task.library]
  const parts: { child: ChildProcess; counts: ClientCounts }[] = []
  for (let left = task.clients; left > 0; left -= clientsPerProcess) {
    const child = fork(CLIENT_STORM)
    const part: (typeof parts)[number] = { child, counts: { connected: 0, back: 0, closedForGood: 0, failures: {} } }
    child.on('message', (counts) => {
      part.counts = counts as ClientCounts
    })
    child.send({ ...task, clients: Math.min(left, clientsPerProcess) } satisfies ClientTask)
    parts.push(part)
  }
  const sum = (key: 'connected' | 'back' | 'closedForGood'): number =>
    parts.reduce((total, { counts }) => total + counts[key], 0)
  const failures = (): Record<string, number> => {
    const all: Record<string, number> = {}
    for (const [why, times] of parts.flatMap(({ counts }) => Object.entries(counts.failures))) {
      all[why] = (all[why] ?? 0) + times
    }
    return all
  }
  const counts = (): ClientCounts => ({
    connected: sum('connected'),
    back: sum('back'),
    closedForGood: sum('closedForGood'),
    failures: failures(),
  })
  return {
    counts,
    async until(condition, secondsMax, progress) {
      const endsMs = performance.now() + secondsMax * 1000
      for (let look = 0; performance.now() < endsMs; look += 1) {
        if (condition(counts())) return true
        if (look % 20 === 0) progress(JSON.stringify(counts()))
        await delay(250)
      }
      return false
    },
    end() {
      for (const { child } of parts) child.kill('SIGKILL')
    },
  }
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'nats.js': { type: 'boolean', default: false },
      advised: { type: 'boolean', default: false },
      reply: { type: 'boolean', default: false },
      restart: { type: 'boolean', default: false },
      'sign-only': { type: 'boolean', default: false },
      'tls-rate': { type: 'string' },
      seconds: { type: 'string', default: '240' },
    },
  })
  const herd: Herd = {
    clients: Number(positionals[0] ?? '10000'),
    library: values['nats.js'] ? 'nats.js' : 'bare',
    advised: values.advised,
    disconnect: !values.reply,
    restart: values.restart,
    signOnly: values['sign-only'],
    tlsRate: values['tls-rate'] === undefined ? undefined : Number(values['tls-rate']),
    secondsMax: Number(values.seconds),
  }
  const figures = await benchReconnect(herd, (line) => void process.stderr.write(`${line}\n`))
  process.stdout.write(
    `${JSON.stringify({ load: await readFile('/proc/loadavg', 'utf8'), ...herd, ...figures }, undefined, 2)}\n`,
  )
}
