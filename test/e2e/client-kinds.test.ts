import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { CONNECTION_TYPES } from '../../src/core/connection-condition.ts'
import type { LocalStack } from '../../src/dev/stack.ts'
import { CLIENT_KINDS, type ClientKind, type Credentials, type Session } from '../support/client-kinds.ts'
import { startStackOfAllKinds, type Listeners } from '../support/client-kinds-stack.ts'
import { metric } from '../support/clients.ts'
import { connectClient, until } from '../support/nats.ts'
import { SERVER_UNDER_TEST } from '../support/server-under-test.ts'
import { inMs } from '../support/spanner.ts'
import { adding } from '../../src/service/policy-edit.ts'

const PRINCIPAL = 'client:local:orders-service'

let stack: LocalStack
let listeners: Listeners
/** Everything that was presented as a credential, to be looked for where it must not be. */
const secrets: string[] = []
/** Those of them that nats-server itself tells. */
const told = new Set<string>()

before(async () => {
  ;({ stack, listeners } = await startStackOfAllKinds())
  const base = { principal: PRINCIPAL, account: 'APP', effect: 'allow', reason: 'a test', createdBy: 'a test' } as const
  const watcher = { ...base, principal: 'client:local:reporting' } as const
  await stack.admin.edit(
    adding(
      'grant',
      { ...base, id: 'kinds-out', action: 'publish', subject: 'kinds.out' },
      { ...base, id: 'kinds-in', action: 'subscribe', subject: 'kinds.in' },
      ...CONNECTION_TYPES.map((type) => ({
        ...base,
        id: `only-${type}`,
        action: 'publish' as const,
        subject: `only.${type}`,
        condition: { connectionTypes: [type] },
      })),
      { ...base, id: 'only-tls', action: 'publish', subject: 'only.tls', condition: { tls: 'required' } },
      { ...base, id: 'only-mutual', action: 'publish', subject: 'only.mutual', condition: { tls: 'mutual' } },
      { ...watcher, id: 'watch-all', action: 'subscribe', subject: 'kinds.>' },
      { ...watcher, id: 'speak-all', action: 'publish', subject: 'kinds.>' },
    ),
  )
})
after(() => stack?.[Symbol.asyncDispose]())

async function aToken(clientId = 'orders-service'): Promise<string> {
  const token = await stack.provider.clientCredentials(clientId)
  secrets.push(token)
  return token
}

async function credentialsFor(kind: ClientKind, clientId = 'orders-service'): Promise<Credentials> {
  const token = await aToken(clientId)
  if (kind.isToldByServer === true || isTakenForSentinel(kind)) told.add(token)
  return kind.credentials(token)
}

interface Row {
  readonly outcome: string
  readonly reason: string
  readonly principal: string
  readonly kind: string
  readonly type: string
  /** JSON texts. */
  readonly permissions: string
  readonly skipped: string
}

/** The rows of requests after a time by the clock of this machine, which is that of the service. */
async function rowsSince(sinceMs: number): Promise<Row[]> {
  const texts = ['Outcome', 'Reason', 'Principal', 'ClientKind', 'ConnectionType']
  const json = ['Permissions', 'SkippedGrants']
  const cells = [
    ...texts.map((cell) => `IFNULL(${cell}, '')`),
    ...json.map((cell) => `IFNULL(TO_JSON_STRING(${cell}), '{}')`),
  ]
  const rows = await stack.database.query(
    `SELECT ${cells.join(', ')} FROM Decisions
     WHERE UNIX_MICROS(DecidedAt) >= ${Math.floor(sinceMs * 1000)} ORDER BY DecidedAt`,
    {},
    inMs(5000),
  )
  return rows.map((row) => {
    const [outcome = '', reason = '', principal = '', kind = '', type = '', permissions = '', skipped = ''] = row.map(
      (cell) => cell.stringValue ?? '',
    )
    return { outcome, reason, principal, kind, type, permissions, skipped }
  })
}

/** The connection types to which the signed permissions hold a grant that is for them alone. */
function grantedTo(row: Row | undefined): string[] {
  return CONNECTION_TYPES.filter((type) => row?.permissions.includes(`"only.${type}"`) === true)
}

/** Connection types, or names, of the conditional grants that were skipped for this reason; sorted. */
function skippedOf(row: Row | undefined, why: string): string[] {
  const skipped = JSON.parse(row?.skipped ?? '[]') as { readonly id: string; readonly why: string }[]
  return skipped
    .filter((grant) => grant.why === why)
    .map(({ id }) => id.replace('only-', ''))
    .toSorted()
}

/** By the metrics: of so many refusals of nobody that is known in so short a time, not each has a row of its own. */
async function assertRefused(kind: ClientKind, credentials: Credentials, reason: string): Promise<void> {
  const counter = `nats_callout_decisions_total{outcome="deny",reason="${reason}"}`
  const before = await metric(stack.service, counter)
  const { admitted } = await attempt(kind, credentials)
  assert.equal(admitted, false)
  await until(`one more is refused for ${reason}`, async () => (await metric(stack.service, counter)) === before + 1)
}

/** Connects as such a client and returns whether it got in, and the first row. */
async function attempt(
  kind: ClientKind,
  credentials: Credentials,
): Promise<{ admitted: boolean; row: Row | undefined }> {
  const sinceMs = Date.now()
  const session = await kind.connect(listeners, credentials)
  await session?.close()
  if (session === undefined && SERVER_UNDER_TEST.showsRefusedTokens) told.add(credentials.token ?? '')
  const [row] = await rowsSince(sinceMs)
  return { admitted: session !== undefined, row }
}

const KINDS = CLIENT_KINDS.filter((kind) => !isWithoutCookie(kind) && !isTakenForSentinel(kind))

/** nats-server does not hand on its token. */
function isWithoutCookie({ hasCookie }: ClientKind): boolean {
  return hasCookie === true && SERVER_UNDER_TEST.ignoresCookies
}

/** nats-server hands on its token where a sentinel is in operator mode. */
function isTakenForSentinel({ connectionType }: ClientKind): boolean {
  return connectionType === 'MQTT' && SERVER_UNDER_TEST.takesMqttPasswordForJwt
}

for (const kind of KINDS) {
  suite(`a client by ${kind.name}`, () => {
    test('is admitted with its grants and nothing more, and its row tells what it is', async () => {
      const watcher = await connectClient(stack.nats.url, { token: await aToken('reporting'), user: 'APP', tls: null })
      const seen: string[] = []
      const watching = watcher.subscribe('kinds.>', { callback: (_, message) => void seen.push(message.subject) })
      await watcher.flush()
      const sinceMs = Date.now()
      const session = await kind.connect(listeners, await credentialsFor(kind))
      assert.ok(session, 'refused')
      const [row] = await rowsSince(sinceMs)
      assert.deepEqual([row?.outcome, row?.principal, row?.kind, row?.type], ['ALLOW', PRINCIPAL, kind.kind, kind.type])

      await session.subscribe('kinds.in')
      await session.subscribe('kinds.secret').catch(() => {})
      await until('the client says what it may', async () => {
        await session.publish('kinds.forbidden')
        await session.publish('kinds.out')
        return seen.includes('kinds.out')
      })
      await until('the client hears what it may', async () => {
        watcher.publish('kinds.secret')
        watcher.publish('kinds.in')
        await watcher.flush()
        return session.heard.includes('kinds.in')
      })
      assert.deepEqual([seen.includes('kinds.forbidden'), session.heard.includes('kinds.secret')], [false, false])
      watching.unsubscribe()
      await session.close()
      await watcher.close()
    })

    test('is refused without a token', async () => {
      await assertRefused(kind, {}, 'token_missing')
    })

    test('is refused without grants', async () => {
      const { admitted, row } = await attempt(kind, await credentialsFor(kind, 'intruder'))
      assert.deepEqual([admitted, row?.reason], [false, 'no_grants'])
    })

    const { bothCredentials } = kind
    if (bothCredentials !== undefined) {
      test('is refused with two different tokens', async () => {
        await assertRefused(kind, bothCredentials(await aToken(), await aToken('reporting')), 'token_ambiguous')
      })
    }

    test('gets what is granted to its connection type and not what is granted to others, which the row says', async () => {
      const { row } = await attempt(kind, await credentialsFor(kind))
      const others = CONNECTION_TYPES.filter((type) => type !== kind.connectionType).toSorted()
      assert.deepEqual([grantedTo(row), skippedOf(row, 'connection_type_unmet')], [[kind.connectionType], others])
    })

    test(`${kind.hasTls === true ? 'gets' : 'does not get'} what is granted to connections with TLS`, async () => {
      const { row } = await attempt(kind, await credentialsFor(kind))
      assert.deepEqual(skippedOf(row, 'tls_unmet'), kind.hasTls === true ? ['mutual'] : ['mutual', 'tls'])
    })
  })
}

for (const kind of CLIENT_KINDS.filter(isWithoutCookie)) {
  test(`a client by ${kind.name} is refused as one without a token, since nats-server ignores cookies`, async () => {
    await assertRefused(kind, await credentialsFor(kind), 'token_missing')
  })
}

for (const kind of CLIENT_KINDS.filter(isTakenForSentinel)) {
  test(`a client by ${kind.name} is refused, since nats-server hands its token on as it does in operator mode`, async () => {
    await assertRefused(kind, await credentialsFor(kind), 'token_missing')
  })
}

suite('an account that asks for TCP and TLS', () => {
  const cases = [
    ['TLS', 'ALLOW'],
    ['TCP, with a token', 'connection_not_allowed'],
    ['WebSocket', 'connection_not_allowed'],
  ] as const
  for (const [name, expected] of cases) {
    test(`gives a client by ${name} the answer ${expected}`, async () => {
      const kind = CLIENT_KINDS.find((candidate) => candidate.name === name)
      assert.ok(kind)
      const { admitted, row } = await attempt(kind, { token: await aToken('reporting'), user: 'OPS' })
      assert.deepEqual([admitted, row?.reason || row?.outcome], [expected === 'ALLOW', expected])
    })
  }
})

test('no credential is in a row, in the log of the service, or in what nats-server tells of its connections', async () => {
  const sessions: (Session | undefined)[] = []
  for (const kind of KINDS) sessions.push(await kind.connect(listeners, await credentialsFor(kind)))
  const connections = await fetch(`${stack.nats.monitorUrl}/connz?auth=true&state=any&limit=1000`)
  const leafNodes = await fetch(`${stack.nats.monitorUrl}/leafz?subs=true`)
  const rows = await stack.database.query('SELECT * FROM Decisions', {}, inMs(10_000))
  assert.ok(rows.length >= KINDS.length)
  const places = {
    rows: JSON.stringify(rows),
    'service log': stack.service.process.log(),
    connz: await connections.text(),
    leafz: await leafNodes.text(),
    'nats-server log': stack.nats.log(),
  }
  for (const session of sessions) await session?.close()
  const ours = new Set(['rows', 'service log'])
  for (const [place, text] of Object.entries(places)) {
    const found = secrets
      .filter((secret) => holds(text, secret))
      .filter((secret) => ours.has(place) || !told.has(secret))
    assert.equal(found.length, 0, place)
  }
})

test('nats-server logs the token of a refused leaf node that has it in place of a user name', async () => {
  const kind = CLIENT_KINDS.find(({ isToldByServer }) => isToldByServer)
  assert.ok(kind)
  const credentials = await credentialsFor(kind, 'intruder')
  await attempt(kind, credentials)
  assert.ok(holds(stack.nats.log(), credentials.token ?? ''))
})

for (const kind of CLIENT_KINDS.filter(isShownWhenRefused)) {
  test(`nats-server shows the token of a client by ${kind.name} that was refused in what it tells of its connections`, async () => {
    const credentials = await credentialsFor(kind, 'intruder')
    await attempt(kind, credentials)
    const connections = await fetch(`${stack.nats.monitorUrl}/connz?auth=true&state=closed&limit=1000`)
    assert.ok(holds(await connections.text(), credentials.token ?? credentials.pass ?? ''))
  })
}

function isShownWhenRefused(kind: ClientKind): boolean {
  const hasTokenForUser = kind.credentials('').token !== undefined && kind.kind === 'Client'
  return (SERVER_UNDER_TEST.showsRefusedTokens && hasTokenForUser) || isTakenForSentinel(kind)
}

/** Looks for the signature: no part of a token is less like anything else. */
function holds(text: string, token: string): boolean {
  return text.includes(token.split('.')[2] ?? token)
}
