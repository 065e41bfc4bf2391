import { connectAsync, type IClientOptions } from 'mqtt'
import { connect, errors, wsconnect, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node'
import { startNatsServer, type NatsServer } from '../../src/dev/nats-server.ts'
import { setTimeout as delay } from 'node:timers/promises'
import type { ConnectionType } from '../../src/core/connection-condition.ts'
import type { Listeners } from './client-kinds-stack.ts'

/** What a client presents, by the place in which it does. */
export interface Credentials {
  readonly token?: string
  readonly user?: string
  readonly pass?: string
  readonly tokenCookie?: string
  readonly passCookie?: string
}

/** A client that got in. Subjects are those of NATS, whatever the client calls them. */
export interface Session {
  publish(subject: string): Promise<void>
  subscribe(subject: string): Promise<void>
  /** Subjects of what arrived. */
  readonly heard: readonly string[]
  close(): Promise<void>
}

export interface ClientKind {
  readonly name: string
  /** `ClientKind` and `ConnectionType` of its rows. */
  readonly kind: string
  readonly type: string
  readonly connectionType: ConnectionType
  readonly hasTls?: true
  /** The token is in a cookie. */
  readonly hasCookie?: true
  /** nats-server takes the token for a user name, and logs that of a client that it refuses. */
  readonly isToldByServer?: true
  /** Undefined when the server refused it; anything else is thrown. */
  connect(listeners: Listeners, credentials: Credentials): Promise<Session | undefined>
  credentials(token: string): Credentials
  /** Where two places for a token reach the server beside each other. */
  readonly bothCredentials?: (one: string, other: string) => Credentials
}

const asToken = (token: string): Credentials => ({ token })
const asPassword = (pass: string): Credentials => ({ user: 'anyone', pass })
const tokenAndPassword = (token: string, pass: string): Credentials => ({ token, user: 'anyone', pass })

const NATS = {
  kind: 'Client',
  type: 'nats',
  connectionType: 'STANDARD',
  connect: connectNats,
  bothCredentials: tokenAndPassword,
} as const
const WEBSOCKET = { kind: 'Client', type: 'websocket', connectionType: 'WEBSOCKET', connect: connectWebSocket } as const
const LEAF_NODE = { kind: 'Leafnode', type: '', connectionType: 'LEAFNODE', connect: connectLeafNode } as const
const MQTT = { kind: 'Client', type: 'mqtt', connectionType: 'MQTT', credentials: asPassword } as const

export const CLIENT_KINDS: readonly ClientKind[] = [
  { ...NATS, name: 'TCP, with a token', credentials: asToken },
  { ...NATS, name: 'TCP, with a password', credentials: asPassword },
  { ...NATS, name: 'TLS', hasTls: true, credentials: asToken, connect: connectTls },
  { ...WEBSOCKET, name: 'WebSocket', credentials: asToken, bothCredentials: tokenAndPassword },
  {
    ...WEBSOCKET,
    name: 'WebSocket, with a token cookie',
    hasCookie: true,
    credentials: (tokenCookie) => ({ tokenCookie }),
    bothCredentials: (tokenCookie, passCookie) => ({ tokenCookie, passCookie }),
  },
  {
    ...WEBSOCKET,
    name: 'WebSocket, with a password cookie',
    hasCookie: true,
    credentials: (passCookie) => ({ passCookie }),
  },
  { ...MQTT, name: 'MQTT', connect: connectMqtt },
  { ...MQTT, name: 'MQTT over WebSocket', connect: connectMqttOverWebSocket },
  { ...LEAF_NODE, name: 'leaf node, with a token', isToldByServer: true, credentials: asToken },
  { ...LEAF_NODE, name: 'leaf node, with a password', credentials: asPassword },
]

async function connectNats({ nats }: Listeners, credentials: Credentials): Promise<Session | undefined> {
  return connectWith({ servers: `nats://127.0.0.1:${nats}`, tls: null, ...credentials })
}

async function connectTls({ nats, certificate }: Listeners, credentials: Credentials): Promise<Session | undefined> {
  return connectWith({ servers: `nats://localhost:${nats}`, tls: { ca: certificate }, ...credentials })
}

async function connectWith(options: NodeConnectionOptions): Promise<Session | undefined> {
  return unlessRefused(connect({ reconnect: false, timeout: 5000, ...options }))
}

async function connectWebSocket(
  { websocket }: Listeners,
  { tokenCookie, passCookie, ...credentials }: Credentials,
): Promise<Session | undefined> {
  const cookies = Object.entries({ token: tokenCookie, pass: passCookie }).filter(([, value]) => value !== undefined)
  const cookie = cookies.map(([name, value]) => `${name}=${value}`).join('; ')
  return unlessRefused(
    wsconnect({
      servers: `ws://127.0.0.1:${websocket}`,
      reconnect: false,
      timeout: 5000,
      ...credentials,
      wsFactory: async (url) => ({
        socket: new WebSocket(url, cookie === '' ? {} : { headers: { cookie } }),
        encrypted: false,
      }),
    }),
  )
}

async function unlessRefused(connecting: Promise<NatsConnection>): Promise<Session | undefined> {
  try {
    return natsSession(await connecting)
  } catch (error) {
    if (error instanceof errors.AuthorizationError) return undefined
    throw error
  }
}

function natsSession(connection: NatsConnection): Session {
  const heard: string[] = []
  return {
    heard,
    async publish(subject) {
      connection.publish(subject)
      await connection.flush()
    },
    async subscribe(subject) {
      connection.subscribe(subject, { callback: (error, message) => void (error ?? heard.push(message.subject)) })
      await connection.flush()
    },
    close: () => connection.close(),
  }
}

function connectMqtt({ mqtt }: Listeners, credentials: Credentials): Promise<Session | undefined> {
  return mqttSession(`mqtt://127.0.0.1:${mqtt}`, credentials)
}

function connectMqttOverWebSocket({ websocket }: Listeners, credentials: Credentials): Promise<Session | undefined> {
  return mqttSession(`ws://127.0.0.1:${websocket}/mqtt`, credentials)
}

/** Return code of CONNACK (MQTT 3.1.1 §3.2.2.3). */
const NOT_AUTHORIZED = 5

async function mqttSession(url: string, { user, pass }: Credentials): Promise<Session | undefined> {
  const options: IClientOptions = {
    protocolVersion: 4,
    reconnectPeriod: 0,
    connectTimeout: 10_000,
    ...(pass === undefined ? {} : { username: user ?? '', password: pass }),
  }
  try {
    const client = await connectAsync(url, options, false)
    const heard: string[] = []
    client.on('message', (topic) => void heard.push(topic.replaceAll('/', '.')))
    return {
      heard,
      async publish(subject) {
        await client.publishAsync(subject.replaceAll('.', '/'), '')
      },
      async subscribe(subject) {
        await client.subscribeAsync(subject.replaceAll('.', '/'))
      },
      close: () => client.endAsync(),
    }
  } catch (error) {
    if ((error as { code?: unknown }).code === NOT_AUTHORIZED) return undefined
    throw error
  }
}

/** A nats-server of its own, whose clients need no credentials, and a client of it. */
async function connectLeafNode(
  { leafNodes }: Listeners,
  { token, user, pass }: Credentials,
): Promise<Session | undefined> {
  const login = token === undefined ? (pass === undefined ? '' : `${user}:${pass}@`) : `${token}@`
  const remote = `nats-leaf://${login}127.0.0.1:${leafNodes}`
  const server = await startNatsServer({ config: `leafnodes { reconnect: "60s", remotes: [ { url: "${remote}" } ] }` })
  if (!(await isLinked(server))) {
    await server.stop()
    return undefined
  }
  const local = natsSession(await connect({ servers: server.url, reconnect: false }))
  return {
    ...local,
    async close() {
      await local.close()
      await server.stop()
    },
  }
}

/** Whether the leaf node got in, as soon as that is known. */
async function isLinked(server: NatsServer): Promise<boolean> {
  const deadline = performance.now() + 10_000
  while (performance.now() < deadline) {
    if (/Authorization Violation/i.test(server.log())) return false
    const { leafnodes } = (await (await fetch(`${server.monitorUrl}/leafz`)).json()) as { leafnodes: number }
    if (leafnodes > 0) return true
    await delay(20)
  }
  throw new Error(`the leaf node was neither admitted nor refused; its log:\n${server.log()}`)
}
