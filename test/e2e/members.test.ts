import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { startLocalStack, type LocalStack, type RunningService } from '../../src/dev/stack.ts'
import { isAdmitted, metric, notReady } from '../support/clients.ts'
import { until } from '../support/spanner.ts'

/** From the moment a member is frozen; measured some two seconds, and this machine may be busy. */
const EVICTED_WITHIN_MS = 8000
/** What nats-server waits for an answer, and a little more for it to give up. */
const SERVER_TIMEOUT_MS = 2500

let stack: LocalStack
let token: string
/** The member that is there from one test to the next. */
let staying: RunningService

before(async () => {
  stack = await startLocalStack({
    editConfig: (yaml) =>
      yaml.replace(/^nats: \{ /m, 'nats: { system: { user: sys, password_file: secrets/sys.password }, '),
  })
  token = await stack.provider.clientCredentials('orders-service')
  staying = stack.service
})
after(() => stack?.[Symbol.asyncDispose]())

/** On a machine so busy that a member stands still a second time it leaves the group for some twenty seconds. */
const GETS_ITS_SHARE_WITHIN_MS = 45_000

interface Attempt {
  readonly startedMs: number
  readonly admitted: boolean
}

interface Load extends AsyncDisposable {
  readonly attempts: readonly Attempt[]
  stop(): Promise<void>
}

/** Keeps `lanes` clients connecting one after the other until told to stop. */
function steadyConnects(lanes: number): Load {
  const stopping = new AbortController()
  const attempts: Attempt[] = []
  const lane = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const startedMs = performance.now()
      const admitted = await isAdmitted(stack, { token }).catch(() => false)
      attempts.push({ startedMs, admitted })
    }
  }
  const running = Promise.all(Array.from({ length: lanes }, lane))
  const stop = async (): Promise<void> => {
    stopping.abort()
    await running
  }
  return { attempts, stop, [Symbol.asyncDispose]: stop }
}

function refusedOf(attempts: readonly Attempt[]): Attempt[] {
  return attempts.filter(({ admitted }) => !admitted)
}

/** Counts what is admitted from now on. */
async function admissions(attempts: readonly Attempt[], count: number): Promise<void> {
  const seen = attempts.length
  await until('clients get in', 20_000, async () => {
    return attempts.slice(seen).filter(({ admitted }) => admitted).length >= count
  })
}

/** Decisions that the member answered. */
function allowed(service: RunningService): Promise<number> {
  return metric(service, 'nats_callout_decisions_total{outcome="allow",reason="none"}')
}

async function stopped(service: RunningService): Promise<void> {
  service.process.signal('SIGTERM')
  assert.equal((await service.process.exited).code, 0)
}

suite('of two members', () => {
  test('a frozen one costs its share of the connects until the other has put it out, and comes back clean', async (t) => {
    const frozen = await stack.startService()
    await using load = steadyConnects(4)
    await admissions(load.attempts, 40)
    const frozenMs = performance.now()
    const evictions = await metric(staying, 'nats_callout_evictions_total')
    frozen.process.signal('SIGSTOP')
    await until('it is put out', EVICTED_WITHIN_MS, async () => {
      return (await metric(staying, 'nats_callout_evictions_total')) === evictions + 1
    })
    const evictedMs = performance.now()
    await admissions(load.attempts, 40)
    const late = load.attempts.filter(({ startedMs, admitted }) => !admitted && startedMs > evictedMs)
    const refused = refusedOf(load.attempts)
    t.diagnostic(
      `put out after ${Math.round(evictedMs - frozenMs)} ms; ` +
        `${refused.length} of ${load.attempts.length} connects failed, in 4 lanes; ${late.length} began afterwards`,
    )
    assert.equal(late.length, 0)
    assert.ok(refused.every(({ startedMs }) => startedMs > frozenMs - SERVER_TIMEOUT_MS))

    const [answeredBefore, logBefore] = [load.attempts.length, frozen.process.log()]
    frozen.process.signal('SIGCONT')
    await until('it serves again', 20_000, async () => (await notReady(frozen)).length === 0)
    const served = await allowed(frozen)
    await until('it gets its share again', GETS_ITS_SHARE_WITHIN_MS, async () => (await allowed(frozen)) > served + 10)
    await load.stop()
    assert.deepEqual(refusedOf(load.attempts.slice(answeredBefore)), [])
    const since = frozen.process.log().slice(logBefore.length)
    assert.doesNotMatch(since, /"event":"unexpected"/)
    const answered = [...since.matchAll(/"delivery":"sent","elapsedMs":([\d.]+)/g)].map(([, ms]) => Number(ms))
    assert.deepEqual(
      answered.filter((elapsedMs) => elapsedMs > SERVER_TIMEOUT_MS),
      [],
    )
    await stopped(frozen)
  })

  test('each that is healthy stays in, under load and without', async () => {
    const evictions = await metric(staying, 'nats_callout_evictions_total')
    const other = await stack.startService()
    await using load = steadyConnects(8)
    await admissions(load.attempts, 200)
    await load.stop()
    for (const member of [staying, other]) {
      assert.equal(await metric(member, 'nats_callout_group_member'), 1)
      assert.equal(await metric(member, 'nats_callout_heartbeat_heard'), 1)
    }
    assert.equal(await metric(staying, 'nats_callout_evictions_total'), evictions)
    assert.equal(await metric(other, 'nats_callout_evictions_total'), 0)
    await stopped(other)
  })

  test('one that is killed costs the requests that it had in flight, and no more', async (t) => {
    const lanes = 8
    const killed = await stack.startService()
    await using load = steadyConnects(lanes)
    await admissions(load.attempts, 40)
    killed.process.signal('SIGKILL')
    await killed.process.exited
    const goneMs = performance.now()
    await admissions(load.attempts, 80)
    await load.stop()
    const refused = refusedOf(load.attempts)
    t.diagnostic(`${refused.length} of ${load.attempts.length} connects failed, with ${lanes} under way at a time`)
    assert.ok(refused.length <= lanes, `${refused.length} refused`)
    assert.deepEqual(
      refused.filter(({ startedMs }) => startedMs > goneMs + 500),
      [],
    )
  })
})

test('three members restarted one after the other under load lose no request', async (t) => {
  const members = [staying, await stack.startService(), await stack.startService()]
  await using load = steadyConnects(8)
  await admissions(load.attempts, 40)
  for (const member of members) {
    staying = await stack.startService()
    await stopped(member)
    await admissions(load.attempts, 40)
  }
  await load.stop()
  t.diagnostic(`${load.attempts.length} connects`)
  assert.deepEqual(refusedOf(load.attempts), [])
})
