import { once } from 'node:events'
import { createServer } from 'node:http'
import type { RequestListener, ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'

/**
 * What a server does in place of an answer: accept and say nothing, send a byte at a time, send 200 MiB as fast as they are
 * taken, send what has no content, a web page, a redirect to `/moved`, half an answer, change to another protocol.
 */
export type Misbehaviour = 'hang' | 'drip' | 'huge' | 'empty' | 'page' | 'redirect' | 'truncated' | 'upgrade'

export interface LoopbackServer extends AsyncDisposable {
  readonly origin: string
}

export async function listenOnLoopback(
  listener: RequestListener,
  tls: { key: string; cert: string } | undefined,
): Promise<LoopbackServer> {
  const server = tls === undefined ? createServer(listener) : createHttpsServer(tls, listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** `body` is what a good answer would be, and `empty` one without content. */
export function misbehave(response: ServerResponse, mode: Misbehaviour, body: string, empty: string): void {
  switch (mode) {
    case 'hang':
      return
    case 'drip': {
      response.write(body.slice(0, 1))
      const timer = setInterval(() => response.write(' '), 5)
      response.on('close', () => clearInterval(timer))
      return
    }
    case 'huge':
      Readable.from(hugeDocument()).pipe(response)
      return
    case 'empty':
      response.end(empty)
      return
    case 'page':
      response.setHeader('content-type', 'text/html')
      response.end('<!doctype html><p>Sign in to the network')
      return
    case 'redirect':
      response.writeHead(307, { location: '/moved' }).end()
      return
    case 'truncated':
      response.setHeader('content-length', body.length)
      response.write(body.slice(0, body.length / 2), () => response.destroy())
      return
    case 'upgrade':
      response.socket?.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n')
      return
    default:
      throw new TypeError(`unknown mode ${String(mode)}`)
  }
}

function* hugeDocument(): Generator<string> {
  yield '{"padding":"'
  const padding = 'x'.repeat(1024 * 1024)
  for (let mebibytes = 0; mebibytes < 200; mebibytes += 1) yield padding
  yield '"}'
}
