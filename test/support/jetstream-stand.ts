import assert from 'node:assert/strict'
import path from 'node:path'
import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream'
import { errors, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node'
import { privateDirectory } from '../../src/dev/child-process.ts'
import { locateNatsServer, type NatsServerBinary } from '../../src/dev/locate-nats-server.ts'
import { OLDEST_TESTED_VERSION } from '../../src/dev/nats-server-release.ts'
import { startNatsServer } from '../../src/dev/nats-server.ts'
import { decide, type AccountRules } from '../../src/core/decide.ts'
import type { Grant } from '../../src/core/grant.ts'
import { privateInboxPrefix } from '../../src/core/inbox.ts'
import type { ScriptedHandler } from './nats.ts'
import { aDecisionInput, aGrant, anIdentity, aPolicy, sessionRules } from './builders.ts'
import { anIssuer, calloutConfig, connectClient, startService } from './nats.ts'

/** The servers between which the forms of JetStream's subjects could differ. */
export async function testedServers(): Promise<readonly NatsServerBinary[]> {
  const oldest = await locateNatsServer(() => {}, { env: { NATS_SERVER_VERSION: OLDEST_TESTED_VERSION } })
  return [oldest, await locateNatsServer()]
}

export interface StandOptions {
  readonly binary: NatsServerBinary
  readonly account?: AccountRules
  /** Lines for nats-server.conf. */
  readonly serverConfig?: string
}

/** What a grant of a test says; the rest is as for everybody. */
export type GrantText = Pick<Grant, 'action' | 'subject'> & Partial<Grant>

/** A client that got in, and every refusal by nats-server that it heard of. */
export interface GrantedClient {
  readonly connection: NatsConnection
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  /** `publish <subject>` or `subscribe <subject>`, in order. */
  readonly refusals: string[]
}

/** A nats-server with JetStream in the account APP, and the callout that lets clients in with what is granted to them. */
export interface JetStreamStand extends AsyncDisposable {
  readonly url: string
  /** May do everything in APP. */
  readonly admin: GrantedClient
  /** Connects as the user of that name, who has these grants and nothing else. */
  client(user: string, grants: readonly GrantText[], options?: NodeConnectionOptions): Promise<GrantedClient>
}

/**
 * Decides by the production code on grants in memory, and answers nats-server by the production code. Clients have the
 * private inbox of their principal, unless the account or the options say otherwise.
 */
export async function startJetStreamStand(options: StandOptions): Promise<JetStreamStand> {
  await using stack = new AsyncDisposableStack()
  const directory = privateDirectory('callout-jetstream')
  stack.defer(() => directory.remove())
  const issuer = anIssuer()
  const config = calloutConfig({ issuer: issuer.key.publicKey }).replace('APP {}', 'APP { jetstream: enabled }')
  const server = stack.use(
    await startNatsServer({
      path: options.binary.path,
      config: `${config}
        server_name: jetstream
        jetstream { store_dir: "${path.join(directory.path, 'store')}" }
        ${options.serverConfig ?? ''}`,
    }),
  )
  const granted = new Map<string, readonly GrantText[]>()
  const handler = handlerFor(granted, options.account ?? { inbox: 'private' })
  stack.use(await startService({ url: server.url, issuer: issuer.key, handler }))

  const clients = stack.use(new AsyncDisposableStack())
  const client: JetStreamStand['client'] = async (user, grants, connectOptions = {}) => {
    granted.set(user, grants)
    const connection = await connectClient(server.url, {
      token: user,
      inboxPrefix: privateInboxPrefix(anIdentity({ subject: user })),
      ...connectOptions,
    })
    clients.defer(() => connection.close())
    return {
      connection,
      js: jetstream(connection, { timeout: REQUEST_TIMEOUT_MS }),
      jsm: await jetstreamManager(connection, { checkAPI: false, timeout: REQUEST_TIMEOUT_MS }),
      refusals: refusalsOf(connection),
    }
  }
  const everything = [
    { action: 'publish', subject: '>' },
    { action: 'subscribe', subject: '>' },
  ] as const
  const admin = await client('admin', everything)
  const started = stack.move()
  return { url: server.url, admin, client, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

const REQUEST_TIMEOUT_MS = 10_000

function handlerFor(granted: ReadonlyMap<string, readonly GrantText[]>, account: AccountRules): ScriptedHandler {
  return async ({ credentials, client }, say, allow) => {
    const user = credentials.authToken ?? ''
    const grants = (granted.get(user) ?? []).map((grant, index) =>
      aGrant({ id: `g${index}`, principal: `user:corp:${user}`, ...grant }),
    )
    const nowMs = Date.now()
    const identity = anIdentity({ subject: user, token: { expiresAt: Math.floor(nowMs / 1000) + 3600 } })
    const rules = sessionRules({ accounts: new Map([['APP', account]]) })
    const decision = decide(aDecisionInput({ identity, connection: client, policy: aPolicy({ grants }), rules, nowMs }))
    if (decision.outcome === 'deny') await say({ deny: decision.reason })
    else await say(allow({ permissions: decision.permissions, account: decision.account }))
  }
}

function refusalsOf(connection: NatsConnection): string[] {
  const refusals: string[] = []
  void (async () => {
    for await (const status of connection.status()) {
      if (status.type === 'error' && status.error instanceof errors.PermissionViolationError)
        refusals.push(`${status.error.operation} ${status.error.subject}`)
    }
  })()
  return refusals
}

/** Refusals that nats-server has told the client by now, none of them kept for the next time. */
export async function takeRefusals({ connection, refusals }: GrantedClient): Promise<string[]> {
  await connection.flush()
  // The server answers in order; one turn lets the loop over the statuses see it.
  await new Promise(setImmediate)
  return refusals.splice(0)
}

/** Fails unless the operation is refused for the permission to publish on a subject with this beginning. */
export async function assertRefused(
  client: GrantedClient,
  subject: string,
  operation: () => Promise<unknown>,
): Promise<void> {
  await takeRefusals(client)
  await operation().catch(() => {})
  const refusals = await takeRefusals(client)
  const wanted = `publish ${subject}`
  assert.ok(
    refusals.some((refusal) => refusal.startsWith(wanted)),
    `expected ${wanted}, was refused ${JSON.stringify(refusals)}`,
  )
}

/** Fails when nats-server refused the client anything since the last look. */
export async function assertNothingRefused(client: GrantedClient): Promise<void> {
  assert.deepEqual(await takeRefusals(client), [])
}
