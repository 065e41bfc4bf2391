import { connect, type Socket } from 'node:net'

/** What nats-server says to everybody who reaches its port, before any login (INFO of the client protocol). */
export interface Greeting {
  readonly serverId: string
  /** `major.minor.patch`, perhaps with a suffix. */
  readonly version: string
  readonly tlsRequired: boolean
  /** Bytes. */
  readonly maxPayload: number
}

const DEFAULT_PORT = 4222
/** An INFO of a large cluster has some 10 KiB of addresses. */
const GREETING_BYTES_MAX = 64 * 1024

/**
 * Reads the greeting of the server at `nats://host:port` and hangs up. Throws an `Error` whose message is safe to show when
 * nobody listens, nobody speaks within `withinMs`, or what is said is not the greeting of a nats-server. A server that begins
 * with TLS (`handshake_first`) says nothing in the clear and so counts as silent.
 */
export async function readGreeting(address: string, withinMs: number): Promise<Greeting> {
  const url = new URL(address)
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const socket = connect({ host, port: url.port === '' ? DEFAULT_PORT : Number(url.port) })
  let connected = false
  socket.once('connect', () => {
    connected = true
  })
  const timer = setTimeout(() => {
    socket.destroy(
      new Error(connected ? `connected, but no greeting within ${withinMs} ms` : `no connection within ${withinMs} ms`),
    )
  }, withinMs)
  try {
    return parseGreeting(await firstLine(socket))
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
}

async function firstLine(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (chunk.includes('\n')) break
    if (size > GREETING_BYTES_MAX) throw new Error('what listens there is not a nats-server')
  }
  const [line = ''] = Buffer.concat(chunks).toString('utf8').split('\n', 1)
  return line
}

function parseGreeting(line: string): Greeting {
  const info = /^INFO (\{.*\})\s*$/.exec(line)?.[1]
  const { server_id: serverId, version, tls_required: tlsRequired, max_payload: maxPayload } = parsedObject(info ?? '')
  if (typeof serverId !== 'string' || typeof version !== 'string' || typeof maxPayload !== 'number') {
    throw new Error('what listens there is not a nats-server')
  }
  return { serverId, version, tlsRequired: tlsRequired === true, maxPayload }
}

function parsedObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    // Not JSON, so not a nats-server; the caller says so.
    return {}
  }
}
