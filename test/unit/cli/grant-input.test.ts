import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { grantsFrom, subjectFilter, type GrantOptions } from '../../../src/cli/grant-input.ts'
import { CommandFailure } from '../../../src/cli/io.ts'

const NOW = Date.parse('2026-06-01T00:00:00Z')
const OPTIONS: GrantOptions = {
  principal: 'user:corp:alice',
  account: 'APP',
  publish: ['orders.>'],
  reason: 'TICKET-1',
  actor: 'admin',
}

function problemsOf(changes: Partial<GrantOptions>): readonly string[] {
  try {
    grantsFrom({ ...OPTIONS, ...changes }, NOW)
  } catch (error) {
    if (error instanceof CommandFailure && error.exitCode === 2) return error.lines
    throw error
  }
  return assert.fail('the options were accepted')
}

suite('grants to add', () => {
  test('are one for each subject, with ids of their own', () => {
    const grants = grantsFrom({ ...OPTIONS, publish: ['a', 'b.{{subject}}'], subscribe: ['c.*'] }, NOW)
    assert.deepEqual(
      grants.map(({ action, subject, effect, queue }) => [action, subject, effect, queue]),
      [
        ['publish', 'a', 'allow', undefined],
        ['publish', 'b.{{subject}}', 'allow', undefined],
        ['subscribe', 'c.*', 'allow', undefined],
      ],
    )
    assert.equal(new Set(grants.map(({ id }) => id)).size, 3)
  })

  test('hold who, why and the window', () => {
    const [grant] = grantsFrom(
      { ...OPTIONS, deny: true, from: '2026-07-01T02:00:00+02:00', until: '2026-08-01T00:00:00Z' },
      NOW,
    )
    const { id, ...rest } = grant ?? assert.fail()
    assert.match(id, /^[0-9a-f-]{36}$/)
    assert.deepEqual(rest, {
      principal: 'user:corp:alice',
      account: 'APP',
      effect: 'deny',
      action: 'publish',
      subject: 'orders.>',
      validFromMs: Date.parse('2026-07-01T00:00:00Z'),
      validUntilMs: Date.parse('2026-08-01T00:00:00Z'),
      reason: 'TICKET-1',
      createdBy: 'admin',
    })
  })

  test('hold what the connection has to be, each value once', () => {
    const sourceCidr = ['10.0.0.0/8', '::1/128', '10.0.0.0/8']
    const [grant] = grantsFrom({ ...OPTIONS, connectionType: ['MQTT', 'MQTT'], sourceCidr, tls: 'mutual' }, NOW)
    assert.deepEqual(grant?.condition, {
      connectionTypes: ['MQTT'],
      sourceCidrs: ['10.0.0.0/8', '::1/128'],
      tls: 'mutual',
    })
  })

  test('hold no condition when none is asked for', () => {
    assert.equal('condition' in (grantsFrom(OPTIONS, NOW)[0] ?? {}), false)
  })

  test('name each part of a condition that cannot be', () => {
    assert.deepEqual(
      problemsOf({ connectionType: ['MQTT_WS', 'mqtt'], sourceCidr: ['10.0.0.1/8'], tls: 'required', deny: true }),
      [
        '--connection-type "MQTT_WS": must be one of STANDARD, WEBSOCKET, LEAFNODE, MQTT',
        '--connection-type "mqtt": must be one of STANDARD, WEBSOCKET, LEAFNODE, MQTT',
        '--source-cidr "10.0.0.1/8": has bits set after the prefix length',
        '--tls does not go with --deny: a client would escape the denial by leaving TLS out',
      ],
    )
  })

  test('may end after a duration from now', () => {
    assert.equal(grantsFrom({ ...OPTIONS, until: '+12h' }, NOW)[0]?.validUntilMs, NOW + 12 * 3_600_000)
  })

  test('may hold for members of a queue group', () => {
    const { publish: _, ...rest } = OPTIONS
    assert.equal(grantsFrom({ ...rest, subscribe: ['a'], queue: 'q' }, NOW)[0]?.queue, 'q')
  })

  test('name the user of the operating system unless told otherwise', () => {
    const { actor: _, ...rest } = OPTIONS
    assert.notEqual(grantsFrom(rest, NOW)[0]?.createdBy ?? '', '')
  })

  test('report everything that is wrong at once', () => {
    const problems = problemsOf({ principal: 'alice', account: 'A B', publish: ['a..b', '>.a'], queue: 'q q' })
    assert.equal(problems.length, 6, problems.join('\n'))
  })

  const wrong: [title: string, changes: Partial<GrantOptions>, problem: RegExp][] = [
    ['no subject', { publish: [] }, /--publish or --subscribe/],
    ['a principal that is none', { principal: 'alice' }, /--principal "alice": a principal starts with/],
    ['a subject with a space', { publish: ['a b'] }, /--publish "a b": token 1 of the subject holds white space/],
    ['a subject that nats-server takes for a literal', { publish: ['a.b*'] }, /mixes a wildcard with text/],
    ['a queue group to publish', { queue: 'q' }, /--queue goes with --subscribe only/],
    ['an empty reason', { reason: ' ' }, /--reason must not be empty/],
    ['a reason of several lines', { reason: 'a\nb' }, /--reason must not hold control characters/],
    ['a reason without end', { reason: 'x'.repeat(1025) }, /--reason must be at most 1024/],
    ['an empty actor', { actor: '' }, /--actor must not be empty/],
    ['a time without zone', { until: '2027-01-01T00:00:00' }, /--until must be a time with its zone/],
    ['a time that there is not', { from: '2027-02-31T25:00:00Z' }, /--from must be a time/],
    ['a duration without unit', { until: '+12' }, /--until must be a time/],
    ['an end that has passed', { until: '2026-05-31T00:00:00Z' }, /--until must be later than now/],
    [
      'an end before the beginning',
      { from: '2027-01-01T00:00:00Z', until: '2026-12-01T00:00:00Z' },
      /later than now and than --from/,
    ],
  ]
  for (const [title, changes, problem] of wrong) {
    test(`are refused with ${title}`, () => {
      const problems = problemsOf(changes)
      assert.equal(problems.length, 1)
      assert.match(problems[0] ?? '', problem)
    })
  }
})

suite('grants list --subject', () => {
  const isListed = (subject: string, wanted: string): boolean => subjectFilter({ subject: wanted })({ subject })

  for (const [granted, wanted] of [
    ['orders.new', 'orders.new'],
    ['orders.*', 'orders.new'],
    ['orders.>', 'orders.eu.*'],
    ['box.{{subject}}.in', 'box.alice.in'],
  ] as const) {
    test(`shows ${granted} for ${wanted}`, () => assert.equal(isListed(granted, wanted), true))
  }
  for (const [granted, wanted] of [
    ['orders.new', 'orders.*'],
    ['orders.*', 'orders.eu.new'],
    ['box.{{subject}}', 'box.alice.in'],
  ] as const) {
    test(`leaves out ${granted} for ${wanted}`, () => assert.equal(isListed(granted, wanted), false))
  }

  test('says everything that is wrong with the selection', () => {
    assert.throws(
      () => subjectFilter({ principal: 'alice', subject: 'a..b' }),
      (error) => error instanceof CommandFailure && error.exitCode === 2 && error.lines.length === 2,
    )
  })
})
