import { randomBytes, randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../config/config.ts'
import type { Secrets } from '../config/secrets.ts'
import { DECISION_ID_RANDOM_BYTES, decisionId } from '../core/decision-id.ts'
import { CalloutError } from '../core/errors.ts'
import { createRequestDecoder } from '../nats/authorization-request.ts'
import { createResponseEncoder, createUserJwtIssuer } from '../nats/authorization-response.ts'
import { CalloutEndpoint } from '../nats/callout-endpoint.ts'
import { NatsLink } from '../nats/connection.ts'
import { createXKey, type XKey } from '../nats/keys.ts'
import { RefusedAllows } from '../nats/refused-allows.ts'
import type { Signers } from '../nats/signers.ts'
import type { DenialOptions } from '../nats/responder.ts'
import { startMicroService } from '../nats/micro-service.ts'
import { createTokenVerifier, type OidcTokenVerifier } from '../oidc/token-verifier.ts'
import type { AuditWriter } from '../service/audit-writer.ts'
import { Authorizer } from '../service/authorizer.ts'
import { createBatchedPolicyReader } from '../service/batched-policy-reader.ts'
import { systemClock as clock } from '../service/clock.ts'
import type { CalloutEvents, ReadinessProbe } from '../service/events.ts'
import { countRequests } from '../service/request-statistics.ts'
import { createFailureLimits } from '../service/failure-limits.ts'
import { SpannerDatabase } from '../spanner/database.ts'
import { StoreHealth } from '../spanner/health.ts'
import { requireKnownSchema } from '../spanner/migrations.ts'
import { createPolicyReader } from '../spanner/policy-store.ts'
import { createEvents } from '../telemetry/events.ts'
import { HttpEndpoints, type HttpOptions } from '../telemetry/http.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { openAuditTrail } from './audit-trail.ts'
import { startHistory } from './history.ts'
import { CommandFailure, EXIT } from './io.ts'
import { connectionName, openSystemAccount, startMember, watchLoop, type SystemAccount } from './member.ts'
import { createSigners } from './signers.ts'
import { SERVICE_VERSION } from './version.ts'

/** Pause between two looks at a database that does not answer at the start. */
const SCHEMA_RETRY_MS = 1000
const SCHEMA_TIMEOUT_MS = 2000
/**
 * A member that joins without the keys of an issuer refuses its clients, whom another member would have served. But an
 * issuer that hangs does not keep it from the clients of the others.
 */
const ISSUERS_WITHIN_MS = 5000

export interface CalloutService extends AsyncDisposable {
  /** Where `/livez`, `/readyz` and `/metrics` are. */
  readonly httpUrl: string
  /** Settles when the connection to nats-server has ended for good without being asked to. */
  readonly ended: Promise<Error | undefined>
}

export interface ComposeOptions {
  readonly config: Config
  readonly secrets: Secrets
  /** `SPANNER_EMULATOR_HOST`, if set. */
  readonly emulatorHost: string | undefined
  readonly logger: Logger
  readonly metrics: Metrics
  readonly instanceId: string
  /** Gives up starting. */
  readonly signal: AbortSignal
}

/**
 * Builds the service bottom up and starts it: health endpoints first, then the store, the issuers, and last the
 * subscription. Parts that do not answer yet are waited for, issuers only for a moment; only a wrong schema or set-up throws.
 * Disposal stops in the reverse order, so that requests in flight find everything they need.
 */
export async function startCallout(options: ComposeOptions): Promise<CalloutService> {
  const { config, secrets, logger, metrics, instanceId, signal } = options
  await using stack = new AsyncDisposableStack()
  const { statistics, events } = countRequests(createEvents({ logger, metrics, clock }))
  const probes: ReadinessProbe[] = []
  const http = stack.use(await listening({ listen: config.http.listen, probes, metrics, logger }))

  const emulator = options.emulatorHost === undefined ? {} : { emulatorHost: options.emulatorHost }
  const database = stack.use(new SpannerDatabase({ ...config.store, clock, events, ...emulator }))
  const subscription = awaitedPart('subscription', probes)
  subscription.waitingFor('starting')
  const schema = awaitedPart('schema', probes)
  await knownSchema(database, schema.waitingFor, signal)
  schema.done()
  const health = stack.use(new StoreHealth({ database, clock, instanceId, version: SERVICE_VERSION }))
  startHistory({ ...config.store, ...emulator, instanceId, events, metrics }, stack)
  const verifier = stack.use(createVerifier(config, events, metrics))
  const issuersTried = verifier.start()
  probes.push(health.probe, verifier.readiness)

  const auditWriter = await openAuditTrail({ ...options, database, newId, events, probes }, stack)

  const { servers, queue } = config.nats
  const { login: credentials } = secrets.nats
  const tls = secrets.nats.tls === undefined ? {} : { tls: secrets.nats.tls }
  const name = connectionName(instanceId)
  const link = stack.use(new NatsLink({ servers, credentials, ...tls, name, clock, events }))
  probes.push(link.probe)
  const connection = await openUnlessAborted(link, signal)

  await settledWithin(issuersTried, ISSUERS_WITHIN_MS, signal)

  const signers = createSigners(config, secrets)
  const system = openSystemAccount({ config, secrets, instanceId, events }, stack)
  const loop = stack.use(watchLoop())
  const refusedAllows = stack.use(new RefusedAllows({ connection, clock, events }))
  const followedEvents = followed(events, refusedAllows)
  const authorizer = createAuthorizer(options, { database, verifier, auditWriter, signers, events: followedEvents })
  stack.defer(() => authorizer.flush())
  const endpoint = new CalloutEndpoint({
    connection,
    isConnected: () => link.connected,
    queue,
    decode: createRequestDecoder({ signers, xkeys: xkeysOf(secrets), clock }),
    encode: createResponseEncoder(signers, clock),
    denials: denialsOf(config, system),
    handler: authorizer,
    inFlightMax: config.callout.maxInFlight,
    answerWithinMs: config.callout.deadlineMs,
    arrivalMs: () => loop.arrivalMs(),
    clock,
    events,
  })
  startMember({ link, connection, group: endpoint, loop, storeProbe: health.probe, system, instanceId, events }, stack)
  const metadata = { host: hostname(), mode: signers.mode }
  const identity = { id: instanceId, version: SERVICE_VERSION, queue, metadata }
  const isConnected = (): boolean => link.connected
  stack.use(startMicroService({ connection, isConnected, ...identity, statistics, clock, events }))
  stack.use(endpoint)
  subscription.done()
  probes.push(endpoint.probe, refusedAllows.probe)
  const started = stack.move()
  return {
    httpUrl: http.url,
    ended: link.closed,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

/** Tells of each allow that was answered, for what nats-server makes of it. */
function followed(events: CalloutEvents, refusedAllows: RefusedAllows): CalloutEvents {
  return {
    ...events,
    decided(entry, durations, recorded, delivery) {
      events.decided(entry, durations, recorded, delivery)
      const { decision, request } = entry
      if (decision.outcome !== 'allow' || delivery !== 'sent') return
      const { server, client } = request
      refusedAllows.answered({ serverId: server.id, connectionId: client.connectionId, decisionId: decision.id })
    },
  }
}

interface Parts {
  readonly database: SpannerDatabase
  readonly verifier: OidcTokenVerifier
  readonly auditWriter: AuditWriter
  readonly signers: Signers
  readonly events: CalloutEvents
}

function createAuthorizer({ config, instanceId }: ComposeOptions, parts: Parts): Authorizer {
  const { database, verifier, auditWriter, signers, events } = parts
  const { callout, limits, session, token } = config
  return new Authorizer({
    verifier,
    policyReader: createBatchedPolicyReader({
      reader: createPolicyReader(database),
      waitingMax: callout.maxInFlight,
      clock,
      events,
    }),
    auditWriter,
    failureLimits: createFailureLimits({ ...limits, clock }),
    userJwtIssuer: createUserJwtIssuer(signers),
    clock,
    newDecisionId: newId,
    random,
    events,
    rules: {
      accounts: callout.accounts,
      maxMs: session.maxMs,
      jitter: session.jitter,
      minRemainingMs: session.minRemainingMs,
    },
    tokenSources: token.sources,
    tokenBytesMax: token.maxBytes,
    deadlineMs: callout.deadlineMs,
    instanceId,
    serviceVersion: SERVICE_VERSION,
  })
}

function createVerifier(config: Config, events: CalloutEvents, metrics: Metrics): OidcTokenVerifier {
  const { issuers, token } = config
  const verifier = createTokenVerifier({ issuers, clock, events, maxTokenBytes: token.maxBytes, random })
  metrics.observeKeySetAges(() => verifier.keySetAges())
  return verifier
}

/** Settles as the work does, or after so long. Rejects with an `AbortError` when the signal comes first. */
async function settledWithin(work: Promise<void>, withinMs: number, signal: AbortSignal): Promise<void> {
  const settled = new AbortController()
  const patience = delay(withinMs, undefined, { signal: AbortSignal.any([signal, settled.signal]) })
  try {
    await Promise.race([work, patience])
  } finally {
    settled.abort()
  }
}

/** A database that is away at the start may come back; a schema of another release does not mend itself. */
async function knownSchema(
  database: SpannerDatabase,
  waitingFor: (why: string) => void,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted()
    try {
      return await requireKnownSchema(database, clock.monotonicMs() + SCHEMA_TIMEOUT_MS)
    } catch (error) {
      if (!(error instanceof CalloutError) || error.code !== 'ERR_STORE_UNAVAILABLE') throw error
      waitingFor(error.message)
    }
    await delay(SCHEMA_RETRY_MS, undefined, { signal })
  }
}

function denialsOf({ deny }: Config, system: SystemAccount | undefined): DenialOptions {
  const disconnects = system !== undefined && deny.whenUnavailable === 'disconnect'
  return { mode: deny.mode, ...(disconnects ? { kick: system.kick } : {}) }
}

/** A signal ends the attempts to connect; once there is a connection, it has to outlive the signal until all is answered. */
async function openUnlessAborted(link: NatsLink, signal: AbortSignal): ReturnType<NatsLink['open']> {
  const giveUp = (): void => void link.close()
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    signal.throwIfAborted()
    return await link.open()
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}

/** A line of `/readyz` that is there only until the part is. */
function awaitedPart(part: string, probes: ReadinessProbe[]): { waitingFor: (why: string) => void; done: () => void } {
  let why = 'not looked at yet'
  const probe: ReadinessProbe = () => [{ part, ready: false, why }]
  probes.push(probe)
  return {
    waitingFor: (now) => {
      why = now
    },
    done: () => {
      probes.splice(probes.indexOf(probe), 1)
    },
  }
}

function xkeysOf({ xkeySeeds }: Secrets): XKey[] {
  return xkeySeeds.map(({ seed, label }) => createXKey(seed, label))
}

/** A UUIDv7. */
function newId(nowMs: number): string {
  return decisionId(nowMs, randomBytes(DECISION_ID_RANDOM_BYTES))
}

/** Uniform in [0, 1). */
function random(): number {
  return randomBytes(4).readUInt32BE() / 2 ** 32
}

/** Names one run of the service in the audit: never used again, not even by the same host. */
export function newInstanceId(): string {
  return randomUUID()
}

async function listening(options: HttpOptions): Promise<HttpEndpoints> {
  try {
    return await HttpEndpoints.listen(options)
  } catch (error) {
    const { host, port } = options.listen
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    const line = `cannot listen on ${host}:${port} (${why}); choose another http.listen`
    throw new CommandFailure(EXIT.failure, [line], { cause: error })
  }
}
