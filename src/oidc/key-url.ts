/** The address of the metadata of an issuer, by OIDC Discovery 1.0 §4.1: a trailing slash goes, the path stays. */
export function wellKnownUrl(issuer: string): string {
  return `${issuer.endsWith('/') ? issuer.slice(0, -1) : issuer}/.well-known/openid-configuration`
}

/**
 * An address that keys may be read from: `https`, or `http` to this machine. Returns what is wrong otherwise.
 * Credentials in an address are refused because addresses get into messages.
 * Does not check what the name resolves to.
 */
export function parseKeyUrl(address: string): URL | string {
  const url = URL.parse(address)
  if (url === null) return 'is not a URL'
  if (url.username !== '' || url.password !== '') return 'must not hold credentials'
  if (url.protocol === 'https:' || isLoopbackHttp(url)) return url
  return 'must be https (http only to a loopback address)'
}

/** `URL` has already written every spelling of an IPv4 address in its canonical form. */
export function isLoopbackHttp(url: URL): boolean {
  return (
    url.protocol === 'http:' &&
    (url.hostname === 'localhost' || url.hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(url.hostname))
  )
}

/** Whether the host of an address is in a list of `host` (at the port of the scheme) and `host:port`. */
export function isHostListed(url: URL, hosts: readonly string[]): boolean {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  return hosts.includes(url.host) || hosts.includes(`${url.hostname}:${port}`)
}
