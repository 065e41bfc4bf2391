import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** A TCP proxy on 127.0.0.1 between a client and a server, to be slow or to lose connections in silence. */
export interface TcpProxy extends AsyncDisposable {
  /** `127.0.0.1:<port>` */
  readonly host: string
  /** Bytes in both directions arrive so much later. */
  setDelay(delayMs: number): void
  /** Connections that are open now swallow everything from here on, as behind a firewall that forgot them; new ones work. */
  silenceConnections(): void
  /** New connections are taken and swallow everything too, until `restore()`. */
  silenceEverything(): void
  restore(): void
  /** Connections taken so far. */
  connections(): number
}

export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const [targetHost, targetPort] = target.split(':')
  const sockets = new Set<Socket>()
  let silenced = new WeakSet<Socket>()
  let delayMs = 0
  let isSilent = false
  let count = 0
  const server = createServer((client) => {
    count++
    const upstream = connect({ host: targetHost ?? '', port: Number(targetPort) })
    if (isSilent) silenced.add(client)
    const forward = (from: Socket, to: Socket): void => {
      sockets.add(from)
      from.on('data', (chunk) => {
        if (silenced.has(client)) return
        setTimeout(() => to.write(chunk), delayMs)
      })
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        // After what was said before.
        if (!silenced.has(client)) setTimeout(() => to.destroySoon(), delayMs)
      })
    }
    forward(client, upstream)
    forward(upstream, client)
    sockets.add(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const silenceConnections = (): void => {
    for (const socket of sockets) silenced.add(socket)
  }
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    setDelay: (ms) => {
      delayMs = ms
    },
    silenceConnections,
    silenceEverything() {
      isSilent = true
      silenceConnections()
    },
    restore() {
      isSilent = false
    },
    connections: () => count,
    async [Symbol.asyncDispose]() {
      silenced = new WeakSet()
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
