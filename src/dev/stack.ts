import { randomBytes, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ReadinessCheck } from '../service/events.ts'
import type { PolicyAdmin } from '../service/ports.ts'
import { systemClock as clock } from '../service/clock.ts'
import { SpannerDatabase } from '../spanner/database.ts'
import { createPolicyAdmin } from '../spanner/policy-admin.ts'
import { lastLines, privateDirectory, startChild, type ChildProcess } from './child-process.ts'
import { knowsSetting, withKnownSettings } from './known-settings.ts'
import { locateNatsServer, type NatsServerBinary } from './locate-nats-server.ts'
import { locateSpannerEmulator } from './locate-spanner-emulator.ts'
import { operatorMode, SENTINEL_CREDS_FILE, serverConfigurationMode, type NatsMode } from './nats-mode.ts'
import { startNatsServer, type NatsServer } from './nats-server.ts'
import {
  DEFAULT_AUDIENCE,
  startOpenIdProvider,
  type OpenIdProvider,
  type OpenIdProviderOptions,
} from './openid-provider.ts'
import { LOCAL_ISSUER_ID } from './sample-policy.ts'
import { setUpLocalStack } from './setup.ts'
import { startSpannerEmulator, type SpannerEmulator } from './spanner-emulator.ts'

/** The service is ready within a second; a machine under heavy load gets its time. */
const READY_WITHIN_MS = 30_000
const POLL_MS = 50

const DATABASES = 'projects/local/instances/local/databases'
/** As the command's own first line: V8's young generation would grow to 128 MiB, three times the rest of the service. */
const NODE_FLAGS = ['--max-semi-space-size=8']
const MAIN_FILE = path.resolve(import.meta.dirname, '../main.ts')

export interface StackOptions {
  /** The `callout` command to serve with, if not the one of the sources. */
  readonly mainFile?: string
  /** Gets one line before each step that may take a while. */
  readonly progress?: (line: string) => void
  /** Ends the start between two steps, with the reason of the signal and with nothing left behind. */
  readonly signal?: AbortSignal
  /** Runs nats-server in operator mode. */
  readonly operator?: boolean
  /** Replaces lines of `callout.yaml`, e.g. to tighten a limit in a test. */
  readonly editConfig?: (yaml: string) => string
  /** Replaces parts of `nats-server.conf` and of the file that it includes, e.g. to leave the xkey out. */
  readonly editServerConfig?: (conf: string) => string
  /** Who has an account at the provider, if not the usual ones. */
  readonly provider?: OpenIdProviderOptions
  /** Where the service finds Spanner, if not at the emulator itself, e.g. at a proxy in front of it. */
  readonly spannerFor?: (emulatorHost: string) => Promise<string>
}

/** Every part of a deployment on loopback: real nats-server, real emulator, real OpenID provider, and the service as a process. */
export interface LocalStack extends AsyncDisposable {
  readonly nats: NatsServer
  /** Without a leading `v`. */
  readonly natsVersion: string
  /** What a client has to bring beside its token: in operator mode, to a nats-server that knows no default sentinel. */
  readonly sentinelCreds?: Uint8Array
  readonly emulator: SpannerEmulator
  readonly provider: OpenIdProvider
  readonly database: SpannerDatabase
  readonly admin: PolicyAdmin
  readonly directory: string
  readonly configFile: string
  /** The first replica, ready. */
  readonly service: RunningService
  /** Starts one more replica and waits until it is ready, parts that are named excepted. */
  startService(except?: readonly string[]): Promise<RunningService>
}

/** `callout serve` as a process of its own. */
export interface RunningService {
  readonly process: ChildProcess
  /** Has all that it wrote. */
  readonly logFile: string
  /** Where `/readyz` and `/metrics` are. */
  readonly httpUrl: string
}

/**
 * Starts the stack with the reference configuration of nats-server, keys made by `callout keys generate`, the schema applied and the
 * sample grants in place. Everything is in a private temporary directory and on free ports, and ends with this process.
 */
export async function startLocalStack(options: StackOptions = {}): Promise<LocalStack> {
  const { signal } = options
  const progress = (line: string): void => {
    signal?.throwIfAborted()
    options.progress?.(line)
  }
  await using stack = new AsyncDisposableStack()
  const home = privateDirectory('callout-stack')
  stack.defer(() => home.remove())
  progress('looking for nats-server')
  const binary = await locateNatsServer(progress)
  const emulator = stack.use(await startEmulator(progress))
  progress('starting an OpenID provider, which issues the tokens')
  const provider = stack.use(await startOpenIdProvider(options.provider))
  await writeFile(path.join(home.path, 'client.secret'), provider.clientSecret, { mode: 0o600 })

  progress('making keys, the tables and some grants')
  // An emulator that is not ours may have the database of another stack.
  const databaseId = emulator.pid === undefined ? `callout-${randomBytes(8).toString('hex')}` : 'callout'
  const databaseName = `${DATABASES}/${databaseId}`
  const mode = await (options.operator === true ? operatorMode : serverConfigurationMode)(home.path)
  await setUpLocalStack(
    {
      database: databaseName,
      emulatorHost: emulator.host,
      secretsDirectory: path.join(home.path, 'secrets'),
      natsSecretsDirectory: path.join(home.path, 'secrets'),
      providerSecretsDirectory: home.path,
    },
    () => signal?.throwIfAborted(),
  )
  progress(`starting nats-server ${binary.version}`)
  const nats = stack.use(await startNats(home.path, binary, mode, options))
  const sentinelCreds = await neededSentinel(home.path, binary, options)

  const configFile = path.join(home.path, 'callout.yaml')
  const yaml = calloutYaml(mode.calloutYaml(nats.url), provider.issuer, databaseName)
  await writeFile(configFile, options.editConfig?.(yaml) ?? yaml)
  const events = { storeFault() {}, storeRecovered() {} }
  const database = stack.use(
    new SpannerDatabase({ database: databaseName, emulatorHost: emulator.host, clock, events }),
  )
  const services = stack.use(new AsyncDisposableStack())
  const spannerHost = (await options.spannerFor?.(emulator.host)) ?? emulator.host
  let replicas = 0
  const startService = async (except: readonly string[] = []): Promise<RunningService> => {
    const logFile = path.join(home.path, `service-${(replicas += 1)}.log`)
    const service = services.use(
      await startServiceProcess(options.mainFile ?? MAIN_FILE, configFile, spannerHost, logFile),
    )
    const httpUrl = await untilReady(service, except, signal)
    return { process: service, logFile, httpUrl }
  }
  progress('starting the callout service')
  const service = await startService()
  signal?.throwIfAborted()
  const started = stack.move()
  return {
    nats,
    natsVersion: binary.version,
    ...(sentinelCreds === undefined ? {} : { sentinelCreds }),
    emulator,
    provider,
    database,
    admin: createPolicyAdmin({ database, clock, newId: randomUUID }),
    directory: home.path,
    configFile,
    service,
    startService,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

async function startEmulator(progress: (line: string) => void): Promise<SpannerEmulator> {
  const source = await locateSpannerEmulator()
  if (source.kind === 'address') progress(`using the Spanner emulator on ${source.host}`)
  else
    progress(`starting the Spanner emulator${source.kind === 'docker' ? ' with Docker, which may fetch it first' : ''}`)
  return startSpannerEmulator({ source })
}

async function startNats(
  home: string,
  binary: NatsServerBinary,
  { configFile, includedFile }: NatsMode,
  { editServerConfig }: StackOptions,
): Promise<NatsServer> {
  const conf = await readFile(configFile, 'utf8')
  const included = await readFile(path.join(home, includedFile), 'utf8')
  const edit = (text: string): string => withKnownSettings(editServerConfig?.(text) ?? text, binary.version)
  return startNatsServer({ config: edit(conf), path: binary.path, includes: { [includedFile]: edit(included) } })
}

async function neededSentinel(
  home: string,
  { version }: NatsServerBinary,
  { operator }: StackOptions,
): Promise<Uint8Array | undefined> {
  if (operator !== true || knowsSetting(version, 'default_sentinel')) return undefined
  return readFile(path.join(home, SENTINEL_CREDS_FILE))
}

function calloutYaml(natsAndCallout: string, issuer: string, database: string): string {
  return `# The whole configuration of the local stack; everything else has defaults.
${natsAndCallout}
issuers:
  - id: ${LOCAL_ISSUER_ID}
    issuer: ${issuer}
    keys: { discovery: {} }
    algorithms: [RS256]
    audiences: [${DEFAULT_AUDIENCE}]
    identity: { groups: { path: [groups] } }
store: { url: 'spanner://${database}' }
http: { listen: '127.0.0.1:0' }
`
}

/** Its output goes to a file, so that people can follow it. */
async function startServiceProcess(
  mainFile: string,
  configFile: string,
  emulatorHost: string,
  logFile: string,
): Promise<ChildProcess> {
  await writeFile(logFile, '')
  const env = { ...process.env, SPANNER_EMULATOR_HOST: emulatorHost }
  const command = [process.execPath, ...NODE_FLAGS, mainFile, 'serve', '--config', configFile]
  const child = await startChild('/bin/sh', ['-c', 'exec "$@" >>"$0" 2>&1', logFile, ...command], { env })
  return { ...child, log: () => readFileSync(logFile, 'utf8') }
}

/** Waits for the service, parts that are named excepted, and returns where it serves HTTP. */
async function untilReady(service: ChildProcess, except: readonly string[], signal?: AbortSignal): Promise<string> {
  const deadline = performance.now() + READY_WITHIN_MS
  for (;;) {
    const url = /"event":"http_listening","url":"([^"]+)"/.exec(service.log())?.[1]
    const missing = url === undefined ? ['http'] : await missingParts(url).catch(() => ['http'])
    if (url !== undefined && missing.every((part) => except.includes(part))) return url
    if (service.hasExited() || performance.now() > deadline) {
      const log = lastLines(service.log(), 10)
      throw new Error(`the service did not become ready: ${missing.join(', ')}; the end of its log:\n${log}`)
    }
    await delay(POLL_MS, undefined, signal === undefined ? {} : { signal })
  }
}

/** The parts that `/readyz` says are not ready, before the first probe as well. */
async function missingParts(url: string): Promise<string[]> {
  const answer = await fetch(`${url}/readyz?format=json`)
  const { checks } = (await answer.json()) as { checks: readonly ReadinessCheck[] }
  const parts = new Set(checks.map((check) => check.part))
  const expected = ['nats', 'subscription'].filter((part) => !parts.has(part))
  return [...expected, ...checks.filter((check) => !check.ready).map((check) => check.part)]
}
