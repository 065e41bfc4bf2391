import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, errors } from '@nats-io/transport-node'
import type { NatsConnection } from '@nats-io/transport-node'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { decide } from '../../../src/core/decide.ts'
import { compilePermissions } from '../../../src/core/permissions.ts'
import type { Permissions } from '../../../src/core/permissions.ts'
import { permits, type Question } from '../../../src/core/permits.ts'
import { guardStarDenials, hiddenByLonger } from '../../../src/core/star-denials.ts'
import { parseSubjectPattern } from '../../../src/core/subject.ts'
import { compareVersions, locateNatsServer, type NatsServerBinary } from '../../../src/dev/locate-nats-server.ts'
import { OLDEST_TESTED_VERSION } from '../../../src/dev/nats-server-release.ts'
import { startNatsServer } from '../../../src/dev/nats-server.ts'
import { aDecisionInput, aGrant, aPolicy } from '../../support/builders.ts'

const NEWEST = await locateNatsServer()
const OLDEST = await locateNatsServer(() => {}, { env: { NATS_SERVER_VERSION: OLDEST_TESTED_VERSION } })

const SETS = 40
const QUESTIONS_PER_SET = 25

const token = fc.constantFrom('a', 'b', '*')
const subject = fc
  .tuple(fc.array(token, { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([tokens, open]) => [...tokens, ...(open ? ['>'] : [])].join('.'))
const queue = fc.option(fc.constantFrom('q1', 'q2', 'q.*', 'q.a'), { nil: undefined })
const subscribeEntry = fc
  .tuple(subject, queue)
  .map(([text, group]) => (group === undefined ? text : `${text} ${group}`))
const permissionSet: fc.Arbitrary<Permissions> = fc.record({
  publish: fc.record({
    allow: fc.array(subject, { minLength: 1, maxLength: 3 }),
    deny: fc.array(subject, { maxLength: 3 }),
  }),
  subscribe: fc.record({
    allow: fc.array(subscribeEntry, { minLength: 1, maxLength: 3 }),
    deny: fc.array(subscribeEntry, { maxLength: 2 }),
  }),
})

interface Asked {
  readonly action: 'publish' | 'subscribe'
  readonly subject: string
  readonly queue: string | undefined
}
const literal = fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'))
const asked: fc.Arbitrary<Asked> = fc.oneof(
  fc.record({ action: fc.constant('publish' as const), subject: literal, queue: fc.constant(undefined) }),
  fc.record({
    action: fc.constant('subscribe' as const),
    subject,
    queue: fc.option(fc.constantFrom('q1', 'q2', 'q.a', 'q.b'), { nil: undefined }),
  }),
)

const seed = fc.sample(fc.nat(), 1)[0] ?? 0
const sets = fc.sample(permissionSet, { numRuns: SETS, seed })
const questions = fc.sample(asked, { numRuns: QUESTIONS_PER_SET, seed })

for (const binary of [OLDEST, NEWEST]) {
  test(`nats-server ${binary.version} permits what we say that it permits (seed ${seed})`, async () => {
    const differences = differencesOf(binary)
    const users = sets.map((permissions, index) => userOf(`u${index}`, differences.mended(permissions)))
    await using server = await startNatsServer({ config: configOf(users), path: binary.path })
    for (const [index, permissions] of sets.entries()) {
      const connection = await connect({ servers: server.url, user: `u${index}`, pass: 'p', reconnect: false })
      const violations = watchViolations(connection)
      for (const question of questions.filter(differences.isComparable)) {
        const said = permits(permissions, questionOf(question)).verdict !== 'no'
        const before = violations.count
        await attempt(connection, question)
        // What came before the flush has been told once another one was answered.
        await connection.flush()
        await setImmediate()
        assert.equal(said, violations.count === before, JSON.stringify({ permissions, question }))
      }
      await connection.close()
    }
  })
}

/**
 * What has to be left out or made up for, so that a server can be compared. `mended`: as `decide` does it for denials; and for what
 * is allowed, which such a server refuses. `isComparable`: some servers let members of a queue group pass a denial that is for all,
 * where another is for a queue group (both in `server-versions.test.ts`).
 */
function differencesOf({ version }: NatsServerBinary) {
  const isOld = compareVersions(version, '2.12.7') < 0
  return {
    mended: (permissions: Permissions): Permissions => {
      const { publish, subscribe } = guardStarDenials(permissions)
      const allow = isOld ? [...publish.allow, ...hiddenByLonger(publish.allow)] : publish.allow
      return { publish: { allow, deny: publish.deny }, subscribe }
    },
    isComparable: ({ queue }: Asked) => !isOld || queue === undefined,
  }
}

/** Counts the refusals of nats-server, which come before the answer to the next flush. */
function watchViolations(connection: NatsConnection): { readonly count: number } {
  const violations = { count: 0 }
  void (async () => {
    for await (const status of connection.status()) {
      if (status.type === 'error' && status.error instanceof errors.PermissionViolationError) violations.count += 1
    }
  })()
  return violations
}

for (const binary of [OLDEST, NEWEST]) {
  test(`nats-server ${binary.version} finds what a last * denies beside a longer denial that begins like it`, async () => {
    const rows = (['publish', 'subscribe'] as const).flatMap((action) => [
      aGrant({ id: `${action} all`, action, subject: '>' }),
      aGrant({ id: `no ${action}`, effect: 'deny', action, subject: 'orders.*' }),
      aGrant({ id: `no ${action} below`, effect: 'deny', action, subject: 'orders.new.eu' }),
    ])
    const decision = decide(aDecisionInput({ policy: aPolicy({ grants: rows }) }))
    assert.ok(decision.outcome === 'allow')
    const users = [userOf('alice', decision.permissions), '{ user: anybody, password: p }']
    await using server = await startNatsServer({ config: configOf(users), path: binary.path })
    const [alice, anybody] = await Promise.all(
      ['alice', 'anybody'].map((user) => connect({ servers: server.url, user, pass: 'p', reconnect: false })),
    )
    assert.ok(alice !== undefined && anybody !== undefined)
    const received: string[] = []
    for (const [name, connection] of [
      ['alice', alice],
      ['anybody', anybody],
    ] as const) {
      connection.subscribe('>', { callback: (_error, { subject }) => void received.push(`${name}: ${subject}`) })
      await connection.flush()
    }
    alice.publish('orders.new')
    await alice.flush()
    for (const subject of ['orders.new', 'orders.eu.new']) anybody.publish(subject)
    await anybody.flush()
    await alice.flush()
    assert.deepEqual(received.toSorted(), ['alice: orders.eu.new', 'anybody: orders.eu.new', 'anybody: orders.new'])
    for (const connection of [alice, anybody]) await connection.close()
  })
}

test('a subscriber gets nothing below a last * that it was granted, however it subscribes', async () => {
  const granted = ['user', 'queue'].map((name) =>
    compilePermissions([
      { action: 'subscribe', effect: 'allow', subject: 'a.*', ...(name === 'queue' ? { queue: 'q' } : {}) },
      { action: 'publish', effect: 'allow', subject: 'a.>' },
    ]),
  )
  const users = granted.map((permissions, index) => userOf(`u${index}`, permissions))
  await using own = await startNatsServer({ config: configOf(users) })
  for (const [index, options] of [{}, { queue: 'q' }].entries()) {
    const connection = await connect({ servers: own.url, user: `u${index}`, pass: 'p', reconnect: false })
    const received: string[] = []
    connection.subscribe('a.>', { ...options, callback: (_error, { subject: heard }) => void received.push(heard) })
    for (const subject of ['a.b.secret', 'a.b']) connection.publish(subject)
    await connection.flush()
    assert.deepEqual(received, ['a.b'])
    await connection.close()
  }
})

function configOf(users: readonly string[]): string {
  return `authorization { users: [\n${users.join('\n')}\n] }`
}

function userOf(name: string, { publish, subscribe }: Permissions): string {
  return `{ user: ${name}, password: p, permissions: { publish: ${JSON.stringify(publish)}, subscribe: ${JSON.stringify(subscribe)} } }`
}

function questionOf({ action, subject: text, queue: group }: Asked): Question {
  const parsed = parseSubjectPattern(text)
  assert.ok('pattern' in parsed)
  return { action, subject: parsed.pattern, ...(group === undefined ? {} : { queue: group }) }
}

async function attempt(connection: NatsConnection, { action, subject: text, queue: group }: Asked): Promise<void> {
  if (action === 'publish') connection.publish(text)
  else {
    const options = group === undefined ? {} : { queue: group }
    connection.subscribe(text, { ...options, max: 1, callback: () => {} })
  }
  await connection.flush()
}
