import type { PeerFigures } from './peer-bench.ts'
import type { StackFigures } from './stack-bench.ts'

/** A measured value and its unit, for people and programs alike. */
export interface Figure {
  readonly value: number
  readonly unit: string
}

export type Figures = Readonly<Record<string, Figure>>

/** Three digits after the point are finer than any of it repeats. */
export function figure(value: number, unit: string): Figure {
  return { value: Math.round(value * 1000) / 1000, unit }
}

/** Everything that a measurement came to; what this machine cannot tell is left out. */
export function figuresOf(measured: StackFigures): Figures {
  const { service, coresTakenByOthers, serviceMemory } = measured
  const stages = Object.entries(service.stagesMs).map(([stage, ms]) => [`stage.${stage}`, figure(ms, 'ms')] as const)
  return {
    ...figuresOfLoad(measured),
    ...(coresTakenByOthers === undefined ? {} : { takenByOthers: figure(coresTakenByOthers, 'cores') }),
    ...(serviceMemory === undefined
      ? {}
      : {
          'rss.service': figure(serviceMemory.rssMiB, 'MiB'),
          'rssPeak.service': figure(serviceMemory.rssPeakMiB, 'MiB'),
        }),
    strongReads: figure(service.reads, 'reads'),
    requestsPerRead: figure(service.requestsPerRead, 'requests'),
    readDuration: figure(service.readMs, 'ms'),
    commits: figure(service.commits, 'commits'),
    rowsPerCommit: figure(service.rowsPerCommit, 'rows'),
    commitDuration: figure(service.commitMs, 'ms'),
    ...Object.fromEntries(stages),
  }
}

/** What the clients saw and what each part spent on it, whoever answered. */
export function figuresOfLoad({ load, result, cpuMsPerDecision }: StackFigures | PeerFigures): Figures {
  const cpu = Object.entries(cpuMsPerDecision).flatMap(([part, ms]) =>
    ms === undefined ? [] : [[`cpuPerDecision.${part}`, figure(ms, 'ms')] as const],
  )
  return {
    ...(load.rate === undefined
      ? { outstanding: figure(load.outstanding, 'requests') }
      : { offered: figure(load.rate, '1/s') }),
    admitted: figure(result.admitted, 'decisions'),
    refused: figure(result.attempts - result.admitted, 'decisions'),
    rate: figure(result.admittedPerSecond, '1/s'),
    p50: figure(result.p50Ms, 'ms'),
    p99: figure(result.p99Ms, 'ms'),
    max: figure(result.maxMs, 'ms'),
    ...Object.fromEntries(cpu),
  }
}
