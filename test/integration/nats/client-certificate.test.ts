import assert from 'node:assert/strict'
import { X509Certificate, createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { privateDirectory } from '../../../src/dev/child-process.ts'
import { startNatsServer } from '../../../src/dev/nats-server.ts'
import { anIssuer, calloutConfig, connectClient, startService } from '../../support/nats.ts'
import { selfSignedCertificate } from '../../support/oidc.ts'

test('the request names the certificate with which a client proved itself to nats-server', async () => {
  const { path: directory } = privateDirectory('callout-mtls')
  const [server, client] = [selfSignedCertificate(), selfSignedCertificate()]
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(path.join(directory, name), text)
    return `"${path.join(directory, name)}"`
  }
  const tls = `tls {
    cert_file: ${await file('cert.pem', server.cert)}, key_file: ${await file('key.pem', server.key)}
    ca_file: ${await file('clients.pem', client.cert)}, verify: true
  }`
  const issuer = anIssuer()
  await using nats = await startNatsServer({ config: `${calloutConfig({ issuer: issuer.key.publicKey })}\n${tls}` })
  const url = `nats://localhost:${nats.port}`
  const { cert, key } = client
  await using service = await startService({
    url,
    tls: { ca: server.cert, cert, key },
    issuer: issuer.key,
    handler: (_, respond, allow) => void respond(allow()),
  })
  await (await connectClient(url, { tls: { ca: server.cert, cert, key } })).close()
  const der = new X509Certificate(cert).raw
  assert.equal(service.requests[0]?.client.hasVerifiedCertificate, true)
  assert.equal(service.requests[0]?.client.certificateSha256, createHash('sha256').update(der).digest('base64url'))
})
