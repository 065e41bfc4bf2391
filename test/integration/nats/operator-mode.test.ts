import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node'
import { createXKey } from '../../../src/nats/keys.ts'
import type { Signers } from '../../../src/nats/signers.ts'
import { connectClient, seedOf, startService, until, type RunningService, type Script } from '../../support/nats.ts'
import {
  signersOf,
  startOperatorServer,
  withCreds,
  type OperatorServer,
  type OperatorServerOptions,
} from '../../support/operator.ts'

const MODES = ['identity', 'signing'] as const

interface ServiceOptions {
  readonly signers?: Signers
  readonly script?: Script
  readonly sealed?: boolean
}

/** The service with its own user; it admits everybody as the script says. */
function serve(server: OperatorServer, options: ServiceOptions = {}): Promise<RunningService> {
  const { keys, jwts, nats } = server
  return startService({
    url: nats.url,
    signers: options.signers ?? signersOf(keys),
    xkeys: options.sealed === false ? [] : [createXKey(seedOf(keys.xkey), 'xkey.nk')],
    credentials: { kind: 'creds', creds: jwts.serviceCreds, label: 'service.creds' },
    handler: (_request, respond, allow) => void respond(allow(options.script)),
  })
}

function dial(server: OperatorServer, options?: NodeConnectionOptions): Promise<NatsConnection> {
  return connectClient(server.nats.url, options)
}

async function refused(server: OperatorServer, options?: NodeConnectionOptions): Promise<void> {
  await assert.rejects(dial(server, options), /authorization violation/i)
}

async function accountOf(connection: NatsConnection): Promise<string> {
  const info = await connection.request('$SYS.REQ.USER.INFO')
  return info.json<{ data: { account: string } }>().data.account
}

function plain({ keys }: Pick<OperatorServer, 'keys'>): OperatorServerOptions {
  return {
    keys,
    accounts: { [keys.calloutAccount.getPublicKey()]: ({ authorization }) => void delete authorization?.xkey },
  }
}

suite('in operator mode', () => {
  let server: OperatorServer

  before(async () => {
    server = await startOperatorServer()
  })
  after(() => server[Symbol.asyncDispose]())

  for (const issuer of MODES) {
    for (const accounts of MODES) {
      const keys = `the ${issuer} key of the callout account and the ${accounts} key of the target`
      test(`a client gets into the account that was decided, with ${keys}`, async () => {
        await using service = await serve(server, { signers: signersOf(server.keys, { issuer, accounts }) })
        const connection = await dial(server)
        assert.equal(await accountOf(connection), server.keys.accounts.get('APP')?.identity.getPublicKey())
        assert.equal(service.requests.length, 1)
        await connection.close()
      })

      test(`the same holds for requests in the clear, with ${keys}`, async () => {
        await using clear = await startOperatorServer(plain(server))
        await using _service = await serve(clear, {
          sealed: false,
          signers: signersOf(server.keys, { issuer, accounts }),
        })
        const connection = await dial(clear)
        assert.equal(await accountOf(connection), server.keys.accounts.get('APP')?.identity.getPublicKey())
        await connection.close()
      })
    }
  }

  test('a service that is set up for server-configuration mode answers nobody, and is not ready', async () => {
    const { keys } = server
    const own = signersOf(keys, { issuer: 'identity' })
    const signers: Signers = { ...own, mode: 'server-configuration', ofUserJwt: (request) => own.ofResponse(request) }
    await using service = await serve(server, { signers })
    await refused(server)
    assert.deepEqual(service.events.aborts, ['request_operator_mode'])
    assert.match(service.endpoint.probe().find(({ part }) => part === 'keys')?.why ?? '', /operator mode/)
  })

  test('a client that brings the sentinel as a creds file gets in on its token', async () => {
    await using explicit = await startOperatorServer({
      keys: server.keys,
      editConfig: (text) => text.replace(/^default_sentinel: .*$/m, ''),
    })
    await using service = await serve(explicit)
    const connection = await dial(explicit, { ...withCreds(explicit.jwts.sentinelCreds), token: 'a.b.c' })
    assert.equal(service.requests[0]?.credentials.authToken, 'a.b.c')
    await connection.close()
  })

  test('a client without a sentinel, where there is no default, is turned away and nobody is asked', async () => {
    await using explicit = await startOperatorServer({
      keys: server.keys,
      editConfig: (text) => text.replace(/^default_sentinel: .*$/m, ''),
    })
    await using service = await serve(explicit)
    await refused(explicit)
    const connection = await dial(explicit, { ...withCreds(explicit.jwts.sentinelCreds), token: 'a.b.c' })
    assert.equal(service.requests.length, 1)
    await connection.close()
  })

  test('an account that the callout account may not place into is refused by nats-server', async () => {
    const { keys } = server
    const app = keys.accounts.get('APP')?.identity.getPublicKey() ?? assert.fail()
    const callout = keys.calloutAccount.getPublicKey()
    await using narrow = await startOperatorServer({
      keys,
      accounts: { [callout]: ({ authorization }) => void (authorization!.allowed_accounts = [app]) },
    })
    await using _service = await serve(narrow, { script: { account: 'OPS' } })
    await refused(narrow)
    await until('nats-server says why', () => narrow.nats.log().includes('not permitted as valid account option'))
  })
})
