import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decide, PERMISSIONS_BYTES_MAX } from '../../../src/core/decide.ts'
import type { Allow, Deny } from '../../../src/core/decision.ts'
import type { DecisionInput } from '../../../src/core/decide.ts'
import type { Grant } from '../../../src/core/grant.ts'
import type { InboxPolicy } from '../../../src/core/inbox.ts'
import {
  aDecisionInput,
  aGrant,
  anIdentity,
  aPolicy,
  NOW_MS,
  NOW_SECONDS,
  sessionRules,
} from '../../support/builders.ts'

const MINUTE_MS = 60_000

function allowed(change: Partial<DecisionInput>): Allow {
  const decision = decide(aDecisionInput(change))
  assert.equal(decision.outcome, 'allow', JSON.stringify(decision))
  return decision
}

function denied(change: Partial<DecisionInput>): Deny {
  const decision = decide(aDecisionInput(change))
  assert.equal(decision.outcome, 'deny', JSON.stringify(decision))
  return decision
}

suite('permissions', () => {
  test('hold what is granted and close the side on which nothing is', () => {
    assert.deepEqual(allowed({}).permissions, {
      publish: { allow: ['orders.new'], deny: [] },
      subscribe: { allow: [], deny: ['>'] },
    })
  })

  test('keep a deny beside the allow', () => {
    const grants = [aGrant({ subject: 'orders.>' }), aGrant({ id: 'g2', effect: 'deny', subject: 'orders.secret' })]
    assert.deepEqual(allowed({ policy: aPolicy({ grants }) }).permissions.publish, {
      allow: ['orders.>'],
      deny: ['orders.secret'],
    })
  })

  test('say twice what a last * denies beside a longer denial, for a nats-server that overlooks it', () => {
    const grants = [
      aGrant({ subject: 'orders.>' }),
      aGrant({ id: 'g2', effect: 'deny', subject: 'orders.*' }),
      aGrant({ id: 'g3', effect: 'deny', subject: 'orders.new.eu' }),
    ]
    assert.deepEqual(allowed({ policy: aPolicy({ grants }) }).permissions.publish.deny, [
      'orders.*',
      'orders.new',
      'orders.new.eu',
    ])
  })

  test('write a queue group after the subject', () => {
    const grants = [aGrant({ action: 'subscribe', subject: 'jobs.*', queue: 'workers' })]
    assert.deepEqual(allowed({ policy: aPolicy({ grants }) }).permissions.subscribe.allow, ['jobs.* workers'])
  })

  test('expand a variable from the identity', () => {
    const grants = [aGrant({ subject: 'user.{{subject}}.in' })]
    assert.deepEqual(allowed({ policy: aPolicy({ grants }) }).permissions.publish.allow, ['user.alice.in'])
  })

  test('do not let an attribute stand in for the subject', () => {
    const grants = [aGrant({ subject: 'user.{{subject}}' })]
    const identity = anIdentity({ attributes: { subject: 'bob' } })
    assert.deepEqual(allowed({ identity, policy: aPolicy({ grants }) }).permissions.publish.allow, ['user.alice'])
  })

  test('that are too large for a JWT deny', () => {
    const characters = 1000
    const grants = Array.from({ length: PERMISSIONS_BYTES_MAX / characters + 1 }, (_, n) =>
      aGrant({ id: `g${n}`, subject: `${n}.`.padEnd(characters, 'x') }),
    )
    assert.equal(denied({ policy: aPolicy({ grants }) }).reason, 'permissions_too_large')
  })

  test('that are too large only because of how their characters are written say how large', () => {
    const { detail } = denied({ policy: aPolicy({ grants: many((n) => ({ subject: `${n}`.padEnd(900, 'é') }), 200) }) })
    assert.equal(detail, '360181 bytes of permissions, at most 262144')
  })

  const tooLarge: readonly (readonly [what: string, grants: readonly Grant[]])[] = [
    ['allowed', many((n) => ({ action: 'subscribe', subject: `some.subject.of.a.client.${n}.*` }))],
    ['denied', many((n) => (n === 0 ? {} : { effect: 'deny', subject: `some.subject.of.a.client.${n}.*` }))],
    ['denied and overlooked', [aGrant({ action: 'subscribe' }), ...many(denialsThatHideEachOther, 4000)]],
  ]
  for (const [what, grants] of tooLarge) {
    test(`of very many subjects that are ${what} are not made to the end`, () => {
      assert.equal(
        denied({ policy: aPolicy({ grants }) }).detail,
        'more than 262144 bytes of permissions, at most 262144',
      )
    })
  }
})

function many(grantOf: (n: number) => Partial<Grant>, length = 20_000): Grant[] {
  return Array.from({ length }, (_, n) => aGrant({ id: `m${n}`, ...grantOf(n) }))
}

function denialsThatHideEachOther(n: number): Partial<Grant> {
  const subscribe = { action: 'subscribe', effect: 'deny' } as const
  return n % 2 === 0 ? { ...subscribe, subject: 'a.*', queue: `q${n}` } : { ...subscribe, subject: `a.l${n}.b` }
}

suite('a grant', () => {
  test('of a group, of the issuer and of a bound role counts', () => {
    const grants = [
      aGrant({ id: 'a', principal: 'group:corp:eng', subject: 'a' }),
      aGrant({ id: 'b', principal: 'issuer:corp', subject: 'b' }),
      aGrant({ id: 'c', principal: 'role:reader', subject: 'c' }),
    ]
    const bindings = [{ member: 'group:corp:eng', role: 'role:reader' }]
    const decision = allowed({ identity: anIdentity({ groups: ['eng'] }), policy: aPolicy({ grants, bindings }) })
    assert.deepEqual(decision.permissions.publish.allow, ['a', 'b', 'c'])
    assert.deepEqual(decision.grantIds, ['a', 'b', 'c'])
  })

  test('of somebody else does not count, even if the store hands it over', () => {
    const grants = [aGrant({ principal: 'user:corp:bob' }), aGrant({ id: 'g2', principal: 'user:other:alice' })]
    assert.equal(denied({ policy: aPolicy({ grants }) }).reason, 'no_grants')
  })

  test('of a role bound to somebody else does not count', () => {
    const policy = aPolicy({
      grants: [aGrant({ principal: 'role:admin' })],
      bindings: [{ member: 'user:corp:bob', role: 'role:admin' }],
    })
    assert.equal(denied({ policy }).reason, 'no_grants')
  })

  test('counts from the first instant of its window and not at the last', () => {
    const grants = [
      aGrant({ id: 'starts', subject: 'a', validFromMs: NOW_MS }),
      aGrant({ id: 'ended', subject: 'b', validUntilMs: NOW_MS }),
      aGrant({ id: 'later', subject: 'c', validFromMs: NOW_MS + 1 }),
    ]
    const decision = allowed({ policy: aPolicy({ grants }) })
    assert.deepEqual(decision.permissions.publish.allow, ['a'])
    assert.deepEqual(decision.skippedGrants, [
      { id: 'ended', why: 'expired' },
      { id: 'later', why: 'not_yet_valid' },
    ])
  })

  test('through a role counts only while the binding does', () => {
    const policy = aPolicy({
      grants: [aGrant({ principal: 'role:reader' })],
      bindings: [{ member: 'user:corp:alice', role: 'role:reader', validUntilMs: NOW_MS }],
    })
    assert.equal(denied({ policy }).reason, 'grants_expired')
  })

  test('with an impossible subject is skipped and named', () => {
    const grants = [aGrant({ id: 'bad', subject: 'a..b' }), aGrant({ id: 'good' })]
    assert.deepEqual(allowed({ policy: aPolicy({ grants }) }).skippedGrants, [{ id: 'bad', why: 'subject_invalid' }])
  })

  test('with a queue group on publish is skipped and named', () => {
    const grants = [aGrant({ id: 'bad', queue: 'q' }), aGrant({ id: 'good' })]
    assert.deepEqual(allowed({ policy: aPolicy({ grants }) }).skippedGrants, [{ id: 'bad', why: 'subject_invalid' }])
  })

  test('whose variable does not fit a token is skipped and named', () => {
    const grants = [aGrant({ id: 'bad', subject: 'u.{{subject}}' }), aGrant({ id: 'good' })]
    const identity = anIdentity({ subject: 'a.>' })
    const named = grants.map((grant) => ({ ...grant, principal: 'user:corp:a.>' }))
    assert.deepEqual(allowed({ identity, policy: aPolicy({ grants: named }) }).skippedGrants, [
      { id: 'bad', why: 'variable_unresolved' },
    ])
  })

  test('that is the only one and unusable denies with a reason of its own', () => {
    assert.equal(denied({ policy: aPolicy({ grants: [aGrant({ subject: 'a..b' })] }) }).reason, 'grants_unusable')
  })
})

suite('a grant of an action on a resource', () => {
  test('becomes all of its subjects, under its own id', () => {
    const decision = allowed({ policy: aPolicy({ grants: [aGrant({ action: 'kv:write', subject: 'conf' })] }) })
    assert.deepEqual(decision.permissions, {
      publish: { allow: ['$JS.API.STREAM.INFO.KV_conf', '$KV.conf.>'], deny: [] },
      subscribe: { allow: [], deny: ['>'] },
    })
    assert.deepEqual(decision.grantIds, ['g1'])
  })

  test('leaves out what a deny of a raw subject closes', () => {
    const grants = [
      aGrant({ action: 'kv:write', subject: 'conf' }),
      aGrant({ id: 'g2', effect: 'deny', subject: '$KV.conf.secret' }),
    ]
    assert.deepEqual(allowed({ policy: aPolicy({ grants }) }).permissions.publish.deny, ['$KV.conf.secret'])
  })

  test('in another account is skipped once', () => {
    const grants = [aGrant(), aGrant({ id: 'g2', account: 'OPS', action: 'kv:read', subject: 'conf' })]
    assert.deepEqual(allowed({ policy: aPolicy({ grants }), wantedAccount: 'APP' }).skippedGrants, [
      { id: 'g2', why: 'other_account' },
    ])
  })

  test('that denies refuses everything: no subject of an action is its alone', () => {
    const grants = [aGrant(), aGrant({ id: 'd', effect: 'deny', action: 'kv:read', subject: 'conf' })]
    const decision = denied({ policy: aPolicy({ grants }) })
    assert.equal(decision.reason, 'deny_unenforceable')
    assert.match(decision.detail ?? '', /deny grant d: kv:read cannot be denied/)
  })

  for (const change of [
    { action: 'kv:read', subject: 'conf.>' },
    { action: 'kv:read', subject: 'conf', queue: 'q' },
    { action: 'consumer:use', subject: 'ORDERS' },
    { action: 'service:call', subject: 'x', response: { max: 1, ttlMs: 1 } },
    { action: 'publish', response: { max: 1, ttlMs: 1 } },
    { action: 'subscribe', response: { max: 0, ttlMs: 1 } },
    { action: 'subscribe', response: { max: 1, ttlMs: 0.5 } },
    { action: 'service:offer', subject: 'x', response: { max: 1_000_001, ttlMs: 1 } },
  ] as const) {
    test(`with ${JSON.stringify(change)} is skipped and named`, () => {
      const grants = [aGrant({ id: 'bad', ...change }), aGrant({ id: 'good' })]
      assert.deepEqual(allowed({ policy: aPolicy({ grants }) }).skippedGrants, [{ id: 'bad', why: 'subject_invalid' }])
    })
  }

  test('whose variable has no fitting value is skipped and named', () => {
    const grants = [aGrant({ id: 'bad', action: 'kv:read', subject: '{{team}}' }), aGrant({ id: 'good' })]
    assert.deepEqual(allowed({ policy: aPolicy({ grants }) }).skippedGrants, [
      { id: 'bad', why: 'variable_unresolved' },
    ])
  })
})

suite('answers', () => {
  const subscribed = (id: string, max: number, ttlMs: number) =>
    aGrant({ id, action: 'subscribe', subject: id, response: { max, ttlMs } })
  const responses = (...grants: Grant[]) => allowed({ policy: aPolicy({ grants }) }).permissions.responses

  test('are permitted by no grant that does not say so', () => {
    assert.equal(responses(aGrant(), aGrant({ id: 'g2', action: 'subscribe' })), undefined)
  })

  test('are permitted as the grant says', () => {
    assert.deepEqual(responses(subscribed('a', 2, 500)), { max: 2, ttlMs: 500 })
  })

  test('of several grants are those of one, with the most messages and of these the longest', () => {
    const grants = [subscribed('a', 2, 500), subscribed('b', 3, 100), subscribed('c', 3, 200), subscribed('d', 1, 9999)]
    assert.deepEqual(responses(...grants), { max: 3, ttlMs: 200 })
  })

  test('of a service are one within two minutes, unless its grant says otherwise', () => {
    const offer = aGrant({ action: 'service:offer', subject: 'billing' })
    assert.deepEqual(responses(offer), { max: 1, ttlMs: 120_000 })
    assert.deepEqual(responses({ ...offer, response: { max: 1, ttlMs: 50 } }), { max: 1, ttlMs: 50 })
  })

  test('of a grant that does not apply are not permitted', () => {
    const grants = [
      aGrant(),
      { ...subscribed('a', 1, 1), validUntilMs: NOW_MS },
      { ...subscribed('b', 1, 1), account: 'OPS' },
    ]
    assert.equal(allowed({ policy: aPolicy({ grants }), wantedAccount: 'APP' }).permissions.responses, undefined)
  })

  test('are not the matter of a deny, which applies all the same', () => {
    const deny = { ...subscribed('a', 1, 1), effect: 'deny' as const }
    const { permissions } = allowed({
      policy: aPolicy({ grants: [aGrant({ id: 'b', action: 'subscribe', subject: '>' }), deny] }),
    })
    assert.deepEqual([permissions.subscribe.deny, permissions.responses], [['a'], undefined])
  })
})

suite('the inbox of an account', () => {
  const inbox = (policy: InboxPolicy | undefined, grants = [aGrant()]) =>
    allowed({
      policy: aPolicy({ grants }),
      rules: sessionRules({ accounts: new Map([['APP', policy === undefined ? {} : { inbox: policy }]]) }),
    })

  const cases = [
    [undefined, []],
    ['none', []],
    ['private', ['_INBOX_user_corp_alice.>']],
    ['shared', ['_INBOX.>']],
  ] as const
  for (const [policy, subjects] of cases) {
    test(`${policy} lets clients subscribe to ${subjects.join() || 'nothing'}, by no grant`, () => {
      const decision = inbox(policy)
      assert.deepEqual(decision.permissions.subscribe.allow, subjects)
      assert.deepEqual(decision.grantIds, ['g1'])
    })
  }

  test('does not admit anybody', () => {
    const rules = sessionRules({ accounts: new Map([['APP', { inbox: 'private' as const }]]) })
    assert.equal(denied({ policy: aPolicy(), rules }).reason, 'no_grants')
  })

  test('is closed by a deny', () => {
    const grants = [aGrant(), aGrant({ id: 'd', effect: 'deny', action: 'subscribe', subject: '_INBOX.>' })]
    assert.deepEqual(inbox('shared', grants).permissions.subscribe.deny, ['_INBOX.>'])
  })
})

suite('a deny', () => {
  test('that cannot be applied refuses everything in its account', () => {
    const grants = [aGrant(), aGrant({ id: 'd', effect: 'deny', subject: 'a.>.b' })]
    const decision = denied({ policy: aPolicy({ grants }) })
    assert.equal(decision.reason, 'deny_unenforceable')
    assert.match(decision.detail ?? '', /deny grant d: ">" is not the last token/)
  })

  test('that cannot be applied in another account is no obstacle', () => {
    const grants = [aGrant(), aGrant({ id: 'd', account: 'OPS', effect: 'deny', subject: 'a.>.b' })]
    allowed({ policy: aPolicy({ grants }) })
  })

  test('alone is not a grant', () => {
    assert.equal(denied({ policy: aPolicy({ grants: [aGrant({ effect: 'deny' })] }) }).reason, 'no_grants')
  })

  test('that starts later ends the session before it starts', () => {
    const grants = [aGrant(), aGrant({ id: 'd', effect: 'deny', validFromMs: NOW_MS + 10 * MINUTE_MS })]
    assert.equal(allowed({ policy: aPolicy({ grants }) }).expiresAt, NOW_SECONDS + 600)
  })
})

suite('placement', () => {
  const inTwo = aPolicy({ grants: [aGrant(), aGrant({ id: 'g2', account: 'OPS', subject: 'ops.>' })] })

  test('goes to the only account with grants', () => {
    assert.equal(allowed({}).account, 'APP')
  })

  test('with grants in several accounts is what the user name says', () => {
    const decision = allowed({ policy: inTwo, wantedAccount: 'OPS' })
    assert.equal(decision.account, 'OPS')
    assert.deepEqual(decision.permissions.publish.allow, ['ops.>'])
    assert.deepEqual(decision.skippedGrants, [{ id: 'g1', why: 'other_account' }])
  })

  for (const wantedAccount of [undefined, 'SYS', 'app', '']) {
    test(`with grants in several accounts and the user name ${String(wantedAccount)} is ambiguous`, () => {
      assert.equal(denied({ policy: inTwo, wantedAccount }).reason, 'account_ambiguous')
    })
  }

  test('into an account that is not configured is refused', () => {
    assert.equal(denied({ policy: aPolicy({ grants: [aGrant({ account: 'SYS' })] }) }).reason, 'account_not_allowed')
  })

  test('ignores the account that is not configured when another is', () => {
    const grants = [aGrant({ id: 'sys', account: 'SYS' }), aGrant()]
    const decision = allowed({ policy: aPolicy({ grants }), wantedAccount: 'SYS' })
    assert.equal(decision.account, 'APP')
    assert.deepEqual(decision.skippedGrants, [{ id: 'sys', why: 'account_not_allowed' }])
  })
})

suite('the end of a session', () => {
  test('is the session maximum', () => {
    assert.equal(allowed({}).expiresAt, NOW_SECONDS + 3600)
  })

  test('is the session maximum of the account if that is earlier', () => {
    const accounts = new Map([
      ['APP', { sessionMaxMs: 600_000 }],
      ['OPS', { sessionMaxMs: 60_000 }],
    ])
    assert.equal(allowed({ rules: sessionRules({ accounts }) }).expiresAt, NOW_SECONDS + 600)
    const longer = new Map([['APP', { sessionMaxMs: 7_200_000 }]])
    assert.equal(allowed({ rules: sessionRules({ accounts: longer }) }).expiresAt, NOW_SECONDS + 3600)
  })

  test('is the least session maximum of the roles whose grants are used', () => {
    const role = (name: string, subject: string, change: Partial<Grant> = {}) =>
      aGrant({ id: name, principal: `role:${name}`, subject, ...change })
    const policy = aPolicy({
      grants: [
        role('a', 'x'),
        role('b', 'y'),
        role('c', 'z', { validUntilMs: NOW_MS }),
        role('d', 'z', { account: 'OPS' }),
      ],
      bindings: ['a', 'b', 'c', 'd'].map((name) => ({ member: 'user:corp:alice', role: `role:${name}` })),
      roles: [
        { role: 'role:a', sessionMaxMs: 900_000 },
        { role: 'role:b', sessionMaxMs: 600_000 },
        { role: 'role:c', sessionMaxMs: 60_000 },
        { role: 'role:d', sessionMaxMs: 60_000 },
        { role: 'role:e', sessionMaxMs: 60_000 },
      ],
    })
    assert.equal(allowed({ policy, wantedAccount: 'APP' }).expiresAt, NOW_SECONDS + 600)
  })

  test('is the expiry of the token if that is earlier', () => {
    assert.equal(
      allowed({ identity: anIdentity({ token: { expiresAt: NOW_SECONDS + 100 } }) }).expiresAt,
      NOW_SECONDS + 100,
    )
  })

  test('is the end of the first grant that is used', () => {
    const grants = [aGrant({ validUntilMs: NOW_MS + 90_500 }), aGrant({ id: 'g2', subject: 'b' })]
    assert.equal(allowed({ policy: aPolicy({ grants }) }).expiresAt, NOW_SECONDS + 90)
  })

  test('is not the end of a grant in another account', () => {
    const grants = [aGrant(), aGrant({ id: 'g2', account: 'OPS', validUntilMs: NOW_MS + 60_000 })]
    assert.equal(allowed({ policy: aPolicy({ grants }), wantedAccount: 'APP' }).expiresAt, NOW_SECONDS + 3600)
  })

  test('is the end of the role binding, the longest open one', () => {
    const policy = aPolicy({
      grants: [aGrant({ principal: 'role:reader' })],
      bindings: [
        { member: 'user:corp:alice', role: 'role:reader', validUntilMs: NOW_MS + 60_000 },
        { member: 'issuer:corp', role: 'role:reader', validUntilMs: NOW_MS + 120_000 },
        { member: 'group:corp:eng', role: 'role:reader', validUntilMs: NOW_MS + 900_000 },
      ],
    })
    assert.equal(allowed({ policy }).expiresAt, NOW_SECONDS + 120)
  })

  test('comes earlier by the jitter, never later', () => {
    assert.equal(allowed({ rules: sessionRules({ jitter: 0.1 }), random: 0.5 }).expiresAt, NOW_SECONDS + 3600 * 0.95)
  })

  test('that is too near refuses', () => {
    assert.equal(
      denied({ identity: anIdentity({ token: { expiresAt: NOW_SECONDS + 29 } }) }).reason,
      'session_too_short',
    )
  })

  test('is not made too near by the jitter', () => {
    const identity = anIdentity({ token: { expiresAt: NOW_SECONDS + 35 } })
    allowed({ identity, rules: sessionRules({ jitter: 0.5 }), random: 0.99 })
  })

  test('of a token without an expiry has passed', () => {
    assert.equal(denied({ identity: anIdentity({ token: {} }) }).reason, 'session_too_short')
  })
})
