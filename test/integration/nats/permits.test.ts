import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect, errors } from '@nats-io/transport-node'
import type { NatsConnection } from '@nats-io/transport-node'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { compilePermissions } from '../../../src/core/permissions.ts'
import type { Permissions } from '../../../src/core/permissions.ts'
import { permits, type Question } from '../../../src/core/permits.ts'
import { parseSubjectPattern } from '../../../src/core/subject.ts'
import { startNatsServer, type NatsServer } from '../../../src/dev/nats-server.ts'

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
    deny: fc.array(subject, { maxLength: 2 }),
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
let server: NatsServer

before(async () => {
  const users = sets.map((permissions, index) => userOf(`u${index}`, permissions))
  server = await startNatsServer({ config: `authorization { users: [\n${users.join('\n')}\n] }` })
})

after(() => server.stop())

test(`nats-server permits what we say that it permits (seed ${seed})`, async () => {
  for (const [index, permissions] of sets.entries()) {
    const connection = await connect({ servers: server.url, user: `u${index}`, pass: 'p', reconnect: false })
    const violations = watchViolations(connection)
    for (const question of questions) {
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

test('a subscriber gets nothing below a last * that it was granted, however it subscribes', async () => {
  const granted = ['user', 'queue'].map((name) =>
    compilePermissions([
      { action: 'subscribe', effect: 'allow', subject: 'a.*', ...(name === 'queue' ? { queue: 'q' } : {}) },
      { action: 'publish', effect: 'allow', subject: 'a.>' },
    ]),
  )
  const users = granted.map((permissions, index) => userOf(`u${index}`, permissions))
  await using own = await startNatsServer({ config: `authorization { users: [\n${users.join('\n')}\n] }` })
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
