import { setTimeout as delay } from 'node:timers/promises'

/**
 * How much to ask for. With `rate`, attempts start on a fixed schedule and latency counts from the scheduled start, so a
 * slow server cannot slow the clock that measures it (no coordinated omission). Without it, `outstanding` attempts are kept
 * going, which finds the highest rate; latency then says how long each of so many waits.
 */
export interface Load {
  readonly count: number
  /** Attempts a second. */
  readonly rate?: number
  readonly outstanding: number
  /** No attempt starts later than this. */
  readonly secondsMax: number
}

export interface LoadResult {
  readonly attempts: number
  readonly admitted: number
  readonly seconds: number
  readonly admittedPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** Processor time of the process that made the load. */
  readonly generatorCpuMs: number
}

/** Resolves with whether the client got in; silence and a broken connection count as a refusal, after a bounded time. */
export type Attempt = () => Promise<boolean>

export async function runLoad(load: Load, attempt: Attempt): Promise<LoadResult> {
  const latencies: number[] = []
  let admitted = 0
  const cpu = process.cpuUsage()
  const startedMs = performance.now()
  const one = async (scheduledMs: number): Promise<void> => {
    if (await attempt()) admitted += 1
    latencies.push(performance.now() - scheduledMs)
  }
  if (load.rate === undefined) await keepGoing(load, startedMs, one)
  else await onSchedule(load, load.rate, startedMs, one)
  const seconds = (performance.now() - startedMs) / 1000
  const { user, system } = process.cpuUsage(cpu)
  latencies.sort((a, b) => a - b)
  return {
    attempts: latencies.length,
    admitted,
    seconds,
    admittedPerSecond: admitted / seconds,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    maxMs: quantile(latencies, 1),
    generatorCpuMs: (user + system) / 1000,
  }
}

type One = (scheduledMs: number) => Promise<void>

async function keepGoing({ count, outstanding, secondsMax }: Load, startedMs: number, one: One): Promise<void> {
  const endsMs = startedMs + secondsMax * 1000
  let started = 0
  const worker = async (): Promise<void> => {
    while (started++ < count && performance.now() < endsMs) await one(performance.now())
  }
  await Promise.all(Array.from({ length: outstanding }, worker))
}

async function onSchedule(load: Load, rate: number, startedMs: number, one: One): Promise<void> {
  const count = Math.min(load.count, rate * load.secondsMax)
  const running: Promise<void>[] = []
  for (let index = 0; index < count; await delay(1)) {
    const dueMs = performance.now()
    for (; index < count && startedMs + (index * 1000) / rate <= dueMs; index += 1) {
      running.push(one(startedMs + (index * 1000) / rate))
    }
  }
  await Promise.all(running)
}

/** Nearest rank. */
function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}
