import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ClientCounts, ClientTask } from './client-storm.ts'
import { processUsage } from './process-usage.ts'
import { serviceCounters } from './service-metrics.ts'
import { startBenchStack, tokensOf } from './stack-bench.ts'

/** What became of a herd: all clients were connected, and nats-server ended all connections at once. */
export interface ReconnectFigures {
  readonly clients: number
  readonly secondsUntilHalf: number | undefined
  readonly secondsUntilAll: number | undefined
  readonly closedForGood: number
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
const CLIENTS_PER_PROCESS = 2500

/**
 * Lets `clients` clients with default settings connect, makes nats-server end every session that a callout admitted by
 * a reload, and waits until all are back, some are lost for good, or `secondsMax` have passed. The service disconnects whom it cannot
 * serve if `disconnect`, and denies them otherwise.
 */
export async function benchReconnect(
  clients: number,
  disconnect: boolean,
  secondsMax: number,
  progress: (line: string) => void,
): Promise<ReconnectFigures> {
  await using stack = await startBenchStack({
    editConfig: (yaml) =>
      disconnect
        ? yaml.replace(
            'password_file: secrets/auth.password',
            '$&, system: { user: sys, password_file: secrets/sys.password }',
          )
        : yaml,
  })
  const herd = startHerd({ url: stack.nats.url, tokens: await tokensOf(stack), clients })
  try {
    await herd.until(({ connected }) => connected === clients, 300, progress)
    const before = await serviceCounters(stack.service.httpUrl)
    const startedMs = performance.now()
    stack.nats.signal('SIGHUP')
    let halfMs: number | undefined
    const all = await herd.until(
      ({ back, connected }) => {
        if (back >= clients / 2) halfMs ??= performance.now()
        return back === clients && connected === clients
      },
      secondsMax,
      progress,
    )
    const endedMs = performance.now()
    const after = await serviceCounters(stack.service.httpUrl)
    const grown = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0)
    return {
      clients,
      secondsUntilHalf: halfMs === undefined ? undefined : (halfMs - startedMs) / 1000,
      secondsUntilAll: all ? (endedMs - startedMs) / 1000 : undefined,
      closedForGood: herd.counts().closedForGood,
      admitted: grown('decisions_total{outcome="allow",reason="none"}'),
      disconnected: grown('refusals_total{way="disconnect"}'),
      denied: grown('refusals_total{way="reply"}'),
      refusedUnread: grown('refusals_total{way="empty"}'),
      lateAnswers: grown('late_answers_total'),
      serviceRssPeakMiB: (await processUsage(stack.service.process.pid))?.rssPeakMiB,
    }
  } finally {
    herd.end()
  }
}

interface Herd {
  counts(): ClientCounts
  /** False when the seconds have passed, or a client is lost for good, before `condition` holds. */
  until(
    condition: (counts: ClientCounts) => boolean,
    secondsMax: number,
    progress: (line: string) => void,
  ): Promise<boolean>
  end(): void
}

function startHerd({ url, tokens, clients }: ClientTask): Herd {
  const parts: { child: ChildProcess; counts: ClientCounts }[] = []
  for (let left = clients; left > 0; left -= CLIENTS_PER_PROCESS) {
    const child = fork(CLIENT_STORM)
    const part = { child, counts: { connected: 0, back: 0, closedForGood: 0 } }
    child.on('message', (counts) => {
      part.counts = counts as ClientCounts
    })
    child.send({ url, tokens, clients: Math.min(left, CLIENTS_PER_PROCESS) } satisfies ClientTask)
    parts.push(part)
  }
  const sum = (key: keyof ClientCounts): number => parts.reduce((total, { counts }) => total + counts[key], 0)
  const counts = (): ClientCounts => ({
    connected: sum('connected'),
    back: sum('back'),
    closedForGood: sum('closedForGood'),
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
  const [clients = '10000', way = 'disconnect', seconds = '240'] = process.argv.slice(2)
  const progress = (line: string): void => void process.stderr.write(`${line}\n`)
  const figures = await benchReconnect(Number(clients), way === 'disconnect', Number(seconds), progress)
  process.stdout.write(
    `${JSON.stringify({ load: await readFile('/proc/loadavg', 'utf8'), ...figures }, undefined, 2)}\n`,
  )
}
