import { errors } from '@nats-io/transport-node'
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import type { Clock } from '../service/ports.ts'

/** One server as it describes itself (VARZ). Texts come from the server and are not checked. */
export interface ServerFacts {
  readonly id: string
  readonly name: string
  readonly version: string
  readonly authTimeoutMs: number
  /** Bytes. */
  readonly maxControlLine: number
  /** Bytes. */
  readonly maxPayload: number
  readonly systemAccount: string
  readonly operatorMode: boolean
  /** Server time minus ours, give or take half of the round trip. */
  readonly clockOffsetMs: number
  readonly roundTripMs: number
}

/** One connection (CONNZ). `user` may be attacker text or, from old servers, a token: compare it, never show it. */
export interface ConnectionFacts {
  readonly serverId: string
  readonly connectionId: number
  readonly account: string
  readonly user: string
  readonly name: string
  readonly address: string
  readonly subscriptions: readonly { readonly subject: string; readonly queue?: string }[]
}

export interface AccountFacts {
  readonly serverId: string
  /** Whether the server knows the account. */
  readonly found: boolean
  readonly leafNodes: number
  /** Subjects that other accounts may import. */
  readonly exports: readonly string[]
  /** Operator mode: from the JWT of the account. Scoped keys, which may not sign what we sign, are left out. */
  readonly signingKeys: readonly string[]
  readonly authorization?: {
    readonly users: readonly string[]
    readonly allowedAccounts: readonly string[]
    readonly xkey?: string
  }
}

/** The user is not of the system account, or may not ask. */
export class SystemRefusal extends Error {
  override readonly name = 'SystemRefusal'
}

/** Questions to all servers of the cluster over the system account (nats-server `server/events.go`). They change nothing. */
export interface SystemQuestions {
  servers(): Promise<readonly ServerFacts[]>
  /** Names of the accounts that each server knows, by server id; in operator mode public keys of those in use. */
  accounts(): Promise<ReadonlyMap<string, readonly string[]>>
  account(name: string): Promise<readonly AccountFacts[]>
  /** One connection of one server. */
  connection(serverId: string, connectionId: number): Promise<ConnectionFacts | undefined>
  /** The first `CONNECTIONS_MAX` connections of each server in an account; `complete` says whether that is all. */
  connections(
    account: string,
  ): Promise<{ readonly connections: readonly ConnectionFacts[]; readonly complete: boolean }>
}

/** Far more than a person reads, and still one answer below the usual 1 MiB of `max_payload`. */
const CONNECTIONS_MAX = 1024
/** From the first answer to the last; a server that takes longer is not counted. */
const GATHER_WITHIN_MS = 2000

/** `connection` is logged in to the system account. Answers that are not as nats-server gives them are passed over. */
export function createSystemQuestions(
  connection: NatsConnection,
  clock: Pick<Clock, 'monotonicMs' | 'nowMs'>,
): SystemQuestions {
  let serverCount: number | undefined
  const ask = async (question: string, body: object = {}): Promise<readonly Reply[]> => {
    // Who answers is not known before the first round; it ends when no more answers come.
    const until =
      serverCount === undefined
        ? ({ strategy: 'stall' } as const)
        : ({ strategy: 'count', maxMessages: serverCount } as const)
    const sentMs = clock.monotonicMs()
    const replies: Reply[] = []
    try {
      const options = { ...until, maxWait: GATHER_WITHIN_MS }
      const messages = await connection.requestMany(`$SYS.REQ.SERVER.PING.${question}`, JSON.stringify(body), options)
      for await (const message of messages) replies.push(replyOf(message, clock, sentMs))
    } catch (error) {
      if (error instanceof errors.TimeoutError) return replies
      throw new SystemRefusal(error instanceof Error ? error.message : 'an error without a message', { cause: error })
    }
    return replies
  }
  return {
    async servers() {
      const replies = await ask('VARZ')
      if (replies.length === 0) throw new SystemRefusal('no server answered')
      serverCount = replies.length
      return replies.map(serverFacts)
    },
    async accounts() {
      const replies = await ask('ACCOUNTZ')
      return new Map(replies.map(({ server, data }) => [text(server, 'id'), texts(data['accounts'])] as const))
    },
    async account(name) {
      return (await ask('ACCOUNTZ', { account: name })).map(({ server, data }) =>
        accountFacts(text(server, 'id'), object(data['account_detail'])),
      )
    },
    async connection(serverId, connectionId) {
      // Each server is asked for its connection of this number; numbers are told apart by the server only.
      const replies = await ask('CONNZ', { cid: connectionId, auth: true })
      const reply = replies.find(({ server }) => text(server, 'id') === serverId)
      return objects(reply?.data['connections']).map((entry) => connectionFacts(serverId, entry))[0]
    },
    async connections(account) {
      const body = { acc: account, auth: true, subscriptions_detail: true, limit: CONNECTIONS_MAX }
      const replies = await ask('CONNZ', body)
      const lists = replies.map(({ server, data }) =>
        objects(data['connections']).map((entry) => connectionFacts(text(server, 'id'), entry)),
      )
      return { connections: lists.flat(), complete: lists.every((list) => list.length < CONNECTIONS_MAX) }
    },
  }
}

type Fields = Readonly<Record<string, unknown>>

interface Reply {
  readonly server: Fields
  readonly data: Fields
  readonly clockOffsetMs: number
  readonly roundTripMs: number
}

function replyOf(message: Msg, clock: Pick<Clock, 'monotonicMs' | 'nowMs'>, sentMs: number): Reply {
  const roundTripMs = clock.monotonicMs() - sentMs
  const envelope = parsed(message)
  const server = object(envelope['server'])
  const serverMs = Date.parse(text(server, 'time'))
  const clockOffsetMs = serverMs - (clock.nowMs() - roundTripMs / 2)
  return { server, data: object(envelope['data']), clockOffsetMs, roundTripMs }
}

function serverFacts({ server, data, clockOffsetMs, roundTripMs }: Reply): ServerFacts {
  return {
    id: text(server, 'id'),
    name: text(server, 'name'),
    version: text(server, 'ver'),
    authTimeoutMs: number(data, 'auth_timeout') * 1000,
    maxControlLine: number(data, 'max_control_line'),
    maxPayload: number(data, 'max_payload'),
    systemAccount: text(data, 'system_account'),
    operatorMode: Array.isArray(data['trusted_operators_claim']) || Array.isArray(data['trusted_operators_jwt']),
    clockOffsetMs,
    roundTripMs,
  }
}

function accountFacts(serverId: string, detail: Fields): AccountFacts {
  const claims = object(object(detail['decoded_jwt'])['nats'])
  const xkey = text(object(claims['authorization']), 'xkey')
  return {
    serverId,
    found: text(detail, 'account_name') !== '',
    leafNodes: number(detail, 'leafnode_connections'),
    exports: objects(detail['exports']).map((entry) => text(entry, 'subject')),
    signingKeys: texts(claims['signing_keys']),
    ...(claims['authorization'] === undefined
      ? {}
      : {
          authorization: {
            users: texts(object(claims['authorization'])['auth_users']),
            allowedAccounts: texts(object(claims['authorization'])['allowed_accounts']),
            ...(xkey === '' ? {} : { xkey }),
          },
        }),
  }
}

function connectionFacts(serverId: string, entry: Fields): ConnectionFacts {
  return {
    serverId,
    connectionId: number(entry, 'cid'),
    account: text(entry, 'account'),
    user: text(entry, 'authorized_user'),
    name: text(entry, 'name'),
    address: `${text(entry, 'ip')}:${number(entry, 'port')}`,
    subscriptions: objects(entry['subscriptions_list_detail']).map((subscription) => {
      const queue = text(subscription, 'qgroup')
      return { subject: text(subscription, 'subject'), ...(queue === '' ? {} : { queue }) }
    }),
  }
}

function parsed(message: Msg): Fields {
  try {
    return object(message.json<unknown>())
  } catch {
    // Not JSON: not an answer of nats-server, so it has no fields.
    return {}
  }
}

function object(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

function objects(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.map(object) : []
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : []
}

function text(fields: Fields, name: string): string {
  const value = fields[name]
  return typeof value === 'string' ? value : ''
}

function number(fields: Fields, name: string): number {
  const value = fields[name]
  return typeof value === 'number' ? value : Number.NaN
}
