import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below the ports that Linux (32768 and up) and macOS (49152 and up) give to outgoing connections. A server that is
 * restarted on its port must find it free; with a port of the outgoing range, any connection on the machine may take it
 * meanwhile, and a client that keeps dialling it can even end up connected to itself.
 */
const LOWEST_PORT = 20_000
const HIGHEST_PORT = 32_767

/** More than one hundred ports in use in a row means that something else is wrong. */
const MAX_ATTEMPTS = 100

/** A TCP port of 127.0.0.1 that nobody listens on at this moment. It is not reserved: another process may take it. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const port = randomInt(LOWEST_PORT, HIGHEST_PORT + 1)
    if (await isFree(port)) return port
  }
  throw new Error(`no free port between ${LOWEST_PORT} and ${HIGHEST_PORT} in ${MAX_ATTEMPTS} attempts`)
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen({ port, host: '127.0.0.1', exclusive: true })
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
