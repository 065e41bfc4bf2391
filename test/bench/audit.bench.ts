import { randomInt, randomUUID } from 'node:crypto'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { AuditEntry } from '../../src/core/audit-entry.ts'
import { createAuditChain } from '../../src/core/audit-chain.ts'
import type { SpannerEmulator } from '../../src/dev/spanner-emulator.ts'
import { createAuditWriter } from '../../src/service/audit-writer.ts'
import { systemClock as clock } from '../../src/service/clock.ts'
import { createDecisionLog } from '../../src/spanner/decision-log.ts'
import { sha256 } from '../../src/spanner/sha256.ts'
import { createDice } from '../fuzz/dice.ts'
import { anyEntry } from '../support/decisions.ts'
import { createTestDatabase, inMs, startOwnEmulator } from '../support/spanner.ts'
import { figure, type Figure, type Figures } from './figure.ts'
import { runLoad, type Load } from './load.ts'
import { describeCommit, describeMachine } from './machine.ts'
import { benchService } from './stack-bench.ts'
import type { Judgement } from './targets.ts'

/**
 * What the audit bears and what it costs, as a process of its own: `npm run build && node test/bench/audit.bench.ts [--seconds N]
 * [--rounds N]`. Rows go through the writer of the service into a fresh emulator with all indexes, and are counted afterwards. Then two
 * services take turns, one whose log writes nothing. Prints JSON, progress on stderr.
 */
const OUTSTANDING = 256
const OFFERED = 1000
/** What a service has at work at once by default. */
const WAITING_MAX = 1024
const DEADLINE_MS = 10_000
const WARM_UP: Load = { count: 2000, outstanding: 64, secondsMax: 4 }

const FREEZE_MS = 4000
const FROZEN_OFFERED = 300
const FREEZE_AFTER_MS = 1500
/** A client of nats-server waits two seconds: here it is asked whether the writer loses something, not who would still be there. */
const FROZEN_DEADLINE_MS = 20_000

const UNAUDITED_MAIN = path.join(import.meta.dirname, 'unaudited-main.ts')
const DECISIONS_PER_SECOND = 200

interface WriterRun {
  readonly load: Load
  readonly deadlineMs: number
  readonly waitingMax: number
  /** Runs beside the load. */
  readonly meanwhile?: (emulator: SpannerEmulator) => Promise<void>
}

/** Entries through the writer of the service, and whether each that was confirmed is there. */
async function benchWriter({ load, deadlineMs, waitingMax, meanwhile }: WriterRun): Promise<Figures> {
  await using emulator = await startOwnEmulator()
  await using store = await createTestDatabase(emulator.host)
  const { database } = store
  const commits = { count: 0, rows: 0 }
  const writer = createAuditWriter({
    log: createDecisionLog({ database, chain: createAuditChain(randomUUID(), sha256), clock }),
    waitingMax,
    clock,
    events: {
      batchSettled(_kind, rows) {
        commits.count += 1
        commits.rows += rows
      },
    },
  })
  const nextEntry = entries()
  const confirmed = new Set<string>()
  const attempt = async (): Promise<boolean> => {
    const entry = nextEntry()
    try {
      await writer.record(entry, clock.monotonicMs() + deadlineMs)
      confirmed.add(entry.decision.id)
      return true
    } catch {
      return false
    }
  }
  await runLoad(WARM_UP, attempt)
  Object.assign(commits, { count: 0, rows: 0 })
  const [result] = await Promise.all([runLoad(load, attempt), meanwhile?.(emulator)])
  const stored = new Set<string>()
  for (const [id] of await database.query('SELECT DecisionId FROM Decisions', {}, inMs(60_000)))
    stored.add(id?.stringValue ?? '')
  return {
    ...(load.rate === undefined
      ? { outstanding: figure(load.outstanding, 'rows') }
      : { offered: figure(load.rate, '1/s') }),
    confirmed: figure(result.admitted, 'rows'),
    unconfirmed: figure(result.attempts - result.admitted, 'rows'),
    lost: figure(confirmed.difference(stored).size, 'rows'),
    rate: figure(result.admittedPerSecond, '1/s'),
    rowsPerCommit: figure(commits.rows / commits.count, 'rows'),
    p50: figure(result.p50Ms, 'ms'),
    p99: figure(result.p99Ms, 'ms'),
    max: figure(result.maxMs, 'ms'),
    cpuPerRow: figure(result.generatorCpuMs / result.attempts, 'ms'),
  }
}

/** Entries of some principals, servers and addresses, decided now. */
function entries(): () => AuditEntry {
  const dice = createDice(randomInt(2 ** 31))
  return () => {
    const nowMs = clock.nowMs()
    return anyEntry(dice, nowMs, nowMs + 1)
  }
}

async function freeze(emulator: SpannerEmulator): Promise<void> {
  await delay(FREEZE_AFTER_MS)
  emulator.signal('SIGSTOP')
  await delay(FREEZE_MS)
  emulator.signal('SIGCONT')
}

/** Processor time of the service for a decision, with and without audit, in turns. */
async function benchCost(rounds: number, seconds: number): Promise<Figures> {
  const load = {
    count: DECISIONS_PER_SECOND * seconds,
    rate: DECISIONS_PER_SECOND,
    outstanding: 0,
    secondsMax: seconds,
  }
  const costs: Record<'audited' | 'unaudited', number[]> = { audited: [], unaudited: [] }
  for (let round = 0; round < rounds; round += 1) {
    for (const kind of ['audited', 'unaudited'] as const) {
      process.stderr.write(`cost: round ${round + 1}, ${kind}\n`)
      const { cpuMsPerDecision } = await benchService(load, true, kind === 'unaudited' ? UNAUDITED_MAIN : undefined)
      if (cpuMsPerDecision.service !== undefined) costs[kind].push(cpuMsPerDecision.service)
    }
  }
  const [audited, unaudited] = [median(costs.audited), median(costs.unaudited)]
  return {
    offered: figure(DECISIONS_PER_SECOND, '1/s'),
    'cpuPerDecision.audited': figure(audited, 'ms'),
    'cpuPerDecision.unaudited': figure(unaudited, 'ms'),
    added: figure((audited / unaudited - 1) * 100, '%'),
    ...Object.fromEntries(
      Object.entries(costs).flatMap(([kind, rows]) =>
        rows.map((ms, round) => [`${kind}.${round + 1}`, figure(ms, 'ms')]),
      ),
    ),
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
}

function judge(figures: Readonly<Record<string, Figures>>): readonly Judgement[] {
  const aims: readonly (readonly [string, Figure | undefined, (value: number) => boolean])[] = [
    ['at least 1500 rows a second into the emulator', figures['sustained']?.['rate'], (rate) => rate >= 1500],
    ['nothing lost at that rate', figures['sustained']?.['lost'], (rows) => rows === 0],
    ['p99 below 50 ms at 1000 rows a second', figures['offered']?.['p99'], (ms) => ms < 50],
    ['nothing lost when the emulator is frozen', figures['frozen']?.['lost'], (rows) => rows === 0],
    ['every row confirmed when the emulator is frozen', figures['frozen']?.['unconfirmed'], (rows) => rows === 0],
    ['at most 25 % more processor time for a decision', figures['cost']?.['added'], (percent) => percent <= 25],
  ]
  return aims.flatMap(([aim, measured, isMet]) =>
    measured === undefined ? [] : [{ aim, measured, met: isMet(measured.value) }],
  )
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { seconds: { type: 'string', default: '10' }, rounds: { type: 'string', default: '4' } },
  })
  const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)]
  const [date, machine, commit] = [new Date().toISOString(), await describeMachine(), await describeCommit()]
  const progress = (line: string): void => void process.stderr.write(`${line}\n`)
  const offered = (rate: number): Load => ({ count: rate * seconds, rate, outstanding: 0, secondsMax: seconds })
  const usual = { deadlineMs: DEADLINE_MS, waitingMax: WAITING_MAX }
  progress(`sustained: ${OUTSTANDING} rows at a time`)
  const sustained = await benchWriter({
    ...usual,
    load: { count: Infinity, outstanding: OUTSTANDING, secondsMax: seconds },
  })
  progress(`offered: ${OFFERED} rows a second`)
  const atRate = await benchWriter({ ...usual, load: offered(OFFERED) })
  progress(`frozen: ${FROZEN_OFFERED} rows a second, and the emulator stopped for ${FREEZE_MS} ms`)
  const frozen = await benchWriter({
    load: {
      ...offered(FROZEN_OFFERED),
      count: FROZEN_OFFERED * Math.max(seconds, 8),
      secondsMax: Math.max(seconds, 8),
    },
    deadlineMs: FROZEN_DEADLINE_MS,
    waitingMax: FROZEN_OFFERED * FROZEN_DEADLINE_MS,
    meanwhile: freeze,
  })
  const cost = await benchCost(rounds, seconds)
  const figures = { sustained, offered: atRate, frozen, cost }
  process.stdout.write(`${JSON.stringify({ date, commit, machine, aims: judge(figures), figures }, undefined, 2)}\n`)
}

await main()
