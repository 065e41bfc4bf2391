import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { compilePermissions } from '../../../src/core/permissions.ts'
import type { Permissions, SubjectPermission } from '../../../src/core/permissions.ts'
import { permits, type Permitted } from '../../../src/core/permits.ts'
import { parseSubjectPattern } from '../../../src/core/subject.ts'

const CLOSED = { allow: [], deny: ['>'] }

function subscribing({ allow = [], deny = [] }: Partial<SubjectPermission>): Permissions {
  return { publish: CLOSED, subscribe: { allow, deny } }
}

function asked(permissions: Permissions, subject: string, queue?: string): Permitted {
  const parsed = parseSubjectPattern(subject)
  assert.ok('pattern' in parsed)
  const question = { action: 'subscribe', subject: parsed.pattern } as const
  return permits(permissions, queue === undefined ? question : { ...question, queue })
}

test('what no entry covers is not permitted', () => {
  for (const [allow, subject] of [
    ['orders.*', 'orders.a.b'],
    ['orders.a', 'orders.>'],
    ['orders.new', 'orders.*'],
    ['orders.>', 'orders'],
    ['orders.>', '>'],
  ] as const) {
    assert.deepEqual(asked(subscribing({ allow: [allow] }), subject), { verdict: 'no', because: [] }, subject)
  }
})

test('a last * lets a last > through, of which it covers a part', () => {
  assert.deepEqual(asked(subscribing({ allow: ['orders.*'] }), 'orders.>'), {
    verdict: 'partly',
    because: ['orders.*'],
  })
})

test('an entry that covers the subject permits it, and is named', () => {
  assert.deepEqual(asked(subscribing({ allow: ['a.>', 'b.>'] }), 'a.*.c'), { verdict: 'yes', because: ['a.>'] })
})

test('a deny that covers the subject wins, and is named', () => {
  const permissions = subscribing({ allow: ['a.>'], deny: ['a.secret.>'] })
  assert.deepEqual(asked(permissions, 'a.secret.b'), { verdict: 'no', because: ['a.secret.>'] })
})

test('a deny of a part is told apart', () => {
  const permissions = subscribing({ allow: ['a.>'], deny: ['a.secret'] })
  assert.deepEqual(asked(permissions, 'a.*'), { verdict: 'partly', because: ['a.secret'] })
  assert.deepEqual(asked(permissions, 'a.b.*'), { verdict: 'yes', because: ['a.>'] })
})

test('as soon as an entry with a queue group fits, only those decide about members of groups', () => {
  const permissions = subscribing({ allow: ['q.>', 'q.svc wkr.*'] })
  assert.equal(asked(permissions, 'q.svc').verdict, 'yes')
  assert.equal(asked(permissions, 'q.svc', 'wkr.1').verdict, 'yes')
  assert.equal(asked(permissions, 'q.svc', 'other').verdict, 'no')
  assert.equal(asked(permissions, 'q.other', 'other').verdict, 'yes')
  assert.equal(asked(subscribing({ allow: ['q.svc wkr'] }), 'q.svc').verdict, 'no')
})

test('a deny of a queue group is for its members alone', () => {
  const permissions = subscribing({ allow: ['q.>'], deny: ['q.svc wkr'] })
  assert.equal(asked(permissions, 'q.svc', 'wkr').verdict, 'no')
  assert.equal(asked(permissions, 'q.svc', 'other').verdict, 'yes')
  assert.equal(asked(permissions, 'q.svc').verdict, 'yes')
})

test('a side on which nothing is allowed permits nothing', () => {
  assert.equal(asked(subscribing(CLOSED), 'a').verdict, 'no')
})

test('a deny that nobody can read denies everything', () => {
  assert.equal(asked(subscribing({ allow: ['>'], deny: ['a..b'] }), 'c').verdict, 'no')
})

suite('permissions that are compiled', () => {
  const compiled = (...grants: readonly (readonly [effect: 'allow' | 'deny', subject: string, queue?: string])[]) =>
    compilePermissions(
      grants.map(([effect, text, queue]) => ({
        action: 'subscribe' as const,
        effect,
        subject: text,
        ...(queue === undefined ? {} : { queue }),
      })),
    )

  test('keep back what a last * would let through', () => {
    assert.deepEqual(compiled(['allow', '*']).subscribe.deny, ['*.>'])
    const permissions = compiled(['allow', 'orders.*'], ['allow', 'jobs.*', 'workers'])
    assert.deepEqual(permissions.subscribe.deny, ['jobs.*.>', 'orders.*.>'])
    for (const below of ['orders.eu.>', 'orders.eu.new', 'jobs.a.b']) {
      assert.equal(asked(permissions, below).verdict, 'no', below)
    }
    assert.equal(asked(permissions, 'orders.>').verdict, 'partly')
    assert.equal(asked(permissions, 'orders.*').verdict, 'yes')
  })

  test('deny nothing below that is allowed as a whole', () => {
    assert.deepEqual(compiled(['allow', 'orders.*'], ['allow', 'orders.>']).subscribe.deny, [])
    assert.deepEqual(compiled(['allow', 'orders.*'], ['allow', '*.*.>']).subscribe.deny, [])
    assert.deepEqual(compiled(['allow', 'orders.*'], ['allow', 'orders.>', 'workers']).subscribe.deny, ['orders.*.>'])
    assert.deepEqual(compiled(['allow', 'orders.*'], ['allow', 'orders.eu.>']).subscribe.deny, ['orders.*.>'])
  })

  test('keep back what a last * of the longest subject would let through', () => {
    const longest = 'x'.repeat(1022)
    assert.deepEqual(compiled(['allow', `${longest}.*`]).subscribe.deny, [`${longest}.*.>`])
  })

  test('guard no publishes, which nats-server compares as they are', () => {
    const grants = [{ action: 'publish', effect: 'allow', subject: 'orders.*' }] as const
    assert.deepEqual(compilePermissions(grants).publish, { allow: ['orders.*'], deny: [] })
  })
})
