import assert from 'node:assert/strict'
import { after, afterEach, before, suite, test } from 'node:test'
import { startLocalStack, type LocalStack, type RunningService } from '../../src/dev/stack.ts'
import { isAdmitted, metric, notReady } from '../support/clients.ts'
import { until } from '../support/spanner.ts'

/** The default of `callout.deadline`. */
const DEADLINE_MS = 1500
/** From the moment a member is frozen; measured some two seconds, and this machine may be busy. */
const EVICTED_WITHIN_MS = 8000
const WANT_OF_TIME: ReadonlySet<string> = new Set(['overloaded', 'grants_unavailable', 'audit_unavailable'])
/** A fifth of the deadline; nobody is refused earlier for want of time, and at once by what is broken. */
const WAITED_MS = 300
/** What nats-server waits for an answer, and a little more for it to give up. */
const SERVER_TIMEOUT_MS = 2500

let stack: LocalStack
let token: string
/** The member that is there from one test to the next; each test begins with it alone. */
let staying: RunningService
/** Every member that there ever was. */
const started: RunningService[] = []

before(async () => {
  stack = await startLocalStack({
    editConfig: (yaml) =>
      yaml.replace(/^nats: \{ /m, 'nats: { system: { user: sys, password_file: secrets/sys.password }, '),
  })
  token = await stack.provider.clientCredentials('orders-service')
  staying = stack.service
  started.push(staying)
})
afterEach(async () => {
  const leaving = started.filter((member) => member !== staying)
  await Promise.all(leaving.map((member) => member.process.stop()))
})
after(() => stack?.[Symbol.asyncDispose]())

/** On a machine so busy that a member stands still a second time it leaves the group for some twenty seconds. */
const GETS_ITS_SHARE_WITHIN_MS = 45_000

async function anotherMember(): Promise<RunningService> {
  const member = await stack.startService()
  started.push(member)
  return member
}

interface Attempt {
  readonly name: string
  readonly startedMs: number
  readonly admitted: boolean
}

interface Load extends AsyncDisposable {
  readonly attempts: readonly Attempt[]
  stop(): Promise<void>
}

let clients = 0

/** Keeps `lanes` clients connecting one after the other until told to stop. */
function steadyConnects(lanes: number): Load {
  const stopping = new AbortController()
  const attempts: Attempt[] = []
  const lane = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const startedMs = performance.now()
      const name = `client-${(clients += 1)}`
      const admitted = await isAdmitted(stack, { token, name }).catch(() => false)
      attempts.push({ name, startedMs, admitted })
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

/** Attempts that came to nothing, and not because a member said so after a wait: a busy machine takes the time from it. */
function lostOf(attempts: readonly Attempt[]): Attempt[] {
  const told = new Set(started.flatMap(refusedForWantOfTime))
  return refusedOf(attempts).filter(({ name }) => !told.has(name))
}

interface DecisionLine {
  readonly event: string
  readonly reason?: string
  readonly clientName: string
  readonly elapsedMs: number
}

/** Clients that the member refused by name since its time, or that of the store, was over. */
function refusedForWantOfTime(member: RunningService): string[] {
  const lines = member.process.log().split('\n').slice(0, -1)
  return lines
    .map((line) => JSON.parse(line) as DecisionLine)
    .filter(({ event, reason = '' }) => event === 'decision' && WANT_OF_TIME.has(reason))
    .filter(({ elapsedMs }) => elapsedMs >= WAITED_MS)
    .map(({ clientName }) => clientName)
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
    const frozen = await anotherMember()
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
    const lost = lostOf(load.attempts)
    t.diagnostic(
      `put out after ${Math.round(evictedMs - frozenMs)} ms; ` +
        `${lost.length} of ${load.attempts.length} connects failed, in 4 lanes`,
    )
    assert.deepEqual(
      lost.filter(({ startedMs }) => startedMs > evictedMs || startedMs <= frozenMs - SERVER_TIMEOUT_MS),
      [],
    )

    await until(
      'what it holds is past its deadline',
      DEADLINE_MS,
      async () => performance.now() > frozenMs + DEADLINE_MS,
    )
    const [answeredBefore, logBefore] = [load.attempts.length, frozen.process.log()]
    frozen.process.signal('SIGCONT')
    await until('it serves again', 20_000, async () => (await notReady(frozen)).length === 0)
    const served = await allowed(frozen)
    await until('it gets its share again', GETS_ITS_SHARE_WITHIN_MS, async () => (await allowed(frozen)) > served + 10)
    await load.stop()
    assert.deepEqual(lostOf(load.attempts.slice(answeredBefore)), [])
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
    const other = await anotherMember()
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
    const killed = await anotherMember()
    await using load = steadyConnects(lanes)
    await admissions(load.attempts, 40)
    killed.process.signal('SIGKILL')
    await killed.process.exited
    const goneMs = performance.now()
    await admissions(load.attempts, 80)
    await load.stop()
    const lost = lostOf(load.attempts)
    t.diagnostic(`${lost.length} of ${load.attempts.length} connects failed, with ${lanes} under way at a time`)
    assert.ok(lost.length <= lanes, `${lost.length} lost`)
    assert.deepEqual(
      lost.filter(({ startedMs }) => startedMs > goneMs + 500),
      [],
    )
  })
})

test('three members restarted one after the other under load lose no request', async (t) => {
  const members = [staying, await anotherMember(), await anotherMember()]
  await using load = steadyConnects(8)
  await admissions(load.attempts, 40)
  for (const member of members) {
    staying = await anotherMember()
    await stopped(member)
    await admissions(load.attempts, 40)
  }
  await load.stop()
  t.diagnostic(`${load.attempts.length} connects`)
  assert.deepEqual(lostOf(load.attempts), [])
})
