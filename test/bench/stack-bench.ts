import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { locateSpannerEmulator } from '../../src/dev/locate-spanner-emulator.ts'
import { KEYS_CONFIG_FILE } from '../../src/dev/reference-nats-server.ts'
import { LOCAL_ISSUER_ID } from '../../src/dev/sample-policy.ts'
import { startLocalStack } from '../../src/dev/stack.ts'
import type { LocalStack, StackOptions } from '../../src/dev/stack.ts'
import type { GrantRow } from '../../src/core/policy-row.ts'
import type { ConnectTask } from './connect-storm.ts'
import type { Load, LoadResult } from './load.ts'
import { machineCpuMs, processUsage } from './process-usage.ts'
import type { ProcessUsage } from './process-usage.ts'
import type { RequestTask } from './request-storm.ts'
import { serviceCounters, serviceFigures } from './service-metrics.ts'
import type { ServiceFigures } from './service-metrics.ts'
import { runStorm } from './storm.ts'
import { adding } from '../../src/service/policy-edit.ts'

/** What is shipped; `npm run bench` builds it first. Types stripped at the start would cost 26 MiB. */
const BUILT_MAIN = path.resolve(import.meta.dirname, '../../dist/main.js')

/** Who connects: services with a token and grants of their own, so that requests that share a read do not share its keys. */
export const CLIENTS = Array.from({ length: 64 }, (_, index) => `bench-${index}`)

/** The service needs some thousand decisions until its compiler has settled. */
export const WARM_UP: Load = { count: 3000, outstanding: 32, secondsMax: 4 }

export const CONNECT_STORM = path.join(import.meta.dirname, 'connect-storm.ts')
const REQUEST_STORM = path.join(import.meta.dirname, 'request-storm.ts')

/** In the server of `benchService`; it is reached from this machine only. */
const BENCH_PASSWORD = 'bench'

/** A server that asks nobody, so that the bench may write the requests: users as in the reference file, and one more. */
const ASKING_NOBODY = `
  include ./${KEYS_CONFIG_FILE}
  accounts {
    AUTH {
      users: [
        {
          user: auth
          password: $CALLOUT_AUTH_PASSWORD
          permissions {
            subscribe: ["$SYS.REQ.USER.AUTH callout", "$SYS.ACCOUNT.CLIENT.AUTH.ERR", "callout.heartbeat.*", "$SRV.>"]
            publish { allow: ["callout.heartbeat.*"] }
            allow_responses { max: 1, expires: "5s" }
          }
        }
        { user: bench, password: ${BENCH_PASSWORD} }
      ]
    }
  }`

export interface StackFigures {
  readonly load: Load
  readonly result: LoadResult
  readonly service: ServiceFigures
  /** Of processor time, divided by the number of decisions; undefined where it cannot be read. */
  readonly cpuMsPerDecision: Readonly<
    Record<'service' | 'serviceMainThread' | 'natsServer' | 'emulator' | 'generator', number | undefined>
  >
  /** Of the machine's processors, by programs that have no part in this: a busy machine makes every figure worse. */
  readonly coresTakenByOthers: number | undefined
  readonly serviceMemory: ProcessUsage | undefined
}

/** The service, or one that `mainFile` starts, and a nats-server, requests made by the bench; `sealed` with xkey, as in production. */
export async function benchService(load: Load, sealed: boolean, mainFile = BUILT_MAIN): Promise<StackFigures> {
  await using stack = await startBenchStack({
    mainFile,
    editServerConfig: (text) =>
      text.includes('auth_callout') ? ASKING_NOBODY : text.replaceAll(/^CALLOUT_(?!AUTH_PASSWORD).*$/gm, ''),
    editConfig: (yaml) => (sealed ? yaml : yaml.replace(/^ *xkey_seed_files:.*\n/m, '')),
  })
  const keys = await readFile(path.join(stack.directory, KEYS_CONFIG_FILE), 'utf8')
  const key = (name: string): string => new RegExp(`^${name} *= *"(\\w+)"`, 'm').exec(keys)?.[1] ?? ''
  const task: RequestTask = {
    url: stack.nats.url,
    user: 'bench',
    password: BENCH_PASSWORD,
    issuer: key('CALLOUT_ISSUER'),
    ...(sealed ? { xkey: key('CALLOUT_XKEY') } : {}),
    tokens: await tokensOf(stack),
  }
  return await measure(stack, REQUEST_STORM, task, load)
}

/** Clients that connect to nats-server with the reference configuration. */
export async function benchEndToEnd(load: Load): Promise<StackFigures> {
  await using stack = await startBenchStack({})
  const task: ConnectTask = { port: stack.nats.port, tokens: await tokensOf(stack) }
  return await measure(stack, CONNECT_STORM, task, load)
}

export async function startBenchStack(options: StackOptions): Promise<LocalStack> {
  if ((await locateSpannerEmulator()).kind === 'address') {
    throw new Error('unset SPANNER_EMULATOR_HOST: each measurement needs a fresh emulator')
  }
  const stack = await startLocalStack({ mainFile: BUILT_MAIN, ...options, provider: { clients: CLIENTS } })
  await stack.admin.edit(adding('grant', ...CLIENTS.flatMap(grantsOf)))
  return stack
}

function grantsOf(client: string): GrantRow[] {
  const common = {
    principal: `client:${LOCAL_ISSUER_ID}:${client}`,
    account: 'APP',
    effect: 'allow',
    reason: 'benchmark',
    createdBy: 'bench',
  } as const
  return [
    { ...common, id: `${client}-events`, action: 'publish', subject: `events.${client}.>` },
    { ...common, id: `${client}-requests`, action: 'subscribe', subject: `requests.${client}.*`, queue: 'workers' },
    { ...common, id: `${client}-inbox`, action: 'subscribe', subject: '_INBOX.{{subject}}.>' },
  ]
}

export function tokensOf({ provider }: LocalStack): Promise<string[]> {
  return Promise.all(CLIENTS.map((client) => provider.clientCredentials(client)))
}

async function measure(stack: LocalStack, storm: string, task: object, load: Load): Promise<StackFigures> {
  let before = await look(stack)
  const result = await runStorm(storm, { task, warmUp: WARM_UP, load }, async () => {
    before = await look(stack)
  })
  const after = await look(stack)
  const spentMs = (part: Part): number | undefined => difference(before[part]?.cpuMs, after[part]?.cpuMs)
  const parts = (['service', 'natsServer', 'emulator', 'bench'] as const).map(spentMs)
  const ownMs = parts.reduce<number>((sum, ms) => sum + (ms ?? 0), result.generatorCpuMs)
  const machineMs = difference(before.machineMs, after.machineMs)
  const mainThreadMs = difference(before.service?.mainThreadCpuMs, after.service?.mainThreadCpuMs)
  const perDecision = (part: Part): number | undefined => {
    const ms = spentMs(part)
    return ms === undefined ? undefined : ms / result.attempts
  }
  return {
    load,
    result,
    service: serviceFigures(before.counters, after.counters),
    cpuMsPerDecision: {
      service: perDecision('service'),
      serviceMainThread: mainThreadMs === undefined ? undefined : mainThreadMs / result.attempts,
      natsServer: perDecision('natsServer'),
      emulator: perDecision('emulator'),
      generator: result.generatorCpuMs / result.attempts,
    },
    coresTakenByOthers:
      machineMs === undefined ? undefined : Math.max(0, machineMs - ownMs) / (after.atMs - before.atMs),
    serviceMemory: after.service,
  }
}

type Part = 'service' | 'natsServer' | 'emulator' | 'bench'

async function look(stack: LocalStack) {
  return {
    atMs: performance.now(),
    service: await processUsage(stack.service.process.pid),
    natsServer: await processUsage(stack.nats.pid),
    emulator: await processUsage(stack.emulator.pid),
    bench: await processUsage(process.pid),
    machineMs: await machineCpuMs(),
    counters: await serviceCounters(stack.service.httpUrl),
  }
}

function difference(before: number | undefined, after: number | undefined): number | undefined {
  return before === undefined || after === undefined ? undefined : after - before
}
