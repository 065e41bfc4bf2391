import type { Figure, Figures } from './figure.ts'

/** What the project aims at on two cores that everything shares. */
export interface Judgement {
  readonly aim: string
  readonly measured: Figure
  readonly met: boolean
}

/** Compares; a figure that this machine could not give is left out. */
export function judge(figures: Readonly<Record<string, Figures>>): Judgement[] {
  const aims: readonly (readonly [string, Figure | undefined, (value: number) => boolean])[] = [
    ['at least 1000 admitted connections a second, end to end', figures['endToEnd']?.['rate'], (rate) => rate >= 1000],
    ['p99 below 100 ms at 500 connections a second', figures['endToEndAt500']?.['p99'], (ms) => ms < 100],
    [
      'below 0.5 ms of processor time of the service for a decision',
      figures['endToEnd']?.['cpuPerDecision.service'],
      (ms) => ms < 0.5,
    ],
    [
      'below 0.25 ms of its main thread for a decision',
      figures['endToEnd']?.['cpuPerDecision.serviceMainThread'],
      (ms) => ms < 0.25,
    ],
    [
      'at least 80 % of the rate of a program that only signs',
      ratio(figures['endToEnd']?.['rate'], figures['signOnly']?.['rate']),
      (share) => share >= 0.8,
    ],
    [
      'no more processor time for a decision than the reference library for Go without grants and audit',
      ratio(figures['endToEnd']?.['cpuPerDecision.service'], figures['goResponder']?.['cpuPerDecision.peer']),
      (times) => times <= 1,
    ],
    [
      'at least 80 % of the highest rate at three times that load',
      ratio(figures['serviceOverloaded']?.['goodput'], figures['serviceSealed']?.['rate']),
      (share) => share >= 0.8,
    ],
    ['at most 300 MiB resident in the service', figures['endToEnd']?.['rssPeak.service'], (mib) => mib <= 300],
  ]
  return aims.flatMap(([aim, measured, isMet]) =>
    measured === undefined ? [] : [{ aim, measured, met: isMet(measured.value) }],
  )
}

function ratio(ours: Figure | undefined, theirs: Figure | undefined): Figure | undefined {
  if (ours === undefined || theirs === undefined) return undefined
  return { value: Math.round((ours.value / theirs.value) * 100) / 100, unit: 'times' }
}
