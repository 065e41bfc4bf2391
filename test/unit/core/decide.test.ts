import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decide, PERMISSIONS_BYTES_MAX } from '../../../src/core/decide.ts'
import type { Allow, Deny } from '../../../src/core/decision.ts'
import type { DecisionInput } from '../../../src/core/decide.ts'
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
})

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
