import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { privateDirectory } from '../../src/dev/child-process.ts'
import { startNatsServer, type NatsServer } from '../../src/dev/nats-server.ts'
import { startOpenIdProvider, type OpenIdProvider } from '../../src/dev/openid-provider.ts'
import { KEYS_CONFIG_FILE, keysConfig, REFERENCE_CONFIG_FILE } from '../../src/dev/reference-nats-server.ts'
import type { SpannerEmulator } from '../../src/dev/spanner-emulator.ts'
import { callout, type CommandResult } from '../unit/cli/recorded-io.ts'
import { anIssuer, anXKey, startService, type RunningService } from './nats.ts'
import { createTestDatabase, startOwnEmulator, type TestDatabase } from './spanner.ts'

/** What all stands share: the parts that no test breaks for the others. */
export interface StandGround extends AsyncDisposable {
  readonly emulator: SpannerEmulator
  readonly provider: OpenIdProvider
  readonly database: TestDatabase
}

export async function prepareGround(): Promise<StandGround> {
  await using stack = new AsyncDisposableStack()
  const emulator = stack.use(await startOwnEmulator())
  const provider = stack.use(await startOpenIdProvider())
  const database = stack.use(await createTestDatabase(emulator.host))
  const made = stack.move()
  return { emulator, provider, database, [Symbol.asyncDispose]: () => made.disposeAsync() }
}

export interface StandOptions {
  /** Replaces parts of the reference `nats-server.conf`. */
  readonly editServer?: (conf: string) => string
  /** Replaces parts of `callout.yaml`. */
  readonly editConfig?: (yaml: string) => string
  /** The binary of nats-server, if not the usual one. */
  readonly natsServer?: string
  /** How many members of the service run, 2 unless said otherwise. */
  readonly members?: number
  /** Keys of the members, if not those of the configuration. */
  readonly memberKeys?: Pick<StandKeys, 'issuer' | 'xkey'>
}

export interface StandKeys {
  readonly issuer: ReturnType<typeof anIssuer>
  readonly xkey: ReturnType<typeof anXKey>
}

export interface DoctorStand extends AsyncDisposable {
  readonly nats: NatsServer
  readonly keys: StandKeys
  readonly members: readonly RunningService[]
  readonly configFile: string
  doctor(...argv: string[]): Promise<CommandResult>
  /** Runs it for programs: `<status> <check>` of every finding that is not well, and the exit code. */
  troubles(
    ...argv: string[]
  ): Promise<{ readonly exitCode: number; readonly found: readonly string[]; readonly text: string }>
}

const [AUTH_PASSWORD, SYS_PASSWORD] = ['auth-secret-of-the-stand', 'sys-secret-of-the-stand']

/** A nats-server with the reference configuration, members of the service that refuse everybody, and a `callout.yaml`. */
export async function startStand(ground: StandGround, options: StandOptions = {}): Promise<DoctorStand> {
  await using stack = new AsyncDisposableStack()
  const home = privateDirectory('callout-doctor')
  stack.defer(() => home.remove())
  const keys: StandKeys = { issuer: anIssuer(), xkey: anXKey() }
  const nats = stack.use(await startServer(keys, options))
  const configFile = await writeConfiguration(home.path, nats.url, keys, ground, options)
  const memberKeys = options.memberKeys ?? keys
  const members: RunningService[] = []
  for (let member = 0; member < (options.members ?? 2); member++) {
    const service = await startService({
      url: nats.url,
      issuer: memberKeys.issuer.key,
      xkeys: [memberKeys.xkey.key],
      credentials: { kind: 'password', user: 'auth', password: AUTH_PASSWORD },
      handler: (_request, respond) => void respond({ deny: 'token_missing' }),
    })
    members.push(stack.use(service))
  }
  const env = { SPANNER_EMULATOR_HOST: ground.emulator.host }
  const doctor: DoctorStand['doctor'] = (...argv) => callout(['doctor', '--config', configFile, ...argv], env)
  const started = stack.move()
  return {
    nats,
    keys,
    members,
    configFile,
    doctor,
    async troubles(...argv) {
      const { exitCode, stdout } = await doctor('--output', 'json', ...argv)
      const { checks } = JSON.parse(stdout) as {
        checks: readonly { id: string; findings: readonly { status: string }[] }[]
      }
      // Of which an emulator never shows anything.
      const looked = checks.filter(({ id }) => id !== 'store.plans')
      const found = looked.flatMap(({ id, findings }) => findings.map(({ status }) => `${status} ${id}`))
      return { exitCode, found: [...new Set(found)].filter((finding) => !finding.startsWith('ok ')), text: stdout }
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

async function startServer({ issuer, xkey }: StandKeys, { editServer, natsServer }: StandOptions): Promise<NatsServer> {
  const conf = await readFile(REFERENCE_CONFIG_FILE, 'utf8')
  const included = keysConfig({
    CALLOUT_ISSUER: issuer.key.publicKey,
    CALLOUT_XKEY: xkey.key.publicKey,
    CALLOUT_AUTH_PASSWORD: AUTH_PASSWORD,
    CALLOUT_SYS_PASSWORD: SYS_PASSWORD,
  })
  return startNatsServer({
    config: editServer?.(conf) ?? conf,
    includes: { [KEYS_CONFIG_FILE]: editServer?.(included) ?? included },
    ...(natsServer === undefined ? {} : { path: natsServer }),
  })
}

async function writeConfiguration(
  home: string,
  natsUrl: string,
  { issuer, xkey }: StandKeys,
  { provider, database }: StandGround,
  { editConfig }: StandOptions,
): Promise<string> {
  const secrets: Readonly<Record<string, string>> = {
    'issuer.nk': issuer.seed,
    'xkey.nk': xkey.seed,
    'auth.password': AUTH_PASSWORD,
    'sys.password': SYS_PASSWORD,
    'wrong.password': 'not-the-password',
  }
  await mkdir(path.join(home, 'secrets'))
  for (const [name, text] of Object.entries(secrets))
    await writeFile(path.join(home, 'secrets', name), text, { mode: 0o600 })
  const yaml = `nats:
  servers: ['${natsUrl}']
  user: auth
  password_file: secrets/auth.password
  system: { user: sys, password_file: secrets/sys.password }
callout:
  issuer_seed_files: [secrets/issuer.nk]
  xkey_seed_files: [secrets/xkey.nk]
  accounts: { APP: {}, OPS: {} }
issuers:
  - { id: local, issuer: '${provider.issuer}', keys: { discovery: {} }, algorithms: [RS256], audiences: [nats] }
store: { url: 'spanner://${database.name}' }
`
  const file = path.join(home, 'callout.yaml')
  await writeFile(file, editConfig?.(yaml) ?? yaml)
  return file
}

/** Makes a secret of the stand readable for everybody. */
export async function exposeSecret({ configFile }: DoctorStand, name: string): Promise<void> {
  await chmod(path.join(path.dirname(configFile), 'secrets', name), 0o644)
}
