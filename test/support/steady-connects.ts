import { connect, errors, type NodeConnectionOptions } from '@nats-io/transport-node'

/** What became of clients that connected one after the other. */
export interface SteadyConnects {
  readonly admitted: number
  /** Clients that a server turned away. */
  readonly refused: number
  /** Attempts that found no server, or one that ended meanwhile; the client tries again, as any does. */
  readonly unreached: number
  /** From the first attempt to the connection, of the slowest. */
  readonly slowestMs: number
  stop(): Promise<void>
}

/** Keeps `lanes` clients connecting, each to any of the servers as they are then and leaving at once, until told to stop. */
export function steadyConnects(
  servers: readonly string[],
  credentials: NodeConnectionOptions,
  lanes: number,
): SteadyConnects {
  const stopping = new AbortController()
  const seen = { admitted: 0, refused: 0, unreached: 0, slowestMs: 0 }
  const visit = async (): Promise<void> => {
    const startedMs = performance.now()
    while (!stopping.signal.aborted) {
      try {
        const connection = await connect({ servers: [...servers], reconnect: false, timeout: 5000, ...credentials })
        seen.admitted += 1
        seen.slowestMs = Math.max(seen.slowestMs, performance.now() - startedMs)
        await connection.close()
        return
      } catch (error) {
        if (error instanceof errors.AuthorizationError) {
          seen.refused += 1
          return
        }
        seen.unreached += 1
      }
    }
  }
  const lane = async (): Promise<void> => {
    while (!stopping.signal.aborted) await visit()
  }
  const running = Promise.all(Array.from({ length: lanes }, lane))
  const stop = async (): Promise<void> => {
    stopping.abort()
    await running
  }
  return {
    get admitted() {
      return seen.admitted
    },
    get refused() {
      return seen.refused
    },
    get unreached() {
      return seen.unreached
    },
    get slowestMs() {
      return seen.slowestMs
    },
    stop,
  }
}
