import type { Config } from '../../config/config.ts'
import type { Problem } from '../../config/problem.ts'
import type { Secrets } from '../../config/secrets.ts'
import { readGreeting, type Greeting } from '../../nats/greeting.ts'
import { logInOnce, type LoginOutcome } from '../../nats/single-login.ts'
import { createSystemQuestions, type ServerFacts, type SystemQuestions } from '../../nats/system-questions.ts'
import type { Clock } from '../../service/ports.ts'
import { SpannerDatabase } from '../../spanner/database.ts'
import type { CalloutAccount } from './callout-account.ts'
import { asError } from './as-error.ts'
import { inspectIssuers, type InspectedIssuer } from './inspected-issuers.ts'
import { measureReads, readSchema, type StrongReads } from './store-measurement.ts'

/** A server that takes longer than this to say a word is not there for clients either. */
const GREETING_WITHIN_MS = 3_000
const LOGIN_WITHIN_MS = 5_000

/** What one server of `nats.servers` said. */
export interface Visited<What> {
  readonly server: string
  readonly result: What
}

/** Answers of the system account, or why there are none. */
export type SystemAccess =
  | { readonly questions: SystemQuestions; readonly servers: readonly ServerFacts[] }
  | { readonly missing: 'not configured' | 'unusable'; readonly why: string }

/** What the checks look at. Each part is obtained when the first check asks for it, once. */
export interface DoctorContext extends AsyncDisposable {
  readonly configFile: string
  readonly config: Config
  readonly secrets: Secrets
  readonly fileWarnings: readonly Problem[]
  readonly clock: Clock
  /** Client name of every connection that is made; unlike any other. */
  readonly name: string
  readonly emulatorHost: string | undefined
  readonly database: SpannerDatabase
  greetings(): Promise<readonly Visited<Greeting | Error>[]>
  /** Logged in at each server as the service. */
  logins(): Promise<readonly Visited<LoginOutcome>[]>
  system(): Promise<SystemAccess>
  /** Undefined when the service cannot log in or the system account cannot be asked. */
  calloutAccount(): Promise<CalloutAccount | undefined>
  issuers(): Promise<readonly InspectedIssuer[]>
  schema(): ReturnType<typeof readSchema>
  strongReads(): Promise<StrongReads>
}

export interface ContextOptions extends Pick<
  DoctorContext,
  'configFile' | 'config' | 'secrets' | 'fileWarnings' | 'clock' | 'name'
> {
  readonly emulatorHost: string | undefined
}

export function createContext(options: ContextOptions): DoctorContext {
  const { config, secrets, clock, name, emulatorHost } = options
  const stack = new AsyncDisposableStack()
  const tls = secrets.nats.tls === undefined ? {} : { tls: secrets.nats.tls }
  const logIn = async (server: string, credentials: Secrets['nats']['login']): Promise<LoginOutcome> => {
    const outcome = await logInOnce({ server, credentials, ...tls, name, withinMs: LOGIN_WITHIN_MS })
    if (outcome.kind === 'connected') stack.defer(() => outcome.connection.close())
    return outcome
  }
  const atEachServer = <What>(visit: (server: string) => Promise<What>): Promise<readonly Visited<What>[]> =>
    Promise.all(config.nats.servers.map(async (server) => ({ server, result: await visit(server) })))
  const emulator = emulatorHost === undefined || emulatorHost === '' ? {} : { emulatorHost }
  const database = stack.use(new SpannerDatabase({ ...config.store, ...emulator, clock, events: SILENT }))
  const logins = once(() => atEachServer((server) => logIn(server, secrets.nats.login)))
  const system = once(() => openSystem(config, secrets, logIn, clock))
  return {
    ...options,
    database,
    greetings: once(() =>
      atEachServer((server) => readGreeting(server, GREETING_WITHIN_MS).catch((error: unknown) => asError(error))),
    ),
    logins,
    system,
    calloutAccount: once(async () => lookAtAccount(await system(), await logins(), name)),
    issuers: once(() => inspectIssuers({ config, clock })),
    schema: once(() => readSchema({ database, clock })),
    strongReads: once(() => measureReads({ database, clock })),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

async function openSystem(
  config: Config,
  { nats: { system } }: Secrets,
  logIn: (server: string, credentials: Secrets['nats']['login']) => Promise<LoginOutcome>,
  clock: Clock,
): Promise<SystemAccess> {
  if (system === undefined) return { missing: 'not configured', why: 'nats.system is not configured' }
  let why = 'no server could be reached'
  for (const server of config.nats.servers) {
    const login = await logIn(server, system)
    if (login.kind === 'connected') {
      const questions = createSystemQuestions(login.connection, clock)
      try {
        return { questions, servers: await questions.servers() }
      } catch (error) {
        return { missing: 'unusable', why: asError(error).message }
      }
    }
    why = `${server}: ${login.why}`
  }
  return { missing: 'unusable', why }
}

async function lookAtAccount(
  system: SystemAccess,
  logins: readonly Visited<LoginOutcome>[],
  ownName: string,
): Promise<CalloutAccount | undefined> {
  const login = logins.find(({ result }) => result.kind === 'connected')?.result
  const info = login?.kind === 'connected' ? login.connection.info : undefined
  if (!('questions' in system) || info === undefined) return undefined
  const { questions } = system
  const own = await questions.connection(info.server_id, info.client_id)
  if (own === undefined) return undefined
  const { connections } = await questions.connections(own.account)
  return {
    name: own.account,
    user: own.user,
    connections: connections.filter((connection) => connection.name !== ownName),
    facts: await questions.account(own.account),
  }
}

function once<Value>(obtain: () => Promise<Value>): () => Promise<Value> {
  let obtained: Promise<Value> | undefined
  return () => (obtained ??= obtain())
}

/** A failure is a finding of the check that met it. */
const SILENT = { storeFault: () => {}, storeRecovered: () => {} }
