import assert from 'node:assert/strict'
import { after, afterEach, before, suite, test } from 'node:test'
import { startLocalStack, type LocalStack } from '../../src/dev/stack.ts'
import { systemClock as clock } from '../../src/service/clock.ts'
import { DatabaseAdmin } from '../../src/spanner/database-admin.ts'
import { createEmulatorDatabase } from '../../src/dev/emulator-database.ts'
import { addSamplePolicy } from '../../src/dev/sample-policy.ts'
import { MIGRATIONS } from '../../src/spanner/migrations.ts'
import { isAdmitted, metric, notReady } from '../support/clients.ts'
import { applySchema, until } from '../support/spanner.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

const RECOVERED_WITHIN_MS = 2000

let stack: LocalStack
let proxy: TcpProxy
let token: string

before(async () => {
  stack = await startLocalStack({
    spannerFor: async (emulatorHost) => {
      proxy = await startTcpProxy(emulatorHost)
      return proxy.host
    },
  })
  token = await stack.provider.clientCredentials('orders-service')
  assert.equal(await isAdmitted(stack, { token }), true)
})
/** So that a test that fails leaves the others what they need. */
afterEach(() => {
  stack.emulator.signal('SIGCONT')
  proxy.restore()
  proxy.setDelay(0)
})
after(async () => {
  await stack?.[Symbol.asyncDispose]()
  await proxy?.[Symbol.asyncDispose]()
})

function denials(reason: string): Promise<number> {
  return metric(stack.service, `nats_callout_decisions_total{outcome="deny",reason="${reason}"}`)
}

/** Refusals for this reason that nats-server heard of before it gave up; later ones it drops without a word. */
function heardByServer(reason: string): number {
  return [...stack.nats.log().matchAll(new RegExp(`${reason} [0-9a-f-]{36}`, 'g'))].length
}

/** Decisions whose answer the service did not send, as it logged them, with where the time went. */
function unsent(): string[] {
  const decisions = stack.service.process
    .log()
    .split('\n')
    .filter((line) => line.includes('"event":"decision"'))
  return decisions.filter((line) => !line.includes('"delivery":"sent"'))
}

/**
 * Twenty clients at once are all refused by us, in time, for this reason. The service answers within its deadline or not
 * at all, and nats-server says whose refusal it was; how long the clients needed to come is no matter.
 */
async function expectRefusals(reason: string): Promise<void> {
  const [decidedBefore, heardBefore, unsentBefore] = [await denials(reason), heardByServer(reason), unsent().length]
  const admitted = await Promise.all(Array.from({ length: 20 }, () => isAdmitted(stack, { token })))
  assert.deepEqual(new Set(admitted), new Set([false]))
  assert.equal((await denials(reason)) - decidedBefore, 20)
  await until('each is accounted for', 5000, async () => {
    return heardByServer(reason) - heardBefore + unsent().length - unsentBefore >= 20
  })
  assert.deepEqual(unsent().slice(unsentBefore), [])
}

async function expectRecovery(withinMs = RECOVERED_WITHIN_MS): Promise<void> {
  await until('a client gets in again', withinMs, () => isAdmitted(stack, { token }))
}

suite('while Spanner', () => {
  test('is frozen, clients are refused in time, and get in again when it goes on', async () => {
    stack.emulator.signal('SIGSTOP')
    await expectRefusals('grants_unavailable')
    await until('readiness names the store', 8000, async () =>
      (await notReady(stack.service)).join().includes('store_'),
    )
    stack.emulator.signal('SIGCONT')
    await expectRecovery()
    await until('the store is ready', 8000, async () => (await notReady(stack.service)).length === 0)
  })

  test('swallows everything, as behind a firewall that forgot the connection', async () => {
    proxy.silenceEverything()
    await expectRefusals('grants_unavailable')
    proxy.restore()
    // No end of the connection is ever seen: it is given up after a silence of its own.
    await expectRecovery(3 * RECOVERED_WITHIN_MS)
  })

  test('is slow, clients get in as long as the deadline holds', async () => {
    proxy.setDelay(100)
    assert.equal(await isAdmitted(stack, { token }), true)
    proxy.setDelay(600)
    await expectRefusals('grants_unavailable')
    proxy.setDelay(0)
    await expectRecovery()
  })

  test('is dead, clients are refused in time, and get in again when it is back', async () => {
    stack.emulator.signal('SIGKILL')
    await expectRefusals('grants_unavailable')
    await stack.emulator.restart()
    await createEmulatorDatabase(stack.emulator.host, stack.database.name)
    await applySchema(stack.emulator.host, stack.database.name)
    await addSamplePolicy(stack.admin)
    await expectRecovery()
  })

  test('refuses to record, nobody is admitted, and everybody is when it records again', async () => {
    await using schema = new DatabaseAdmin({ database: stack.database.name, emulatorHost: stack.emulator.host, clock })
    const views = ['RecentDenials', 'ActiveSessions', 'PrincipalDecisions'].map((name) => `VIEW ${name}`)
    const indexes = ['ByPrincipal', 'Denied', 'ByToken', 'ByAddress', 'ByServer', 'ByGrantSet', 'Spooled'].map(
      (name) => `INDEX Decisions${name}`,
    )
    const drop = [...views, ...indexes, 'TABLE Decisions'].map((what) => `DROP ${what}`)
    await schema.updateSchema(drop, async () => {})
    const failuresBefore = await metric(stack.service, 'nats_callout_audit_failures_total{outcome="allow"}')
    await expectRefusals('audit_unavailable')
    assert.equal(
      (await metric(stack.service, 'nats_callout_audit_failures_total{outcome="allow"}')) - failuresBefore,
      20,
    )
    await schema.updateSchema(
      MIGRATIONS.filter(({ needs }) => needs === undefined)
        .flatMap(({ statements }) => statements)
        .filter((statement) => /\bDecisions\b/.test(statement)),
      async () => {},
    )
    await expectRecovery()
  })
})

suite('when nats-server is restarted', () => {
  test('the service reconnects and serves', async () => {
    await stack.nats.restart()
    await until('a client gets in', 5000, () => isAdmitted(stack, { token }).catch(() => false))
  })
})
