import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { grantsFrom, subjectFilter, type GrantOptions } from '../../../src/cli/grant-input.ts'
import { CommandFailure } from '../../../src/cli/io.ts'
import { isResourceAction } from '../../../src/core/grant.ts'
import type { GrantRow } from '../../../src/core/policy-row.ts'

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

  test('are one for each action on a resource', () => {
    const allow = ['stream:read ORDERS', 'consumer:use ORDERS/worker', 'kv:write {{subject}}']
    const { publish: _publish, ...options } = OPTIONS
    assert.deepEqual(
      grantsFrom({ ...options, allow }, NOW).map(({ action, subject, response }) => [action, subject, response]),
      [
        ['stream:read', 'ORDERS', undefined],
        ['consumer:use', 'ORDERS/worker', undefined],
        ['kv:write', '{{subject}}', undefined],
      ],
    )
  })

  test('hold the answers where there can be any, what is not said as nats-server has it', () => {
    const answers = (changes: Partial<GrantOptions>) =>
      grantsFrom({ ...OPTIONS, subscribe: ['a'], allow: ['service:offer b'], ...changes }, NOW).map(
        ({ response }) => response,
      )
    const pair = { max: 3, ttlMs: 30_000 }
    assert.deepEqual(answers({ responseMax: '3', responseTtl: '30s' }), [undefined, pair, pair])
    assert.deepEqual(answers({ responseMax: '3' })[1], { max: 3, ttlMs: 120_000 })
    assert.deepEqual(answers({ responseTtl: '30s' })[1], { max: 1, ttlMs: 30_000 })
    assert.deepEqual(answers({}), [undefined, undefined, undefined])
  })

  test('are refused with an action or answers that are none', () => {
    const cases: readonly (readonly [Partial<GrantOptions>, RegExp])[] = [
      [{ allow: ['stream:eat ORDERS'] }, /^--allow "stream:eat ORDERS": the action must be one of stream:read, /],
      [{ allow: ['publish a'] }, /the action must be one of/],
      [{ allow: ['stream:read'] }, /write the action, one space and the name$/],
      [{ allow: ['stream:read  ORDERS'] }, /write the action, one space and the name$/],
      [{ allow: ['stream:read ORDERS OTHER'] }, /write the action, one space and the name$/],
      [{ allow: ['stream:read orders.>'] }, /a name holds letters/],
      [{ allow: ['consumer:use ORDERS'] }, /write STREAM\/CONSUMER/],
      [{ allow: ['service:offer _INBOX'] }, /starts with a letter or digit/],
      [{ allow: ['kv:read a'], deny: true }, /^--allow does not go with --deny/],
      [{ allow: ['kv:read a'], subscribe: ['x'], publish: [], queue: 'q' }, /^--queue goes with --subscribe only/],
      [{ responseMax: '1' }, /go with --subscribe or --allow/],
      [{ allow: ['service:call a'], responseMax: '1' }, /go with --subscribe or --allow/],
      [{ subscribe: ['a'], responseMax: '0' }, /^--response-max must be from 1 to 1000000/],
      [{ subscribe: ['a'], responseMax: '1.5' }, /^--response-max must be from 1 to 1000000/],
      [{ subscribe: ['a'], responseTtl: '25h' }, /--response-ttl from 1ms to 24h$/],
      [{ subscribe: ['a'], responseTtl: '30' }, /^--response-ttl must be a duration with a unit/],
    ]
    for (const [changes, problem] of cases) {
      const problems = problemsOf(changes)
      assert.equal(problems.length, 1, JSON.stringify(problems))
      assert.match(problems[0] ?? '', problem)
    }
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

  test('that reach too much are refused without --force, each once, with why', () => {
    assert.deepEqual(problemsOf({ publish: ['>', 'a', '$JS.API.>'], subscribe: ['$SYS.>'] }), [
      '--publish ">" names no token, so it reaches every subject of the account that is as long; if that is meant, add it with --force',
      '--publish "$JS.API.>" reaches the JetStream API ($JS.API) whatever the request, also those that delete; grant actions on streams; if that is meant, add it with --force',
      '--subscribe "$SYS.>" reaches system subjects of nats-server ($SYS); if that is meant, add it with --force',
    ])
  })

  test('that reach too much are marked when they are forced, and no other', () => {
    const grants = grantsFrom({ ...OPTIONS, publish: ['>', 'a'], subscribe: ['_INBOX.>'], force: true }, NOW)
    assert.deepEqual(
      grants.map(({ subject, forced }) => [subject, forced]),
      [
        ['>', true],
        ['a', undefined],
        ['_INBOX.>', undefined],
      ],
    )
  })

  test('may deny everything unforced', () => {
    assert.equal(grantsFrom({ ...OPTIONS, publish: ['>'], deny: true }, NOW)[0]?.forced, undefined)
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
    ['no subject', { publish: [] }, /--publish, --subscribe or --allow/],
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
  const isListed = (subject: string, wanted: string): boolean => subjectFilter({ subject: wanted })(grantOf(subject))

  const grantOf = (text: string): Pick<GrantRow, 'action' | 'subject'> => {
    const [action, name] = text.split(' ')
    return action !== undefined && name !== undefined && isResourceAction(action)
      ? { action, subject: name }
      : { action: 'publish', subject: text }
  }

  for (const [granted, wanted] of [
    ['kv:write conf', '$KV.conf.a'],
    ['kv:write {{subject}}', '$KV.alice.a'],
    ['service:offer billing', 'billing.charge'],
    ['orders.new', 'orders.new'],
    ['orders.*', 'orders.new'],
    ['orders.>', 'orders.eu.*'],
    ['box.{{subject}}.in', 'box.alice.in'],
  ] as const) {
    test(`shows ${granted} for ${wanted}`, () => assert.equal(isListed(granted, wanted), true))
  }
  for (const [granted, wanted] of [
    ['kv:write conf', '$KV.other.a'],
    ['stream:read ORDERS', 'ORDERS'],
    ['kv:write {{subject}}', '$O.alice.C.x'],
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
