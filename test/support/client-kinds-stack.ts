import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { privateDirectory } from '../../src/dev/child-process.ts'
import { freePort } from '../../src/dev/free-port.ts'
import { startLocalStack, type LocalStack } from '../../src/dev/stack.ts'
import { selfSignedCertificate } from './oidc.ts'

/** Where nats-server listens, all on loopback. */
export interface Listeners {
  /** Plain TCP, and TLS for who asks for it. */
  readonly nats: number
  readonly websocket: number
  readonly mqtt: number
  readonly leafNodes: number
  /** PEM of the certificate of every listener with TLS. */
  readonly certificate: string
}

/**
 * A stack whose nats-server takes every kind of client, in the account APP with JetStream, which MQTT needs. The service lets
 * clients into OPS only by TCP, with TLS, from this machine.
 */
export async function startStackOfAllKinds(): Promise<{ readonly stack: LocalStack; readonly listeners: Listeners }> {
  const { path: directory } = privateDirectory('callout-kinds')
  const { cert, key } = selfSignedCertificate()
  const [certFile, keyFile] = [path.join(directory, 'cert.pem'), path.join(directory, 'key.pem')]
  await writeFile(certFile, cert)
  await writeFile(keyFile, key)
  const [websocket, mqtt, leafNodes] = [await freePort(), await freePort(), await freePort()]
  const listeners = `
    server_name: kinds
    jetstream { store_dir: "${path.join(directory, 'jetstream')}" }
    tls { cert_file: "${certFile}", key_file: "${keyFile}" }
    allow_non_tls: true
    websocket {
      listen: "127.0.0.1:${websocket}"
      no_tls: true
      token_cookie: token
      pass_cookie: pass
    }
    mqtt { listen: "127.0.0.1:${mqtt}" }
    leafnodes { listen: "127.0.0.1:${leafNodes}" }
  `
  const stack = await startLocalStack({
    editServerConfig: (conf) =>
      conf.includes('system_account') ? `${conf.replace('APP {}', 'APP { jetstream: enabled }')}\n${listeners}` : conf,
    editConfig: (yaml) =>
      yaml
        .replace('127.0.0.1', 'localhost')
        .replace('OPS: {}', 'OPS: { connection_types: [STANDARD], tls: required, source_cidrs: [127.0.0.0/8] }')
        .replace('user: auth,', `tls: { ca_file: '${certFile}' }, user: auth,`),
  })
  return { stack, listeners: { nats: stack.nats.port, websocket, mqtt, leafNodes, certificate: cert } }
}
