import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { createEmulatorDatabase } from '../../../src/dev/emulator-database.ts'
import { freePort } from '../../../src/dev/free-port.ts'
import { locateNatsServer } from '../../../src/dev/locate-nats-server.ts'
import { OLDEST_TESTED_VERSION } from '../../../src/dev/nats-server-release.ts'
import { prepareGround, startStand, type StandGround, type StandOptions } from '../../support/doctor-stand.ts'
import { anIssuer, anXKey, connectClient } from '../../support/nats.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'

let ground: StandGround
before(async () => {
  ground = await prepareGround()
})
after(() => ground?.[Symbol.asyncDispose]())

interface Trouble extends StandOptions {
  /** `<status> <check>` of everything that is not well. */
  readonly found: readonly string[]
  /** What the report says about it. */
  readonly says: RegExp
}

const swapped = (name: string, value: string) => (conf: string) =>
  conf.replace(new RegExp(`(${name} = ")[^"]*`), (_match, start: string) => start + value)
const without = (line: RegExp) => (text: string) => text.replace(line, '')
const replaced = (from: string, to: string) => (text: string) => text.replace(from, to)

/** One thing is wrong, and exactly that is found. */
async function assertFound({ found, says, ...options }: Trouble): Promise<void> {
  await using stand = await startStand(ground, options)
  const result = await stand.troubles()
  assert.deepEqual(result.found, found, result.text)
  assert.match(result.text, says)
  assert.equal(result.exitCode, found.some((finding) => finding.startsWith('fail')) ? 1 : 0)
  for (const { status, advice } of findingsOf(result.text)) {
    if (status === 'fail' || status === 'warn') assert.ok(advice !== undefined && advice !== '', 'there is advice')
  }
}

function findingsOf(json: string): readonly { readonly status: string; readonly advice?: string }[] {
  const { checks } = JSON.parse(json) as { checks: readonly { findings: ReturnType<typeof findingsOf> }[] }
  return checks.flatMap(({ findings }) => findings)
}

const SYSTEM_SKIPPED = ['limits', 'clock', 'accounts'].map((what) => `skipped nats.${what}`)
const ACCOUNT_SKIPPED = ['skipped callout.members', 'skipped callout.account']

suite('doctor finds, between the service and nats-server,', () => {
  test('a server that is not there', async () => {
    const port = await freePort()
    await assertFound({
      editConfig: (yaml) => yaml.replace(/servers: \[(.*)\]/, `servers: [$1, 'nats://127.0.0.1:${port}']`),
      found: ['fail nats.reach'],
      says: new RegExp(`nats://127\\.0\\.0\\.1:${port}: .*ECONNREFUSED`),
    })
  })

  test('a port where something else listens', async () => {
    const { port } = new URL(ground.provider.issuer)
    await assertFound({
      editConfig: (yaml) => yaml.replace(/servers: \[(.*)\]/, `servers: [$1, 'nats://127.0.0.1:${port}']`),
      found: ['fail nats.reach'],
      says: /no greeting within/,
    })
  })

  test('a wrong password', () =>
    assertFound({
      editConfig: replaced('secrets/auth.password', 'secrets/wrong.password'),
      found: ['fail nats.login', 'skipped nats.permissions', ...ACCOUNT_SKIPPED],
      says: /refused the login \(Authorization Violation\)/,
    }))

  test('a user that may not join the queue group', () =>
    assertFound({
      members: 0,
      editServer: replaced('"$SYS.REQ.USER.AUTH callout"', '"$SYS.REQ.USER.AUTH other"'),
      found: ['fail nats.permissions', 'fail callout.members', 'skipped callout.answer'],
      says: /give it subscribe: \[\\"\$SYS\.REQ\.USER\.AUTH callout\\"\]/,
    }))

  test('a user that may do more than it needs', () =>
    assertFound({
      editServer: without(/permissions \{[^}]*publish \{[^}]*\}[^}]*\}\s*\}/),
      found: ['warn nats.permissions'],
      says: /may publish to any subject/,
    }))

  test('a user that may not answer', () =>
    assertFound({
      members: 0,
      editServer: without(/^ *allow_responses .*$/m),
      found: ['fail callout.members', 'fail callout.answer'],
      says: /did not get the answer.*allow_responses/s,
    }))

  test('a password of the system account that is wrong', () =>
    assertFound({
      editConfig: replaced('secrets/sys.password', 'secrets/wrong.password'),
      found: [
        'fail nats.system',
        ...SYSTEM_SKIPPED,
        ...ACCOUNT_SKIPPED,
        'skipped callout.bypass',
        'skipped callout.mode',
      ],
      says: /must be a user of the system account/,
    }))

  test('a user for the system account that is of another', () =>
    assertFound({
      editConfig: replaced(
        'user: sys, password_file: secrets/sys.password',
        'user: auth, password_file: secrets/auth.password',
      ),
      found: [
        'fail nats.system',
        ...SYSTEM_SKIPPED,
        ...ACCOUNT_SKIPPED,
        'skipped callout.bypass',
        'skipped callout.mode',
      ],
      says: /must be a user of the system account/,
    }))
})

suite('doctor finds, in the configuration of nats-server,', () => {
  test('another issuer, and names both keys', async () => {
    const other = anIssuer().key.publicKey
    await assertFound({
      editServer: swapped('CALLOUT_ISSUER', other),
      found: ['fail callout.answer'],
      says: new RegExp(
        `wants the issuer ${other}, this configuration holds the seed of A[A-Z2-7]{55}, and the running`,
      ),
    })
  })

  test('another xkey', () =>
    assertFound({
      editServer: swapped('CALLOUT_XKEY', anXKey().key.publicKey),
      found: ['fail callout.answer'],
      says: /none of our xkeys opens the seal.*callout\.xkey_seed_files must hold the seed/s,
    }))

  test('no xkey, although the service has one', () =>
    assertFound({
      editServer: without(/^(?: *xkey: .*|CALLOUT_XKEY = .*)$/m),
      found: ['fail callout.answer'],
      says: /in the clear although callout\.xkey_seed_files is set/,
    }))

  test('an xkey, although the service has none', () =>
    assertFound({
      members: 0,
      editConfig: without(/^ *xkey_seed_files.*\n/m),
      found: ['fail callout.members', 'fail callout.answer'],
      says: /sealed although no xkey is configured/,
    }))

  test('a max_control_line that is too small for tokens', () =>
    assertFound({
      editServer: replaced('max_control_line: 64KB', 'max_control_line: 4096'),
      found: ['fail nats.limits'],
      says: /max_control_line is 4096 bytes, tokens may have 16384/,
    }))

  test('a timeout below callout.deadline', () =>
    assertFound({
      editServer: replaced('timeout: 2', 'timeout: 1'),
      found: ['fail nats.limits'],
      says: /authorization\.timeout is 1000 ms, not above callout\.deadline of 1500 ms/,
    }))

  test('no account for clients to be placed in', () =>
    assertFound({
      editConfig: replaced('OPS: {}', 'OPS: {}, BILLING: {}'),
      found: ['fail nats.accounts'],
      says: /BILLING does not exist on server/,
    }))

  test('the account of the service and that of the system among those of clients', () =>
    assertFound({
      editConfig: replaced('OPS: {}', 'AUTH: {}, SYS: {}'),
      found: ['fail nats.accounts'],
      says: /AUTH is the account of the service.*SYS is the account of the system/s,
    }))

  test('a user for clients without credentials', () =>
    assertFound({
      editServer: (conf) =>
        conf
          .replace('  OPS {}', '  OPS {}\n  PRINTERS { users: [{ user: printer, password: paper }] }')
          .replace('system_account: SYS', 'system_account: SYS\nno_auth_user: printer'),
      found: ['fail callout.answer'],
      says: /a client without credentials got in.*remove no_auth_user/s,
    }))

  test('an account of the service that is open to others', () =>
    assertFound({
      editServer: replaced('exports: [{', 'exports: [{ service: "$SYS.REQ.USER.AUTH" }, {'),
      found: ['fail callout.account'],
      says: /exports \$SYS\.REQ\.USER\.AUTH/,
    }))

  test(`an old release, ${OLDEST_TESTED_VERSION}`, async () => {
    const env = { ...process.env, NATS_SERVER_BIN: '', NATS_SERVER_VERSION: OLDEST_TESTED_VERSION }
    const { path: natsServer } = await locateNatsServer(() => {}, { env })
    await assertFound({
      natsServer,
      editServer: without(/^ *allowed_accounts.*$/m),
      found: ['fail nats.version'],
      says: /has known defects: with no_auth_user, PING before CONNECT.*update nats-server to 2\.12\.14 or 2\.14\.4/s,
    })
  })
})

suite('doctor finds, among the connections,', () => {
  test('that no service runs, and that its keys would do', () =>
    assertFound({ members: 0, found: ['fail callout.members'], says: /took the answer of this check/ }))

  test('that there is no second replica', () =>
    assertFound({ members: 1, found: ['warn callout.members'], says: /run at least two replicas/ }))

  test('that the running service has other keys than nats-server and this configuration', () =>
    assertFound({
      memberKeys: { issuer: anIssuer(), xkey: anXKey() },
      found: ['fail callout.answer'],
      says: /with the keys of this configuration, and the running service does not answer/,
    }))

  test('somebody in place of the service whose answers nats-server does not take', async () => {
    await using stand = await startStand(ground, { members: 0 })
    const impostor = await connectClient(stand.nats.url, SERVICE_LOGIN)
    impostor.subscribe('$SYS.REQ.USER.AUTH', {
      queue: 'callout',
      callback: (_error, message) => void message.respond('no'),
    })
    await impostor.flush()
    const { found, text } = await stand.troubles()
    await impostor.close()
    assert.deepEqual(found, ['warn callout.members', 'fail callout.answer'])
    assert.match(text, /nats-server does not take the answer: .*look at who answers/s)
  })

  test('somebody who listens outside the queue group', async () => {
    const editServer = replaced('"$SYS.REQ.USER.AUTH callout"', '"$SYS.REQ.USER.AUTH"')
    await using stand = await startStand(ground, { editServer })
    const listener = await connectClient(stand.nats.url, { ...SERVICE_LOGIN, name: 'listener' })
    listener.subscribe('$SYS.REQ.USER.AUTH')
    await listener.flush()
    const { found, text } = await stand.troubles()
    await listener.close()
    assert.deepEqual(found, ['warn nats.permissions', 'fail callout.members'])
    assert.match(text, /outside the queue group callout: cid \d+ at 127\.0\.0\.1:\d+ \(listener\)/)
  })

  test('somebody else in the account of the service', async () => {
    const editServer = (conf: string): string =>
      conf
        .replace('        user: auth\n', '        user: guest, password: guest }\n      {\n        user: auth\n')
        .replace('auth_users: [auth,', 'auth_users: [auth, guest,')
    await using stand = await startStand(ground, { editServer })
    const guest = await connectClient(stand.nats.url, { user: 'guest', pass: 'guest', name: 'visitor' })
    const { found, text } = await stand.troubles()
    await guest.close()
    assert.deepEqual(found, ['fail callout.account'])
    assert.match(text, /in account AUTH with another user than the service: cid \d+ at .* \(visitor\)/)
  })

  test('a user of nats-server.conf who comes in past the callout', async () => {
    const editServer = (conf: string): string =>
      conf
        .replace('  APP {}', '  APP { users: [{ user: legacy, password: legacy }] }')
        .replace('auth_users: [auth,', 'auth_users: [auth, legacy,')
    await using stand = await startStand(ground, { editServer })
    const legacy = await connectClient(stand.nats.url, { user: 'legacy', pass: 'legacy', name: 'old batch job' })
    const { found, text } = await stand.troubles()
    await legacy.close()
    assert.deepEqual(found, ['fail callout.bypass'])
    assert.match(text, /1 of 1 connections in APP did not come in through the callout: .* \(old batch job\)/)
  })
})

const SERVICE_LOGIN = { user: 'auth', pass: 'auth-secret-of-the-stand' }

suite('doctor finds, behind the service,', () => {
  test('an issuer that does not answer', async () => {
    const port = await freePort()
    await assertFound({
      editConfig: (yaml) => yaml.replace(/issuer: '[^']*'/, `issuer: 'http://127.0.0.1:${port}'`),
      found: ['fail issuers.keys', 'skipped issuers.clock'],
      says: /local: .*ECONNREFUSED/,
    })
  })

  test('an issuer that calls itself otherwise', () =>
    assertFound({
      editConfig: (yaml) =>
        yaml.replace(
          /issuer: '([^']*)', keys: \{ discovery: \{\} \}/,
          `issuer: '$1/', keys: { discovery: { url: '$1/.well-known/openid-configuration' } }`,
        ),
      found: ['fail issuers.keys', 'skipped issuers.clock'],
      says: /the discovery document is for another issuer/,
    }))

  test('an algorithm for which the issuer has no key', () =>
    assertFound({
      editConfig: replaced('[RS256]', '[RS256, ES256]'),
      found: ['warn issuers.keys'],
      says: /none for ES256/,
    }))

  test('an issuer whose clock is wrong', async () => {
    await using issuer = await startIssuerOf(ground.provider.issuer, 2 * 60_000)
    await assertFound({
      editConfig: (yaml) => yaml.replace(/issuer: '[^']*'/, `issuer: '${issuer.url}'`),
      found: ['fail issuers.clock'],
      says: /local: 1\d{5} ms ahead/,
    })
  })

  test('a database that is slow', async () => {
    await using proxy = await startTcpProxy(ground.emulator.host)
    proxy.setDelay(250)
    await using stand = await startStand({ ...ground, emulator: { ...ground.emulator, host: proxy.host } })
    const { found, exitCode, text } = await stand.troubles()
    assert.deepEqual(found, ['warn store.latency'], text)
    assert.match(text, /strong reads of grants: median \d{3,4}\.\d ms/)
    assert.equal(exitCode, 0)
  })

  test('a database without the schema', async () => {
    const name = await createEmulatorDatabase(ground.emulator.host)
    await assertFound({
      editConfig: (yaml) => yaml.replace(/spanner:\/\/[^']*/, `spanner://${name}`),
      found: ['fail store.schema', 'skipped store.latency', 'skipped store.clock'],
      says: /run \\"callout schema apply\\"/,
    })
  })

  test('a database that is not there', () =>
    assertFound({
      editConfig: (yaml) => yaml.replace(/spanner:\/\/[^']*/, 'spanner://projects/none/instances/none/databases/none'),
      found: ['fail store.schema', 'skipped store.latency', 'skipped store.clock'],
      says: /check store\.url/,
    }))

  test('an emulator that is gone', async () => {
    const host = `127.0.0.1:${await freePort()}`
    await using stand = await startStand({ ...ground, emulator: { ...ground.emulator, host } })
    const { found, exitCode, text } = await stand.troubles()
    assert.deepEqual(found, ['fail store.schema', 'skipped store.latency', 'skipped store.clock'], text)
    assert.equal(exitCode, 1)
  })
})

/** An issuer with the keys of another one, whose clock is so much ahead. */
async function startIssuerOf(provider: string, aheadMs: number): Promise<AsyncDisposable & { readonly url: string }> {
  const answer = await fetch(`${provider}/.well-known/openid-configuration`)
  const { jwks_uri: keysUrl } = (await answer.json()) as { jwks_uri: string }
  const keys = await (await fetch(keysUrl)).json()
  const server = createServer((request, response) => {
    const document = request.url === '/keys' ? keys : { issuer: url, jwks_uri: `${url}/keys` }
    response.setHeader('date', new Date(Date.now() + aheadMs).toUTCString())
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(document))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
