import process from 'node:process'
import { parseArgs } from 'node:util'
import { writeTable } from '../../src/cli/table.ts'
import { benchCodec } from './codec.bench.ts'
import { figure, figuresOf, figuresOfLoad } from './figure.ts'
import type { Figures } from './figure.ts'
import type { Load } from './load.ts'
import { describeCommit, describeMachine } from './machine.ts'
import { benchPeer, GO_RESPONDER, SIGN_ONLY } from './peer-bench.ts'
import { benchEndToEnd, benchService } from './stack-bench.ts'
import { benchVerify } from './verify.bench.ts'
import { judge } from './targets.ts'

/**
 * `npm run bench`: one JSON document on stdout, progress on stderr; `--quick` for a look, `--table` for people as well.
 * Figures are reported, never asserted: they say as much about the machine as about the service.
 */
const NOTES = [
  'Everything runs on this one machine: nats-server, the Spanner emulator, the service and the program that makes the load.',
  'Latency without an offered rate is that of a full queue; latency at an offered rate counts from the scheduled start.',
  'Each measurement has an emulator of its own: the strong reads of an emulator get slower by 1.8 ms for every 1,000 of them.',
  'The emulator holds one lock for all commits and its commits cost more than in proportion to their rows: where it is the ' +
    'busiest part, the rate is its own, not that of the service or of Spanner.',
]

/** One of each kind. */
const QUICK: ReadonlySet<string> = new Set(['serviceSealed', 'serviceOverloaded', 'endToEnd', 'endToEndAt500'])

interface Measurement {
  readonly name: string
  readonly what: string
  /** Gets what was measured before. */
  readonly run: (before: Readonly<Record<string, Figures>>) => Promise<Figures>
}

function measurements(quick: boolean): Measurement[] {
  const goResponder = GO_RESPONDER
  const seconds = quick ? 2 : 10
  const full = (outstanding: number): Load => ({ count: quick ? 3000 : 15_000, outstanding, secondsMax: seconds })
  const offered = (rate: number): Load => ({ count: rate * seconds, rate, outstanding: 0, secondsMax: seconds })
  const all: Measurement[] = [
    {
      name: 'serviceClear',
      what: 'the service alone, requests in the clear, 64 at a time',
      run: async () => figuresOf(await benchService(full(64), false)),
    },
    {
      name: 'serviceSealed',
      what: 'the service alone, sealed requests, 64 at a time',
      run: async () => figuresOf(await benchService(full(64), true)),
    },
    {
      name: 'serviceSealedAt500',
      what: 'the service alone, sealed requests, 500 a second',
      run: async () => figuresOf(await benchService(offered(500), true)),
    },
    {
      name: 'serviceOverloaded',
      what: 'the service alone, sealed requests, three times as many as it just answered',
      run: async (before) => {
        const rate = Math.ceil(3 * (before['serviceSealed']?.['rate']?.value ?? 0))
        const measured = await benchService(offered(rate), true)
        return { ...figuresOf(measured), goodput: figure(measured.result.admitted / seconds, '1/s') }
      },
    },
    {
      name: 'endToEnd',
      what: 'clients connect to nats-server, 64 at a time',
      run: async () => figuresOf(await benchEndToEnd(full(64))),
    },
    {
      name: 'endToEndAt500',
      what: 'clients connect to nats-server, 500 a second',
      run: async () => figuresOf(await benchEndToEnd(offered(500))),
    },
    {
      name: 'signOnly',
      what: 'the same clients, answered by a program that only signs: no token checked, no grants, no audit',
      run: async () => figuresOfLoad(await benchPeer(SIGN_ONLY, full(64))),
    },
    ...(goResponder === undefined
      ? []
      : [
          {
            name: 'goResponder',
            what: 'the same clients, answered by the reference library for Go: tokens checked, no grants, no audit',
            run: async () => figuresOfLoad(await benchPeer(goResponder, full(64))),
          },
        ]),
  ]
  return quick ? all.filter(({ name }) => QUICK.has(name)) : all
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { quick: { type: 'boolean', default: false }, table: { type: 'boolean', default: false } },
  })
  const progress = (line: string): void => void process.stderr.write(`${line}\n`)
  const [date, machine, commit] = [new Date().toISOString(), await describeMachine(), await describeCommit()]
  progress('codec: request verified, user JWT and response signed')
  const codec = await benchCodec()
  progress('verification: a token, against bare jose')
  const verification = [await benchVerify('RS256'), await benchVerify('ES256')]
  const figures: Record<string, Figures> = {}
  for (const { name, what, run } of measurements(values.quick)) {
    progress(`${name}: ${what}`)
    figures[name] = await run(figures)
  }
  const targets = judge(figures)
  const report = { date, commit, machine, quick: values.quick, notes: NOTES, targets, codec, verification, figures }
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`)
  if (!values.table) return
  const io = { stdout: process.stderr, stderr: process.stderr, env: process.env }
  const names = Object.keys(figures)
  const rows = [...new Set(names.flatMap((name) => Object.keys(figures[name] ?? {})))].map((key) => [
    key,
    ...names.map((name) => shown(figures[name], key)),
  ])
  writeTable(io, ['', ...names], rows)
  progress('')
  writeTable(
    io,
    ['aim', 'measured', 'met'],
    targets.map(({ aim, measured, met }) => [aim, `${measured.value} ${measured.unit}`, met ? 'yes' : 'no']),
  )
}

function shown(figures: Figures | undefined, key: string): string {
  const figure = figures?.[key]
  return figure === undefined ? '' : `${figure.value} ${figure.unit}`
}

await main()
