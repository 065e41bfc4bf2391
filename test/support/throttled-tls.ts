import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { StackOptions } from '../../src/dev/stack.ts'
import { selfSignedCertificate } from './oidc.ts'

/** A nats-server on loopback that takes so many connections with TLS a second, and a service that trusts it. */
export interface ThrottledTls {
  /** PEM; for `localhost`. */
  readonly certificate: string
  readonly editServerConfig: NonNullable<StackOptions['editServerConfig']>
  readonly editConfig: NonNullable<StackOptions['editConfig']>
}

/**
 * `connection_rate_limit` ends connections before it does any work on them (server.go `createClientEx`); to a client that is a
 * failed attempt like another, no authentication error. A handshake may take longer than the two seconds that are usual:
 * the clients have this machine's processors too.
 */
export async function throttledTls(directory: string, connectionsPerSecond: number): Promise<ThrottledTls> {
  const { cert, key } = selfSignedCertificate()
  const [certFile, keyFile] = [path.join(directory, 'cert.pem'), path.join(directory, 'key.pem')]
  await writeFile(certFile, cert)
  await writeFile(keyFile, key)
  const tls = `
    tls {
      cert_file: "${certFile}"
      key_file: "${keyFile}"
      timeout: 10
      connection_rate_limit: ${connectionsPerSecond}
    }
    allow_non_tls: true
  `
  return {
    certificate: cert,
    editServerConfig: (conf) => (conf.includes('system_account') ? conf + tls : conf),
    editConfig: (yaml) =>
      yaml.replace('127.0.0.1', 'localhost').replace('user: auth,', `tls: { ca_file: '${certFile}' }, user: auth,`),
  }
}
