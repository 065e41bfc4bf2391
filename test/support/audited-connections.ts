import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { connect } from '@nats-io/transport-node'
import type { LocalStack } from '../../src/dev/stack.ts'
import type { SpannerDatabase } from '../../src/spanner/database.ts'
import { inMs } from './spanner.ts'

/** What nats-server itself says of who got in, in its events. */
export interface ConnectionWatch extends AsyncDisposable {
  /** Server and connection id of each client that a callout admitted. */
  readonly connected: ReadonlySet<string>
  /** Returns when every event of before has come. */
  flush(): Promise<void>
}

/** Watches from now on, also after nats-server was started again. */
export async function watchConnections({ directory, nats }: LocalStack): Promise<ConnectionWatch> {
  const pass = (await readFile(path.join(directory, 'secrets', 'sys.password'), 'utf8')).trim()
  const system = await connect({
    servers: nats.url,
    user: 'sys',
    pass,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
    ignoreAuthErrorAbort: true,
  })
  const connected = new Set<string>()
  system.subscribe('$SYS.ACCOUNT.*.CONNECT', {
    callback: (_, message) => {
      const { server, client } = message.json<{ server: { id: string }; client: { id: number; user?: string } }>()
      if (client.user?.startsWith('client:') === true) connected.add(`${server.id} ${client.id}`)
    },
  })
  await system.flush()
  return {
    connected,
    flush: () => system.flush(),
    [Symbol.asyncDispose]: () => system.close(),
  }
}

/** Connections that got in without a durable ALLOW row, of those that got in before the call. */
export async function unaudited(watch: ConnectionWatch, database: SpannerDatabase): Promise<string[]> {
  const connected = [...watch.connected]
  const rows = await database.query(
    "SELECT CONCAT(ServerId, ' ', CAST(ConnectionId AS STRING)) FROM Decisions WHERE Outcome = 'ALLOW'",
    {},
    inMs(10_000),
  )
  const allowed = new Set(rows.map((row) => row[0]?.stringValue))
  return connected.filter((connection) => !allowed.has(connection))
}

/** mulberry32: the same numbers in [0, 1) for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
