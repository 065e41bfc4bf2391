import {
  connect,
  credsAuthenticator,
  errors,
  type NatsConnection,
  type NodeConnectionOptions,
} from '@nats-io/transport-node'
import type { LocalStack, RunningService } from '../../src/dev/stack.ts'
import { stringValue } from '../../src/spanner/values.ts'
import { inMs } from './spanner.ts'

export interface Attempt {
  /** CONNECT option `auth_token`. */
  readonly token?: string
  readonly user?: string
  readonly pass?: string
  readonly name?: string
  /** For mutual TLS, PEM texts; certificates are compared with names, so the server is called localhost then. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string }
}

/** Connects as a client with these credentials; undefined when the server refused it, anything else is thrown. */
export async function tryConnect(stack: LocalStack, attempt: Attempt): Promise<NatsConnection | undefined> {
  try {
    const servers = attempt.tls === undefined ? stack.nats.url : `nats://localhost:${stack.nats.port}`
    return await connect({ servers, reconnect: false, timeout: 5000, ...attempt, ...sentinelOf(stack) })
  } catch (error) {
    if (error instanceof errors.AuthorizationError) return undefined
    throw error
  }
}

/** What a client of this stack has to bring beside its token. */
export function sentinelOf({ sentinelCreds }: LocalStack): NodeConnectionOptions {
  return sentinelCreds === undefined ? {} : { authenticator: credsAuthenticator(sentinelCreds) }
}

/** Whether a client with these credentials gets in; it leaves again at once. */
export async function isAdmitted(stack: LocalStack, attempt: Attempt): Promise<boolean> {
  const connection = await tryConnect(stack, attempt)
  await connection?.close()
  return connection !== undefined
}

export interface DecisionRow {
  readonly outcome: string
  readonly reason: string | undefined
  readonly principal: string | undefined
  readonly detail: string | undefined
}

/** The rows of the connections that called themselves `name`, oldest first. */
export async function decisionsOf(stack: LocalStack, name: string): Promise<DecisionRow[]> {
  const rows = await stack.database.query(
    'SELECT Outcome, Reason, Principal, ReasonDetail FROM Decisions WHERE ClientName = @name ORDER BY DecidedAt',
    { name: { value: stringValue(name), type: 'STRING' } },
    inMs(5000),
  )
  return rows.map((row) => {
    const [outcome, reason, principal, detail] = row.map((value) => value.stringValue ?? undefined)
    return { outcome: outcome ?? '', reason, principal, detail }
  })
}

/** Connects under a name of its own and returns what became of it, and the row. */
export async function judged(
  stack: LocalStack,
  attempt: Attempt,
): Promise<{ readonly admitted: boolean; readonly rows: readonly DecisionRow[] }> {
  const name = `client-${(attempts += 1)}`
  const admitted = await isAdmitted(stack, { name, ...attempt })
  return { admitted, rows: await decisionsOf(stack, attempt.name ?? name) }
}

let attempts = 0

/** The value of one series of `/metrics`. */
export async function metric(service: RunningService, series: string): Promise<number> {
  const text = await (await fetch(`${service.httpUrl}/metrics`)).text()
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `))
  if (line === undefined) throw new Error(`no series ${series}`)
  return Number(line.slice(series.length + 1))
}

/** The lines of `/readyz` that are not ready. */
export async function notReady(service: RunningService): Promise<string[]> {
  const text = await (await fetch(`${service.httpUrl}/readyz`)).text()
  return text.split('\n').filter((line) => line.startsWith('[-]'))
}
