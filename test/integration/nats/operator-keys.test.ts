import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { suite, test } from 'node:test'
import { encodeOperator, newScopedSigner } from '@nats-io/jwt'
import { createOperator, type KeyPair } from '@nats-io/nkeys'
import type { NatsConnection } from '@nats-io/transport-node'
import { JWTS_CONFIG_FILE } from '../../../src/dev/nats-mode.ts'
import { createXKey } from '../../../src/nats/keys.ts'
import type { AuthorizationRequest } from '../../../src/core/request.ts'
import type { Answer } from '../../../src/service/ports.ts'
import { connectClient, forgeJwt, seedOf, startService, until, type Allowing } from '../../support/nats.ts'
import { signersOf, startOperatorServer, type OperatorServer } from '../../support/operator.ts'

const USER_INFO = '$SYS.REQ.USER.INFO'

type Answering = (request: AuthorizationRequest, allow: Allowing) => Answer | Promise<Answer>

function serve({ keys, jwts, nats }: OperatorServer, answering: Answering = (_request, allow) => allow()) {
  return startService({
    url: nats.url,
    signers: signersOf(keys),
    xkeys: [createXKey(seedOf(keys.xkey), 'xkey.nk')],
    credentials: { kind: 'creds', creds: jwts.serviceCreds, label: 'service.creds' },
    handler: (request, respond, allow) => void respond(answering(request, allow)),
  })
}

async function publishOf(connection: NatsConnection): Promise<unknown> {
  const info = await connection.request(USER_INFO)
  return info.json<{ data: { permissions?: { publish?: unknown } } }>().data.permissions?.publish
}

suite('a scoped signing key', () => {
  /** A decision as a scoped key wants it: without the permissions that were decided. */
  function withoutPermissions({ keys }: OperatorServer): Answering {
    const account = keys.accounts.get('APP') ?? assert.fail()
    return (request) => {
      const nats = { type: 'user', version: 2, issuer_account: account.identity.getPublicKey() }
      const now = Math.floor(Date.now() / 1000)
      return {
        allow: forgeJwt(
          { jti: 'd1', sub: request.userNkey, name: 'alice', iat: now, exp: now + 60, nats },
          account.signing,
        ),
      }
    }
  }

  test('gives what its template says at that moment, whatever was decided and recorded: that is why none is used', async () => {
    await using server = await startOperatorServer()
    const { identity, signing } = server.keys.accounts.get('APP') ?? assert.fail()
    const scopeTo = (allow: string[]) =>
      server.updateAccount(identity, (claims) => {
        const template = { pub: { allow }, sub: { allow: ['_INBOX.>'] } }
        claims.signing_keys = [newScopedSigner(signing.getPublicKey(), 'app', template)]
      })
    await using _service = await serve(server, withoutPermissions(server))
    for (const template of [['orders.>'], ['>']]) {
      await scopeTo([USER_INFO, ...template])
      const connection = await connectClient(server.nats.url)
      assert.deepEqual(await publishOf(connection), { allow: [USER_INFO, ...template] })
      await connection.close()
    }
  })
})

suite('the signing key of an operator', () => {
  /** Gives nats-server another JWT of its operator; it reads that when it starts. */
  async function replaceOperator(server: OperatorServer, signingKeys: readonly KeyPair[]): Promise<void> {
    const { keys, nats } = server
    const jwt = await encodeOperator('callout', keys.operator, {
      signing_keys: signingKeys.map((key) => key.getPublicKey()),
      system_account: keys.systemAccount.getPublicKey(),
    })
    const file = path.join(path.dirname(nats.configFile), JWTS_CONFIG_FILE)
    const text = await readFile(file, 'utf8')
    await writeFile(file, text.replace(/^operator: .*$/m, `operator: "${jwt}"`).replace(/^ {2}A\w+: .*$/gm, ''))
    await nats.restart()
  }

  test('is replaced by signing every account anew while both are known', async () => {
    await using server = await startOperatorServer()
    const { keys, nats } = server
    await using service = await serve(server)
    const next = createOperator()
    const accounts = [keys.systemAccount, keys.calloutAccount, ...[...keys.accounts.values()].map((it) => it.identity)]
    await replaceOperator(server, [keys.operatorSigning, next])
    await until('the service is back', () => service.link.connected)
    for (const account of accounts) await server.updateAccount(account, () => {}, next)
    await (await connectClient(nats.url)).close()

    await replaceOperator(server, [next])
    await until('the service is back', () => service.link.connected)
    await (await connectClient(nats.url)).close()
  })

  test('that is removed while an account still needs it leaves that account closed', async () => {
    await using server = await startOperatorServer()
    const { keys, nats } = server
    const next = createOperator()
    await replaceOperator(server, [keys.operatorSigning, next])
    for (const account of [keys.systemAccount, keys.calloutAccount]) await server.updateAccount(account, () => {}, next)
    await replaceOperator(server, [next])
    await using _service = await serve(server)
    await assert.rejects(connectClient(nats.url), /authorization violation/i)
  })
})
