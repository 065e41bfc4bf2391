import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { after, before, suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { encodeAuthorizationResponse, encodeUser } from '@nats-io/jwt'
import { createAccount, createCurve } from '@nats-io/nkeys'
import { connect } from '@nats-io/transport-node'
import type { ConnectionOptions, Msg, NatsConnection } from '@nats-io/transport-node'
import { startNatsServer } from '../../../src/dev/nats-server.ts'
import type { NatsServer } from '../../../src/dev/nats-server.ts'
import {
  KEYS_CONFIG_FILE,
  keysConfig,
  REFERENCE_CONFIG_FILE,
  startReferenceNatsServer,
} from '../../../src/dev/reference-nats-server.ts'
import { CALLOUT_SUBJECT } from '../../../src/nats/callout-endpoint.ts'
import { assertServicePermissions, refusalOf } from '../../support/service-permissions.ts'

const issuer = createAccount()
const xkey = createCurve()
const KEYS = {
  CALLOUT_ISSUER: issuer.getPublicKey(),
  CALLOUT_XKEY: xkey.getPublicKey(),
  CALLOUT_AUTH_PASSWORD: '0123456789',
  CALLOUT_SYS_PASSWORD: 'break-glass',
}
const AUTH = { user: 'auth', pass: KEYS.CALLOUT_AUTH_PASSWORD }
const SYS = { user: 'sys', pass: KEYS.CALLOUT_SYS_PASSWORD }

interface CalloutClaims {
  readonly nats: {
    readonly user_nkey: string
    readonly server_id: { readonly id: string }
    readonly connect_opts: { readonly auth_token?: string; readonly user?: string; readonly pass?: string }
  }
}

function dial(server: NatsServer, options: ConnectionOptions): Promise<NatsConnection> {
  return connect({ servers: server.url, reconnect: false, ...options })
}

async function refused(server: NatsServer, options: ConnectionOptions): Promise<void> {
  await assert.rejects(dial(server, options), /Authorization Violation/i)
}

/** Opens and reads a request as the service does; the real decoder has tests of its own. */
function readRequest(message: Msg): CalloutClaims {
  const opened = xkey.open(message.data, message.headers?.get('Nats-Server-Xkey') ?? '')
  assert.ok(opened !== null, 'the request was not sealed to our key')
  const claims = new TextDecoder().decode(opened).split('.')[1] ?? ''
  return JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')) as CalloutClaims
}

interface Service {
  readonly requests: { readonly claims: CalloutClaims; readonly message: Msg }[]
  stop(): Promise<void>
}

/** A callout that places everybody in the account. */
async function startService(server: NatsServer, account: string): Promise<Service> {
  const connection = await dial(server, AUTH)
  const requests: Service['requests'] = []
  connection.subscribe(CALLOUT_SUBJECT, {
    queue: 'callout',
    callback(error, message) {
      if (error !== null) return
      const claims = readRequest(message)
      requests.push({ claims, message })
      void admit(message, claims, account)
    },
  })
  await connection.flush()
  return { requests, stop: () => connection.close() }
}

async function admit(message: Msg, claims: CalloutClaims, account: string): Promise<void> {
  const { user_nkey: user, server_id: server } = claims.nats
  const permissions = { pub: { allow: ['orders.>'] }, sub: { deny: ['>'] } }
  const jwt = await encodeUser('client', user, issuer, permissions, { aud: account })
  message.respond(await encodeAuthorizationResponse(user, server.id, issuer, { jwt }, {}))
}

async function withService(
  server: NatsServer,
  account: string,
  body: (service: Service) => Promise<void>,
): Promise<void> {
  const service = await startService(server, account)
  try {
    await body(service)
  } finally {
    await service.stop()
  }
}

/** The error that the server sends for a subscription or a publication, or undefined when it accepts it. */
suite('the reference nats-server.conf', () => {
  let server: NatsServer
  before(async () => {
    server = await startReferenceNatsServer(KEYS)
  })
  after(() => server.stop())

  test('lets the break-glass user in, as system user, while no service runs', async () => {
    const connection = await dial(server, SYS)
    const reply = await connection.request('$SYS.REQ.SERVER.PING', '', { timeout: 5000 })
    assert.match(reply.string(), /"server_id"|"server"/)
    await connection.close()
  })

  test('refuses every other client while no service runs', async () => {
    await refused(server, { token: 'a.b.c', timeout: 10_000 })
  })

  test('calls out for a client with a token, for one with a user name of its own and for one without anything', async () => {
    await withService(server, 'APP', async ({ requests }) => {
      for (const login of [{ token: 'a.b.c' }, { user: 'alice', pass: 'a.b.c' }, {}]) {
        await (await dial(server, login)).close()
      }
      const seen = requests.map(({ claims: { nats } }) => [nats.connect_opts.auth_token, nats.connect_opts.pass])
      assert.deepEqual(seen, [
        ['a.b.c', undefined],
        [undefined, 'a.b.c'],
        [undefined, undefined],
      ])
    })
  })

  test('checks the passwords of its own users itself: wrong ones never reach the service', async () => {
    await withService(server, 'APP', async ({ requests }) => {
      await refused(server, { ...SYS, pass: 'wrong' })
      await refused(server, { ...AUTH, pass: 'wrong' })
      await refused(server, { user: 'sys', token: 'a.b.c' })
      await (await dial(server, SYS)).close()
      assert.deepEqual(requests, [])
    })
  })

  test('hands a token of 12 KiB to the service', async () => {
    await withService(server, 'APP', async ({ requests }) => {
      const token = 'x'.repeat(12 * 1024)
      await (await dial(server, { token })).close()
      assert.equal(requests[0]?.claims.nats.connect_opts.auth_token, token)
    })
  })

  test('hands the longest token that the service accepts to it, even when a client sends it twice', async () => {
    await withService(server, 'APP', async ({ requests }) => {
      const token = 'x'.repeat(16_384)
      await (await dial(server, { token, user: 'alice', pass: token })).close()
      assert.equal(requests.length, 1)
    })
  })

  test('refuses a CONNECT line beyond the limit without a callout', async () => {
    await withService(server, 'APP', async ({ requests }) => {
      await assert.rejects(dial(server, { token: 'x'.repeat(64 * 1024) }))
      assert.deepEqual(requests, [])
    })
  })

  test('sends requests encrypted, with reply subjects outside _INBOX', async () => {
    await withService(server, 'APP', async ({ requests }) => {
      await (await dial(server, { token: 'a.b.c' })).close()
      const message = requests[0]?.message
      assert.equal(Buffer.from(message?.data.subarray(0, 4) ?? []).toString('latin1'), 'xkv1')
      assert.match(message?.reply ?? '', /^\$SYS\._INBOX\./)
    })
  })

  test('gives the service user what it needs in the callout account, and nothing else', async () => {
    await assertServicePermissions(() => dial(server, AUTH))
  })

  test('leaves it to the service where a client is placed: the list of accounts does not limit it', async () => {
    for (const account of ['APP', 'OPS', 'SYS', 'AUTH']) {
      await withService(server, account, async () => {
        await (await dial(server, { token: 'a.b.c' })).close()
      })
    }
  })

  test('enforces what the service signed', async () => {
    await withService(server, 'APP', async () => {
      const publishing = async (subject: string) =>
        await refusalOf(await dial(server, { token: 'a.b.c' }), (connection) => connection.publish(subject))
      assert.equal(await publishing('orders.created'), undefined)
      assert.match((await publishing('invoices.created')) ?? '', /Permissions Violation/i)
    })
  })
})

suite('a change of the reference nats-server.conf', () => {
  const start = async (change: (config: string) => string, keys = keysConfig(KEYS)): Promise<NatsServer> => {
    const config = change(await readFile(REFERENCE_CONFIG_FILE, 'utf8'))
    return startNatsServer({ config, includes: { [KEYS_CONFIG_FILE]: keys } })
  }
  const unchanged = (config: string): string => config

  test('without the raised limit a token of 12 KiB never reaches the service', async () => {
    await using server = await start((config) => config.replace(/^max_control_line.*$/m, ''))
    await withService(server, 'APP', async ({ requests }) => {
      await assert.rejects(dial(server, { token: 'x'.repeat(12 * 1024) }))
      assert.deepEqual(requests, [])
    })
  })

  test('without the list of accounts and of auth_users the break-glass user is called out too', async () => {
    await using server = await start((config) =>
      config.replace(/^\s*allowed_accounts.*$/m, '').replace('auth_users: [auth, sys]', 'auth_users: [auth]'),
    )
    await withService(server, 'APP', async ({ requests }) => {
      await (await dial(server, SYS)).close()
      assert.equal(requests[0]?.claims.nats.connect_opts.user, 'sys')
    })
  })

  test('without the list a static user of another account is called out, with it not', async () => {
    const user = { user: 'printer', pass: 'paper' }
    const withUser = (config: string): string =>
      config.replace('  OPS {}', '  OPS {}\n  OTHER { users: [{ user: printer, password: paper }] }')
    const calledOut = async (change: (config: string) => string): Promise<number> => {
      await using server = await start((config) => change(withUser(config)))
      let count = 0
      await withService(server, 'APP', async ({ requests }) => {
        await (await dial(server, user)).close()
        count = requests.length
      })
      return count
    }
    assert.equal(await calledOut(unchanged), 0)
    assert.equal(await calledOut((config) => config.replace(/^\s*allowed_accounts.*$/m, '')), 1)
  })

  test('a variable that is not defined keeps the server from starting', async () => {
    for (const name of Object.keys(KEYS)) {
      const keys = keysConfig(KEYS).replace(new RegExp(`^${name}.*$`, 'm'), '')
      await assert.rejects(start(unchanged, keys), new RegExp(`'${name}' on line \\d+ can not be found`))
    }
  })

  test('a password may be given as its bcrypt hash', async () => {
    const hash = '$2b$04$kkXB9dPnWbj0vsnh.EG3VO6GZGuZF13hXB9g/Gs8.xxTedpNQBaty'
    await using server = await start(unchanged, keysConfig({ ...KEYS, CALLOUT_SYS_PASSWORD: hash }))
    await (await dial(server, SYS)).close()
    await refused(server, { ...SYS, pass: hash })
  })

  test('a password of digits without quotes keeps the server from starting', async () => {
    await assert.rejects(start(unchanged, keysConfig(KEYS).replaceAll('"0123456789"', '0123456789')), /not string/)
  })

  test('without the include line the variables come from the environment', async () => {
    const config = (await readFile(REFERENCE_CONFIG_FILE, 'utf8')).replace(/^include.*$/m, '')
    const env = Object.fromEntries(Object.entries(KEYS).map(([name, value]) => [name, `"${value}"`]))
    await using server = await startNatsServer({ config, env })
    await (await dial(server, AUTH)).close()
  })

  test('a reload closes every client that was admitted by callout', async () => {
    await using server = await start(unchanged)
    await withService(server, 'APP', async () => {
      const client = await dial(server, { token: 'a.b.c' })
      server.signal('SIGHUP')
      await client.closed()
    })
  })

  test('a reload with another issuer fails as a whole, and the old one stays', async () => {
    await using server = await start(unchanged)
    await withService(server, 'APP', async () => {
      const config = await readFile(server.configFile, 'utf8')
      await writeFile(
        server.configFile,
        config.replace('issuer: $CALLOUT_ISSUER', `issuer: ${createAccount().getPublicKey()}`),
      )
      server.signal('SIGHUP')
      const deadline = performance.now() + 10_000
      while (!/Failed to reload server configuration/.test(server.log())) {
        assert.ok(performance.now() < deadline, 'the server did not refuse the reload')
        await delay(10)
      }
      await (await dial(server, { token: 'a.b.c' })).close()
    })
  })
})
