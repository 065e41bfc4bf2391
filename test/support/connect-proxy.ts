import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'

/** A real HTTP proxy that opens tunnels (CONNECT) and nothing else. */
export interface ConnectProxy extends AsyncDisposable {
  readonly url: string
  /** The `host:port` that it was asked for, in order. */
  readonly asked: readonly string[]
  /** What it answers; tunnels are opened with 200 only. */
  status: number
  /** Accept requests and say nothing. */
  isSilent: boolean
}

export async function startConnectProxy(): Promise<ConnectProxy> {
  const asked: string[] = []
  const open = new Set<Duplex>()
  const server = createServer((_, response) => response.writeHead(405).end())
  server.on('connect', (request, client: Duplex) => {
    const authority = request.url ?? ''
    asked.push(authority)
    open.add(client)
    client.on('error', () => client.destroy())
    if (proxy.isSilent) return
    if (proxy.status !== 200) {
      client.end(`HTTP/1.1 ${proxy.status} Refused\r\n\r\n`)
      return
    }
    const [host, port] = authority.split(':')
    const target = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      client.pipe(target).pipe(client)
    })
    open.add(target)
    target.on('error', () => client.destroy())
    client.on('close', () => target.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy: ConnectProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    status: 200,
    isSilent: false,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  return proxy
}
