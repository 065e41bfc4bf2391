import { createHash } from 'node:crypto'

/** A certificate is some 2 KB; one with hundreds of names, 20. What is larger is none that a token is bound to. */
const PEM_CHARACTERS_MAX = 32 * 1024

const PEM = /^\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*$/

/** The `client_tls` of a request: PEM texts, leaf first; chains when the server verified them. */
export interface ClientTls {
  readonly version?: string
  readonly certs?: readonly string[]
  readonly verified_chains?: readonly (readonly string[])[]
}

/**
 * Thumbprint of the certificate with which the client opened its TLS connection, as RFC 8705 §3.1 writes it (`x5t#S256`):
 * base64url of the SHA-256 of the DER form. Undefined when the client showed none or it is not PEM. nats-server asks for
 * certificates only with `verify`, so the handshake has proved possession of the key. Whom the certificate names is not looked at.
 */
export function certificateThumbprint(tls: ClientTls | undefined): string | undefined {
  const leaf = tls?.verified_chains?.[0]?.[0] ?? tls?.certs?.[0]
  if (leaf === undefined || leaf.length > PEM_CHARACTERS_MAX) return undefined
  const body = PEM.exec(leaf)?.[1]
  if (body === undefined) return undefined
  return createHash('sha256').update(Buffer.from(body, 'base64')).digest('base64url')
}
