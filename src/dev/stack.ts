import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ReadinessCheck } from '../service/events.ts'
import type { PolicyAdmin } from '../service/ports.ts'
import { systemClock as clock } from '../service/clock.ts'
import { SpannerDatabase } from '../spanner/database.ts'
import { createPolicyAdmin } from '../spanner/policy-store.ts'
import { lastLines, privateDirectory, startChild, type ChildProcess } from './child-process.ts'
import { locateNatsServer } from './locate-nats-server.ts'
import { startNatsServer, type NatsServer } from './nats-server.ts'
import {
  DEFAULT_AUDIENCE,
  startOpenIdProvider,
  type OpenIdProvider,
  type OpenIdProviderOptions,
} from './openid-provider.ts'
import { KEYS_CONFIG_FILE, REFERENCE_CONFIG_FILE } from './reference-nats-server.ts'
import { LOCAL_ISSUER_ID } from './sample-policy.ts'
import { setUpLocalStack } from './setup.ts'
import { startSpannerEmulator, type SpannerEmulator } from './spanner-emulator.ts'

/** The service is ready within a second; a machine under heavy load gets its time. */
const READY_WITHIN_MS = 30_000
const POLL_MS = 50

const DATABASE = 'projects/local/instances/local/databases/callout'
const MAIN_FILE = path.resolve(import.meta.dirname, '../main.ts')

export interface StackOptions {
  readonly progress?: (line: string) => void
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
  /** Where `/readyz` and `/metrics` are. */
  readonly httpUrl: string
}

/**
 * Starts the stack with the reference `nats-server.conf`, keys made by `callout keys generate`, the schema applied and the
 * sample grants in place. Everything is in a private temporary directory and on free ports, and ends with this process.
 */
export async function startLocalStack(options: StackOptions = {}): Promise<LocalStack> {
  const { progress = () => {} } = options
  await using stack = new AsyncDisposableStack()
  const home = privateDirectory('callout-stack')
  stack.defer(() => home.remove())
  const { path: natsServerBinary, version } = await locateNatsServer(progress)
  const emulator = stack.use(await startSpannerEmulator())
  progress(`the Spanner emulator answers on ${emulator.host}`)
  const provider = stack.use(await startOpenIdProvider(options.provider))
  progress(`the OpenID provider answers on ${provider.issuer}`)

  await setUpLocalStack(
    {
      database: DATABASE,
      emulatorHost: emulator.host,
      secretsDirectory: path.join(home.path, 'secrets'),
      natsSecretsDirectory: path.join(home.path, 'secrets'),
      providerSecretsDirectory: home.path,
    },
    progress,
  )
  const nats = stack.use(await startNats(home.path, natsServerBinary, options))
  progress(`nats-server ${version} answers on ${nats.url}`)

  const configFile = path.join(home.path, 'callout.yaml')
  const yaml = calloutYaml(nats.url, provider.issuer)
  await writeFile(configFile, options.editConfig?.(yaml) ?? yaml)
  const events = { storeFault() {}, storeRecovered() {} }
  const database = stack.use(new SpannerDatabase({ database: DATABASE, emulatorHost: emulator.host, clock, events }))
  const services = stack.use(new AsyncDisposableStack())
  const spannerHost = (await options.spannerFor?.(emulator.host)) ?? emulator.host
  const startService = async (except: readonly string[] = []): Promise<RunningService> => {
    const service = await startServiceProcess(configFile, spannerHost, except)
    services.use(service.process)
    return service
  }
  const service = await startService()
  progress(`the service is ready: ${service.httpUrl}/readyz`)
  const started = stack.move()
  return {
    nats,
    emulator,
    provider,
    database,
    admin: createPolicyAdmin({ database, clock }),
    directory: home.path,
    configFile,
    service,
    startService,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

async function startNats(home: string, binary: string, { editServerConfig }: StackOptions): Promise<NatsServer> {
  const conf = await readFile(REFERENCE_CONFIG_FILE, 'utf8')
  const keys = await readFile(path.join(home, KEYS_CONFIG_FILE), 'utf8')
  const edit = editServerConfig ?? ((text: string) => text)
  return startNatsServer({ config: edit(conf), path: binary, includes: { [KEYS_CONFIG_FILE]: edit(keys) } })
}

function calloutYaml(natsUrl: string, issuer: string): string {
  return `# The whole configuration of the local stack; everything else has defaults.
nats: { servers: ['${natsUrl}'], user: auth, password_file: secrets/auth.password }
callout:
  issuer_seed_files: [secrets/issuer.nk]
  xkey_seed_files: [secrets/xkey.nk]
  accounts: { APP: {}, OPS: {} }
issuers:
  - id: ${LOCAL_ISSUER_ID}
    issuer: ${issuer}
    keys: { discovery: {} }
    algorithms: [RS256]
    audiences: [${DEFAULT_AUDIENCE}]
    identity: { groups: { path: [groups] } }
store: { url: 'spanner://${DATABASE}' }
http: { listen: '127.0.0.1:0' }
`
}

async function startServiceProcess(
  configFile: string,
  emulatorHost: string,
  except: readonly string[],
): Promise<RunningService> {
  const env = { ...process.env, SPANNER_EMULATOR_HOST: emulatorHost }
  const child = await startChild(process.execPath, [MAIN_FILE, 'serve', '--config', configFile], { env })
  const deadline = performance.now() + READY_WITHIN_MS
  for (;;) {
    const url = /"event":"http_listening","url":"([^"]+)"/.exec(child.log())?.[1]
    const missing = url === undefined ? ['http'] : await missingParts(url).catch(() => ['http'])
    if (url !== undefined && missing.every((part) => except.includes(part))) return { process: child, httpUrl: url }
    if (child.hasExited() || performance.now() > deadline) {
      await child.stop()
      const log = lastLines(child.log(), 10)
      throw new Error(`the service did not become ready: ${missing.join(', ')}; the end of its log:\n${log}`)
    }
    await delay(POLL_MS)
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
