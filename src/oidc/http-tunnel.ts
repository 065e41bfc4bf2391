import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import type { TLSSocket } from 'node:tls'

/**
 * A TLS connection to the host of an https address through an HTTP proxy (CONNECT, RFC 9110 §9.3.6). The certificate is
 * that of the host, checked end to end: the proxy sees names and sizes, nothing else.
 * Waits for the proxy, not for the TLS handshake; the handshake fails into the request that uses the connection.
 */
export async function connectThroughProxy(url: URL, proxy: URL, signal: AbortSignal, ca?: string): Promise<TLSSocket> {
  const tunnel = await openTunnel(`${url.hostname}:${url.port || '443'}`, proxy, signal)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const secured = connectTls({
    socket: tunnel,
    host,
    ALPNProtocols: ['http/1.1'],
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === undefined ? {} : { ca }),
  })
  secured.on('error', () => tunnel.destroy())
  return secured
}

function openTunnel(authority: string, proxy: URL, signal: AbortSignal): Promise<Duplex> {
  const open = proxy.protocol === 'https:' ? requestHttps : requestHttp
  return new Promise((resolve, reject) => {
    const request = open(proxy, {
      method: 'CONNECT',
      path: authority,
      headers: { host: authority },
      agent: false,
      signal,
    })
    request.once('connect', (response, socket, head) => {
      if (response.statusCode === 200 && head.length === 0) {
        resolve(socket)
        return
      }
      socket.destroy()
      reject(new Error(`the proxy ${proxy.host} answered with status ${response.statusCode}`))
    })
    request.on('error', reject)
    request.end()
  })
}
