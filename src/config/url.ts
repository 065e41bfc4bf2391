import { hasSpiffeScheme, isTrustDomainId } from '../core/spiffe-id.ts'

/** Checks of the URLs in the configuration. Each returns what is wrong, or undefined. */

/** `nats://` is in the clear and right on a loopback or a trusted network; `tls://` demands TLS. */
export function problemOfNatsUrl(value: string): string | undefined {
  const url = URL.parse(value)
  if (url === null || (url.protocol !== 'nats:' && url.protocol !== 'tls:') || url.hostname === '') {
    return 'must be nats://host:port or tls://host:port'
  }
  if (url.username !== '' || url.password !== '')
    return 'must not hold credentials; use nats.user and nats.password_file'
  if (url.pathname !== '' && url.pathname !== '/') return 'must end after the port'
  if (url.search !== '' || url.hash !== '') return 'must end after the port'
  return undefined
}

/**
 * An issuer identifier is compared byte for byte with `iss` (RFC 7519 §4.1.1) and has neither query nor fragment
 * (OpenID Connect Discovery 1.0 §2, RFC 8414 §2), so it is kept as written. A SPIFFE trust domain is one as well.
 */
export function problemOfIssuer(value: string): string | undefined {
  if (hasSpiffeScheme(value)) {
    return isTrustDomainId(value) ? undefined : 'must be spiffe:// and a trust domain in lower case, nothing more'
  }
  const problem = problemOfKeysUrl(value)
  if (problem !== undefined) return problem
  return /[?#]/.test(value) ? 'must have neither query nor fragment' : undefined
}

/** Keys fetched over plain HTTP are keys of whoever holds the network; loopback is for tests and side-cars. */
export function problemOfKeysUrl(value: string): string | undefined {
  const url = URL.parse(value)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return 'must be an https:// URL'
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) return 'must be https:// (http:// is for loopback only)'
  if (url.username !== '' || url.password !== '') return 'must not hold credentials'
  if (value.includes('#')) return 'must have no fragment'
  if (/[\s\\]/.test(value)) return 'must not hold white space or backslashes'
  return undefined
}

/** A proxy is told where to connect and sees nothing of a TLS connection through it; its password would stand here. */
export function problemOfProxyUrl(value: string): string | undefined {
  const url = URL.parse(value)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return 'must be http://host:port'
  if (url.username !== '' || url.password !== '') return 'must not hold credentials'
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') return 'must end after the port'
  return undefined
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname)
}

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

const PORT_MAX = 65_535

/** Reads `127.0.0.1:8222` or `[::1]:8222`; port 0 asks the system for a free one. */
export function parseListenAddress(value: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9.-]{1,253})):([0-9]{1,5})$/.exec(value)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  return host === undefined || port > PORT_MAX ? undefined : { host, port }
}
