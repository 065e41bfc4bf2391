import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decide, type DecisionInput } from '../../../src/core/decide.ts'
import type { Grant, Policy } from '../../../src/core/grant.ts'
import { grantsByEntry, traceDecision } from '../../../src/core/trace.ts'
import { aDecisionInput, aGrant, anIdentity, aPolicy, NOW_MS, sessionRules } from '../../support/builders.ts'

const MINUTE_MS = 60_000

function traced(change: Partial<DecisionInput>): Record<string, string> {
  const { grants } = traceDecision(aDecisionInput(change))
  return Object.fromEntries(
    grants.map(({ grant, gave, why }) => [
      grant.id,
      why ?? gave.map(({ action, effect, subject }) => `${effect} ${action} ${subject}`).join(', '),
    ]),
  )
}

test('the decision of a trace is the decision', () => {
  const input = aDecisionInput()
  assert.deepEqual(traceDecision(input).decision, decide(input))
})

test('each grant says what it gave or why it did nothing', () => {
  const grants = [
    aGrant({ id: 'raw', subject: 'orders.{{subject}}' }),
    aGrant({ id: 'denied', effect: 'deny', subject: 'orders.secret' }),
    aGrant({ id: 'over', subject: 'a', validUntilMs: NOW_MS - 1 }),
    aGrant({ id: 'later', effect: 'deny', subject: 'b', validFromMs: NOW_MS + 30 * MINUTE_MS }),
    aGrant({ id: 'elsewhere', account: 'OPS' }),
    aGrant({ id: 'nowhere', account: 'SYS' }),
    aGrant({ id: 'unknown', subject: '{{team}}.a' }),
    aGrant({ id: 'other', principal: 'user:corp:bob' }),
  ]
  const policy = aPolicy({ grants })
  assert.deepEqual(traced({ policy, wantedAccount: 'APP' }), {
    raw: 'allow publish orders.alice',
    denied: 'deny publish orders.secret',
    over: 'expired',
    later: 'deny_starts_later',
    elsewhere: 'other_account',
    nowhere: 'account_not_allowed',
    unknown: 'variable_unresolved',
  })
})

test('a deny that refuses everything is named', () => {
  const grants = [aGrant(), aGrant({ id: 'bad', effect: 'deny', subject: '{{team}}.a' })]
  assert.equal(traced({ policy: aPolicy({ grants }) })['bad'], 'deny_unenforceable')
})

test('a grant of a role that comes by two bindings is told once', () => {
  const bindings = ['user:corp:alice', 'issuer:corp'].map((member) => ({ member, role: 'role:r' }))
  const { grants } = traceDecision(
    aDecisionInput({ policy: aPolicy({ bindings, grants: [aGrant({ principal: 'role:r', effect: 'deny' })] }) }),
  )
  assert.equal(grants.length, 1)
})

test('each grant says by which principals it comes, and by which bindings', () => {
  const bindings = [
    { member: 'group:corp:ops', role: 'role:r', validUntilMs: NOW_MS + MINUTE_MS },
    { member: 'issuer:corp', role: 'role:r' },
    { member: 'user:corp:bob', role: 'role:r' },
  ]
  const grants = [
    aGrant({ id: 'own' }),
    aGrant({ id: 'group', principal: 'group:corp:ops' }),
    aGrant({ id: 'role', principal: 'role:r' }),
  ]
  const trace = traceDecision(
    aDecisionInput({ identity: anIdentity({ groups: ['ops'] }), policy: aPolicy({ bindings, grants }) }),
  )
  assert.deepEqual(
    trace.grants.map(({ paths }) => paths),
    [
      [{ principal: 'user:corp:alice' }],
      [{ principal: 'group:corp:ops' }],
      [
        { principal: 'group:corp:ops', role: 'role:r', validUntilMs: NOW_MS + MINUTE_MS },
        { principal: 'issuer:corp', role: 'role:r' },
      ],
    ],
  )
})

test('the grants of one role share the paths by which they come, however many there are', () => {
  const bindings = [{ member: 'issuer:corp', role: 'role:r' }]
  const grants = ['a', 'b'].map((id) => aGrant({ id, principal: 'role:r' }))
  const [first, second] = traceDecision(aDecisionInput({ policy: aPolicy({ bindings, grants }) })).grants
  assert.ok(first !== undefined && first.paths === second?.paths)
})

test('each lock says whether it holds, or why not', () => {
  const locks = [
    { id: 'over', target: 'everyone', expiresAtMs: NOW_MS },
    { id: 'near', target: 'address', sourceCidr: '127.0.0.0/8' },
    { id: 'far', target: 'address', sourceCidr: '10.0.0.0/8' },
    { id: 'account', target: 'account:APP' },
    { id: 'mine', target: 'user:corp:alice' },
    { id: 'other', target: 'user:corp:bob' },
  ]
  const told = (...ids: string[]): string[] => {
    const { locks: traced } = traceDecision(
      aDecisionInput({ policy: aPolicy({ grants: [aGrant()], locks: locks.filter(({ id }) => ids.includes(id)) }) }),
    )
    return traced.map(({ lock, why }) => `${lock.id} ${why ?? 'holds'}`)
  }
  assert.deepEqual(told('over', 'near', 'far', 'mine', 'other', 'account'), [
    'over expired',
    'near holds',
    'far other_address',
    'account not_placed',
    'mine holds',
  ])
  assert.deepEqual(told('over', 'far', 'account'), ['over expired', 'far other_address', 'account holds'])
})

test('what the session does not outlast is named', () => {
  const bound = (change: Partial<DecisionInput>): string => {
    const { decision, endsBy } = traceDecision(aDecisionInput(change))
    if (decision.outcome === 'allow') assert.equal(decision.expiresAt, Math.floor((endsBy?.endsMs ?? 0) / 1000))
    return [endsBy?.by, endsBy?.grantId].join(' ')
  }
  const policy = (...grants: Grant[]): Policy => aPolicy({ grants: [aGrant(), ...grants] })
  const soon = { validUntilMs: NOW_MS + 10 * MINUTE_MS }
  const later = { validFromMs: NOW_MS + 10 * MINUTE_MS }
  const identity = anIdentity({ token: { expiresAt: (NOW_MS + 10 * MINUTE_MS) / 1000 } })
  const accounts = new Map([['APP', { sessionMaxMs: 10 * MINUTE_MS }]])
  const [bindings, roles] = [[{ member: 'issuer:corp', role: 'role:r' }], [{ role: 'role:r', sessionMaxMs: MINUTE_MS }]]
  const ofRole = aPolicy({ bindings, roles, grants: [aGrant({ id: 'r', principal: 'role:r' })] })
  assert.equal(bound({}), 'session_max ')
  assert.equal(bound({ identity }), 'token ')
  assert.equal(bound({ rules: sessionRules({ accounts }) }), 'account_max ')
  assert.equal(bound({ policy: policy(aGrant({ id: 'g2', ...soon })) }), 'grant g2')
  assert.equal(bound({ policy: ofRole }), 'role r')
  assert.equal(bound({ policy: policy(aGrant({ id: 'd', effect: 'deny', subject: 'x', ...later })) }), 'deny d')
  assert.equal(
    bound({ policy: policy(aGrant({ id: 'g3', account: 'OPS', ...soon })), wantedAccount: 'APP' }),
    'session_max ',
  )
  assert.equal(bound({ policy: aPolicy() }), ' ')
})

test('an entry of the permissions leads to every grant that put it there', () => {
  const grants = ['a', 'b'].map((id) => aGrant({ id, action: 'subscribe', subject: 'jobs.new', queue: 'workers' }))
  const trace = traceDecision(aDecisionInput({ policy: aPolicy({ grants }), rules: sessionRules() }))
  const grantsOf = grantsByEntry(trace)
  assert.deepEqual(
    grantsOf('subscribe', 'jobs.new workers').map(({ grant }) => grant.id),
    ['a', 'b'],
  )
  assert.deepEqual(grantsOf('subscribe', 'jobs.new'), [])
  assert.deepEqual(grantsOf('publish', 'jobs.new workers'), [])
})
