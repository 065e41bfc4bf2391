import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { privateDirectory } from '../../src/dev/child-process.ts'
import { startLocalStack, type LocalStack } from '../../src/dev/stack.ts'
import { judged } from '../support/clients.ts'
import { createSigner, selfSignedCertificate, signToken } from '../support/oidc.ts'
import { adding } from '../../src/service/policy-edit.ts'

const ISSUER = 'https://bound.example'
const signer = createSigner('ES256')
const [server, service, owner, thief] = [1, 2, 3, 4].map(selfSignedCertificate)
assert.ok(server && service && owner && thief)

let stack: LocalStack

/** Certificates and keys on disk, nats-server with mutual TLS, and an issuer whose tokens may be bound to a certificate. */
before(async () => {
  const { path: directory } = privateDirectory('callout-bound')
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(path.join(directory, name), text)
    return path.join(directory, name)
  }
  const tls = `tls {
    cert_file: "${await file('server.pem', server.cert)}", key_file: "${await file('server.key', server.key)}", verify: true
    ca_file: "${await file('clients.pem', [service, owner, thief].map(({ cert }) => cert).join(''))}"
  }`
  const ours = `tls: { ca_file: ${await file('ca.pem', server.cert)}, cert_file: ${await file('service.pem', service.cert)}, key_file: ${await file('service.key', service.key)} }`
  const jwks = await file('jwks.json', JSON.stringify({ keys: [signer.publicJwk] }))
  const issuer = `  - { id: bound, issuer: '${ISSUER}', keys: { jwks_file: '${jwks}' }, algorithms: [ES256], audiences: [nats] }`
  stack = await startLocalStack({
    editServerConfig: (conf) => (conf.includes('system_account') ? `${conf}\n${tls}` : conf),
    editConfig: (yaml) =>
      yaml
        .replace('127.0.0.1', 'localhost')
        .replace('user: auth,', `${ours}, user: auth,`)
        .replace('issuers:\n', `issuers:\n${issuer}\n`),
  })
  const mutual = { id: 'mutual', principal: 'user:bound:mallory', account: 'APP', action: 'publish' } as const
  await stack.admin.edit(
    adding(
      'grant',
      {
        ...mutual,
        effect: 'allow',
        subject: 'm.>',
        condition: { tls: 'mutual' },
        reason: 'a test',
        createdBy: 'a test',
      },
      {
        id: 'eve',
        principal: 'user:bound:eve',
        account: 'APP',
        effect: 'allow',
        action: 'publish',
        subject: 'eve.>',
        reason: 'a test',
        createdBy: 'a test',
      },
    ),
  )
})
after(() => stack?.[Symbol.asyncDispose]())

function tokenFor(bound: { cert: string } | undefined, sub = 'eve'): string {
  const now = Math.floor(Date.now() / 1000)
  const thumbprint = bound && createHash('sha256').update(new X509Certificate(bound.cert).raw).digest('base64url')
  const cnf = thumbprint === undefined ? {} : { cnf: { 'x5t#S256': thumbprint } }
  return signToken(signer, { iss: ISSUER, aud: 'nats', sub, iat: now, exp: now + 300, ...cnf })
}

async function attempt(token: string, { cert, key }: { cert: string; key: string }): Promise<string> {
  const { rows } = await judged(stack, { token, tls: { ca: server?.cert ?? '', cert, key } })
  return rows.map(({ outcome, reason }) => reason ?? outcome).join()
}

suite('a token that is bound to a certificate (RFC 8705)', () => {
  test('admits its owner', async () => assert.equal(await attempt(tokenFor(owner), owner), 'ALLOW'))

  test('is of no use to a thief with a certificate of his own', async () => {
    assert.equal(await attempt(tokenFor(owner), thief), 'certificate_mismatch')
  })

  test('leaves tokens that are not bound as they are', async () => {
    assert.equal(await attempt(tokenFor(undefined), thief), 'ALLOW')
  })
})

test('a grant for connections with a client certificate applies to one that nats-server verified', async () => {
  assert.equal(await attempt(tokenFor(undefined, 'mallory'), thief), 'ALLOW')
})
