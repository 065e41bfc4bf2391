import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { newScopedSigner } from '@nats-io/jwt'
import type { AuthorizationRequest } from '../../../src/core/request.ts'
import { createXKey } from '../../../src/nats/keys.ts'
import { AUTH_ERROR_SUBJECT, RefusedAllows, type AnsweredAllow } from '../../../src/nats/refused-allows.ts'
import type { Answer } from '../../../src/service/ports.ts'
import { systemClock } from '../../../src/service/clock.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { connectClient, seedOf, startService, until, type RunningService } from '../../support/nats.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'
import { signersOf, startOperatorServer, withCreds, type OperatorServer } from '../../support/operator.ts'

/** A service that answers as `script` says, and what it learns of the fate of its allows. */
interface Watched extends AsyncDisposable {
  readonly service: RunningService
  readonly events: RecordedEvents
  readonly clock: ManualClock
  /** Of the allows, in order. */
  readonly decisionIds: string[]
  script: { account: string } | Answer
  why(): string | undefined
}

async function watch({ nats, keys, jwts }: OperatorServer): Promise<Watched> {
  const events = new RecordedEvents()
  const clock = new ManualClock()
  const decisionIds: string[] = []
  let refused: RefusedAllows | undefined
  const answered = (request: AuthorizationRequest): void => {
    const decisionId = randomUUID()
    decisionIds.push(decisionId)
    refused?.answered({ serverId: request.server.id, connectionId: request.client.connectionId, decisionId })
  }
  const watched = { script: { account: 'APP' } as Watched['script'] }
  const service = await startService({
    url: nats.url,
    signers: signersOf(keys),
    xkeys: [createXKey(seedOf(keys.xkey), 'xkey.nk')],
    credentials: { kind: 'creds', creds: jwts.serviceCreds, label: 'service.creds' },
    handler(request, respond, allow) {
      const { script } = watched
      void respond('account' in script ? allow(script) : script)
      if (!('deny' in script)) answered(request)
    },
  })
  refused = new RefusedAllows({ connection: service.connection, clock, events })
  await service.connection.flush()
  return Object.assign(watched, {
    service,
    events,
    clock,
    decisionIds,
    why: () => refused.probe()[0]?.why,
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  })
}

async function admitted({ nats }: OperatorServer): Promise<boolean> {
  try {
    await (await connectClient(nats.url)).close()
    return true
  } catch {
    return false
  }
}

suite('an allow that nats-server does not carry out', () => {
  let server: OperatorServer
  before(async () => {
    server = await startOperatorServer()
  })
  after(() => server[Symbol.asyncDispose]())

  const account = (name: string) => server.keys.accounts.get(name) ?? assert.fail()

  test('for its signing key is reported with its decision and the text of the server', async () => {
    await using watched = await watch(server)
    await server.updateAccount(account('APP').identity, (claims) => void (claims.signing_keys = []))
    assert.equal(await admitted(server), false)
    await until('it is reported', () => watched.events.refusedAllows.length === 1)
    const [report] = watched.events.refusedAllows
    assert.equal(report?.decisionId, watched.decisionIds[0])
    assert.match(report?.why ?? '', /issuer "A\w+" is not known/)
    assert.match(watched.why() ?? '', /^nats-server refused the last one: .*is not known/)

    const key = account('APP').signing.getPublicKey()
    await server.updateAccount(account('APP').identity, (claims) => void (claims.signing_keys = [key]))
    assert.equal(await admitted(server), true)
    assert.notEqual(watched.why(), undefined, 'its fate is not known yet')
    await watched.clock.advance(3_000)
    assert.equal(watched.why(), undefined)
  })

  test('for the scope of its signing key is reported: permissions are never left to a template', async () => {
    await using watched = await watch(server)
    watched.script = { account: 'OPS' }
    const key = account('OPS').signing.getPublicKey()
    const scope = newScopedSigner(key, 'ops', { pub: { allow: ['>'] } })
    await server.updateAccount(account('OPS').identity, (claims) => void (claims.signing_keys = [scope]))
    assert.equal(await admitted(server), false)
    await until('it is reported', () => watched.events.refusedAllows.length === 1)
    assert.match(watched.why() ?? '', /scoped users require no permissions/)
  })

  test('for a full account is reported, and no trouble of ours', async () => {
    await using watched = await watch(server)
    await server.updateAccount(
      account('APP').identity,
      (claims) => void (claims.limits = { ...claims.limits, conn: 0 }),
    )
    assert.equal(await admitted(server), false)
    await until('it is reported', () => watched.events.refusedAllows.length === 1)
    assert.match(watched.events.refusedAllows[0]?.why ?? '', /maximum account active connections exceeded/)
    assert.equal(watched.why(), undefined)
    await server.updateAccount(
      account('APP').identity,
      (claims) => void (claims.limits = { ...claims.limits, conn: -1 }),
    )
  })

  test('is not a denial, nor an allow that was carried out', async () => {
    await using watched = await watch(server)
    assert.equal(await admitted(server), true)
    watched.script = { deny: 'no_grants 018bcfe5' }
    assert.equal(await admitted(server), false)
    watched.script = { allow: 'not.a.jwt' }
    assert.equal(await admitted(server), false)
    await until('the last is reported', () => watched.events.refusedAllows.length > 0)
    assert.deepEqual(
      watched.events.refusedAllows.map(({ decisionId }) => decisionId),
      [watched.decisionIds[1]],
    )
  })
})

test('what is no event of a server, or of a connection that we know, changes nothing', async () => {
  await using server = await startOperatorServer()
  const connection = await connectClient(server.nats.url, withCreds(server.jwts.systemCreds))
  const events = new RecordedEvents()
  using refused = new RefusedAllows({ connection, clock: systemClock, events })
  const allow: AnsweredAllow = { serverId: 'N1', connectionId: 7, decisionId: 'd1' }
  refused.answered(allow)
  const event = (change: object = {}) =>
    JSON.stringify({ server: { id: 'N1' }, client: { id: 7 }, reason: 'no', ...change })
  const wrong = ['', '{', 'null', '[]', '"x"', '{}', event({ server: null }), event({ client: { id: '7' } })]
  const others = [event({ reason: 1 }), event({ client: { id: 8 } }), event({ reason: 'x'.repeat(70_000) })]
  for (const text of [...wrong, ...others]) connection.publish(AUTH_ERROR_SUBJECT, text)
  await connection.flush()
  assert.deepEqual([events.refusedAllows, events.unexpectedErrors], [[], []])
  connection.publish(AUTH_ERROR_SUBJECT, event())
  await connection.flush()
  assert.deepEqual(events.refusedAllows, [{ decisionId: 'd1', why: 'no' }])
  await connection.close()
})
