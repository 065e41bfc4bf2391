import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectSocket } from 'node:net'
import { suite, test } from 'node:test'
import { encodeAuthorizationResponse, encodeUser } from '@nats-io/jwt'
import { createAccount } from '@nats-io/nkeys'
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import { compareVersions, locateNatsServer, type NatsServerBinary } from '../../../src/dev/locate-nats-server.ts'
import { OLDEST_TESTED_VERSION } from '../../../src/dev/nats-server-release.ts'
import { startNatsServer, type NatsServer } from '../../../src/dev/nats-server.ts'
import { anIssuer, calloutConfig, connectClient, until } from '../../support/nats.ts'

const SUBJECT = '$SYS.REQ.USER.AUTH'
/** No JWT, so that it can be looked for in a log. */
const TOKEN = 'token-of-a-client-that-nobody-shall-see'

/** What nats-server of one version does otherwise than that of another. */
interface Difference {
  readonly what: string
  /** The newest version that was seen to do as `before` says, and the oldest that does as `after` says. */
  readonly versions: readonly [string, string]
  readonly before: string
  readonly after: string
  readonly source: string
  /** Says in the words of `before` or `after` what this server does. */
  readonly observe: (binary: NatsServerBinary) => Promise<string>
}

const DIFFERENCES: readonly Difference[] = [
  {
    what: 'the setting allowed_accounts, which keeps static users local,',
    versions: ['2.10.29', '2.11.0'],
    before: 'unknown',
    after: 'known',
    source: 'server/opts.go parseAuthCallout',
    observe: (binary) =>
      isSettingKnown(binary, 'allowed_accounts', configuration().replace('auth_users:', 'allowed_accounts: [APP], $&')),
  },
  {
    what: 'the setting default_sentinel, by which a client in operator mode needs no creds,',
    versions: ['2.11.1', '2.11.2'],
    before: 'unknown',
    after: 'known',
    source: 'server/opts.go processConfigFileLine',
    observe: (binary) => isSettingKnown(binary, 'default_sentinel', 'default_sentinel: x'),
  },
  {
    what: 'the token of a client in client_info.user of the request',
    versions: ['2.11.1', '2.11.2'],
    before: 'in the clear',
    after: '[REDACTED]',
    source: 'server/auth_callout.go fillClientInfo; 2.10.28 in its own series',
    observe: (binary) =>
      asked(binary, {}, async ({ server, requests }) => {
        await assert.rejects(connectClient(server.url, { token: TOKEN }))
        const user = requests[0]?.user
        return user === TOKEN ? 'in the clear' : String(user)
      }),
  },
  {
    what: 'a publish to orders.new, of which orders.* and orders.new.eu are denied,',
    versions: ['2.12.3', '2.12.4'],
    before: 'gets through',
    after: 'is refused',
    source:
      'nats-server #7728, server/sublist.go matchLevelForAny; 2.11.12 in its own series. We sign what is not passed',
    observe: (binary) => publishOrdersNew(binary, { allow: ['>'], deny: ['orders.*', 'orders.new.eu'] }),
  },
  {
    what: 'a publish to orders.new, of which orders.* and orders.new.eu are allowed,',
    versions: ['2.12.3', '2.12.4'],
    before: 'is refused',
    after: 'gets through',
    source: 'the same',
    observe: (binary) => publishOrdersNew(binary, { allow: ['orders.*', 'orders.new.eu'] }),
  },
  {
    what: 'a member of a queue group, where one denial is for all and another for another queue group,',
    versions: ['2.12.6', '2.12.7'],
    before: 'gets through',
    after: 'is refused',
    source: 'GHSA-jx8g-9g95-6322, server/client.go canSubscribe; 2.11.16 in its own series',
    observe: (binary) =>
      tries(binary, { subscribe: { allow: ['>'], deny: ['a', 'a q1'] } }, (client) => {
        client.subscribe('a', { queue: 'q2', callback: () => {} })
      }),
  },
  {
    what: 'a client that says PING before CONNECT, where no_auth_user is set,',
    versions: ['2.14.3', '2.14.4'],
    before: 'gets in, and nobody is asked',
    after: 'is asked about',
    source: 'server/client.go processPing, advisory of 2.14.4 and 2.12.14',
    observe: (binary) =>
      asked(binary, { noAuthUser: true }, async ({ server, requests }) => {
        const answer = await says(server, 'PING\r\nSUB anything 1\r\nPING\r\n', /PONG|-ERR/)
        if (requests.length > 0) return 'is asked about'
        return answer.includes('PONG') ? 'gets in, and nobody is asked' : answer
      }),
  },
  {
    what: 'a response that another account than the issuer signed',
    versions: ['2.14.5', '2.15.1'],
    before: 'is accepted',
    after: 'is refused',
    source: 'observed; server/auth_callout.go checks the issuer of a response in operator mode only',
    observe: (binary) =>
      asked(binary, { answer: signedByAnotherAccount }, async ({ server }) =>
        connectClient(server.url, { token: TOKEN }).then(
          async (connection) => {
            await connection.close()
            return 'is accepted'
          },
          () => 'is refused',
        ),
      ),
  },
  {
    what: 'the log about a CONNECT line that is too long',
    versions: [OLDEST_TESTED_VERSION, '2.15.1'],
    before: 'holds the beginning of the token',
    after: 'holds no token',
    source: 'observed; server/parser.go overMaxControlLineLimit',
    observe: (binary) =>
      asked(binary, {}, async ({ server }) => {
        await says(server, `CONNECT {"auth_token":"${TOKEN}${'x'.repeat(40_000)}"}\r\n`, /-ERR/)
        await until('the server has written why', () => /control line/i.test(server.log()))
        return server.log().includes(TOKEN) ? 'holds the beginning of the token' : 'holds no token'
      }),
  },
  {
    what: 'a subject in a user JWT that is none',
    versions: [OLDEST_TESTED_VERSION, '2.15.1'],
    before: 'is left out in silence',
    after: 'is left out with a line in the log',
    source: 'observed; server/accounts.go buildPermissionsFromJwt',
    observe: (binary) =>
      asked(binary, { answer: withImpossibleDenial }, async ({ server }) => {
        const connection = await connectClient(server.url, { token: TOKEN })
        connection.publish('a.b.c')
        await connection.flush()
        await connection.close()
        return /invalid publish deny subject/i.test(server.log())
          ? 'is left out with a line in the log'
          : 'is left out in silence'
      }),
  },
]

const NEWEST = await locateNatsServer()
const OLDEST = await locateNatsServer(() => {}, { env: { NATS_SERVER_VERSION: OLDEST_TESTED_VERSION } })

for (const binary of [OLDEST, NEWEST]) {
  suite(`with nats-server ${binary.version}`, { concurrency: false }, () => {
    for (const { what, versions, before, after, observe } of DIFFERENCES) {
      const [lastBefore, firstAfter] = versions
      const isNow = compareVersions(binary.version, firstAfter) >= 0
      const isKnown = isNow || compareVersions(binary.version, lastBefore) <= 0
      const expected = isNow ? after : before
      test(`${what} ${expected}`, { skip: !isKnown && `changed between ${versions.join(' and ')}` }, async () => {
        assert.equal(await observe(binary), expected)
      })
    }
  })
}

interface Asked {
  readonly server: NatsServer
  /** What nats-server said of each client that it asked about; of a message that is no request, nothing. */
  readonly requests: { readonly user?: string }[]
}

interface Request {
  readonly userNkey: string
  readonly serverId: string
}

const issuer = anIssuer()

/** Runs a server with a service that answers each request with `answer`, or with the empty answer, a denial. */
async function asked(
  binary: NatsServerBinary,
  options: { readonly noAuthUser?: boolean; readonly answer?: (request: Request) => Promise<string> },
  body: (asked: Asked) => Promise<string>,
): Promise<string> {
  const requests: { user?: string }[] = []
  await using server = await startNatsServer({ config: configuration(options.noAuthUser), path: binary.path })
  const service = await connectClient(server.url, { user: 'auth', pass: 'pw' })
  const answer = async (message: Msg): Promise<void> => {
    const claims = claimsOf(message.string())
    requests.push(claims?.nats.client_info ?? {})
    if (claims === undefined || options.answer === undefined) message.respond()
    else message.respond(await options.answer({ userNkey: claims.nats.user_nkey, serverId: claims.nats.server_id.id }))
  }
  service.subscribe(SUBJECT, { queue: 'callout', callback: (_, message) => void answer(message) })
  await service.flush()
  try {
    return await body({ server, requests })
  } finally {
    await service.close()
  }
}

function publishOrdersNew(binary: NatsServerBinary, publish: Lists): Promise<string> {
  return tries(binary, { publish }, (client) => client.publish('orders.new'))
}

interface Lists {
  readonly allow: readonly string[]
  readonly deny?: readonly string[]
}

/** What becomes of what a static user with these permissions does. */
async function tries(
  binary: NatsServerBinary,
  permissions: { readonly publish?: Lists; readonly subscribe?: Lists },
  body: (client: NatsConnection) => void,
): Promise<string> {
  const user = `{ user: u, password: pw, permissions: ${JSON.stringify(permissions)} }`
  await using server = await startNatsServer({ config: `authorization { users: [ ${user} ] }`, path: binary.path })
  const client = await connectClient(server.url, { user: 'u', pass: 'pw' })
  body(client)
  await client.flush()
  await client.close()
  await server.stop()
  return /violation/i.test(server.log()) ? 'is refused' : 'gets through'
}

function configuration(noAuthUser = false): string {
  const config = calloutConfig({ issuer: issuer.key.publicKey })
  return noAuthUser
    ? `${config.replace('APP {}', 'APP { users: [ { user: guest, password: pw } ] }')}
    no_auth_user: guest`
    : config
}

interface Claims {
  readonly nats: {
    readonly user_nkey: string
    readonly server_id: { readonly id: string }
    readonly client_info: { readonly user?: string }
  }
}

function claimsOf(jwt: string): Claims | undefined {
  const payload = jwt.split('.')[1]
  return payload === undefined ? undefined : (JSON.parse(Buffer.from(payload, 'base64url').toString()) as Claims)
}

async function signedByAnotherAccount({ userNkey, serverId }: Request): Promise<string> {
  const jwt = await encodeUser('client', userNkey, issuer.pair, {}, { aud: 'APP' })
  return encodeAuthorizationResponse(userNkey, serverId, createAccount(), { jwt }, {})
}

async function withImpossibleDenial({ userNkey, serverId }: Request): Promise<string> {
  const permissions = { pub: { deny: ['a.>.c'] } }
  const jwt = await encodeUser('client', userNkey, issuer.pair, permissions, { aud: 'APP' })
  return encodeAuthorizationResponse(userNkey, serverId, issuer.pair, { jwt }, {})
}

/** Whether a server that does not start with this configuration, for whatever reason, knows the setting. */
async function isSettingKnown(binary: NatsServerBinary, setting: string, config: string): Promise<string> {
  const error = await startNatsServer({ config, path: binary.path }).then(
    async (server) => {
      await server.stop()
      return ''
    },
    (reason: Error) => reason.message,
  )
  return error.toLowerCase().includes(`unknown field "${setting}"`) ? 'unknown' : 'known'
}

/** Sends text on a socket and returns what the server answered by the time that `pattern` fits. */
async function says(server: NatsServer, text: string, pattern: RegExp): Promise<string> {
  const socket = connectSocket({ host: '127.0.0.1', port: server.port })
  let answer = ''
  socket.setEncoding('latin1').on('data', (chunk) => void (answer += String(chunk)))
  socket.on('error', () => {})
  await once(socket, 'data')
  answer = ''
  socket.write(text)
  await until('the server has answered', () => pattern.test(answer) || socket.destroyed)
  socket.destroy()
  return answer
}
