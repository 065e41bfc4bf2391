import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { decide, type DecisionInput } from '../../../src/core/decide.ts'
import type { Deny } from '../../../src/core/decision.ts'
import type { Lock } from '../../../src/core/grant.ts'
import { lockKeys, lockTargets, parseLockTarget, writtenLockTarget } from '../../../src/core/locks.ts'
import { aDecisionInput, aGrant, anIdentity, aPolicy, aRequest, NOW_MS, sessionRules } from '../../support/builders.ts'

const IDENTITY = anIdentity({
  groups: ['eng'],
  clientId: 'web',
  token: { expiresAt: NOW_MS / 1000 + 7200, id: 'token-1' },
})

/** What becomes of a client with grants in APP and OPS who asks for APP. */
function decided(locks: readonly Lock[], change: Partial<DecisionInput> = {}): ReturnType<typeof decide> {
  const grants = [aGrant(), aGrant({ id: 'g2', account: 'OPS' })]
  return decide(
    aDecisionInput({ identity: IDENTITY, wantedAccount: 'APP', policy: aPolicy({ grants, locks }), ...change }),
  )
}

function locked(locks: readonly Lock[], change?: Partial<DecisionInput>): Deny {
  const decision = decided(locks, change)
  assert.ok(decision.outcome === 'deny' && decision.reason === 'locked', JSON.stringify(decision))
  return decision
}

function from(host: string): Partial<DecisionInput> {
  return { connection: { ...aRequest().client, host } }
}

suite('a lock', () => {
  for (const target of [
    'user:corp:alice',
    'client:corp:web',
    'group:corp:eng',
    'issuer:corp',
    'token:corp:token-1',
    'account:APP',
    'everyone',
  ]) {
    test(`on ${target} refuses whatever the grants say, and is named`, () => {
      const decision = locked([{ id: 'l1', target, message: 'left the company' }])
      assert.deepEqual([decision.lockIds, decision.detail], [['l1'], `${target}: left the company`])
    })
  }

  for (const target of [
    'user:corp:bob',
    'user:other:alice',
    'group:corp:ops',
    'token:other:token-1',
    'token:corp:token-2',
    'account:OPS',
    'account:app',
    'role:reader',
    'Everyone',
  ]) {
    test(`on ${target} does not matter to others`, () => {
      assert.equal(decided([{ id: 'l1', target }]).outcome, 'allow')
    })
  }

  test('holds until it expires, and not at that instant', () => {
    for (const target of ['everyone', 'account:APP']) {
      locked([{ id: 'l1', target, expiresAtMs: NOW_MS + 1 }])
      assert.equal(decided([{ id: 'l1', target, expiresAtMs: NOW_MS }]).outcome, 'allow')
    }
  })

  test('on an account stops who asks for it, not who asks for another', () => {
    const locks = [{ id: 'l1', target: 'account:APP' }]
    locked(locks, { wantedAccount: 'APP' })
    assert.equal(decided(locks, { wantedAccount: 'OPS' }).outcome, 'allow')
  })

  test('on the only account of a client stops it, whatever it asks for', () => {
    const policy = aPolicy({ grants: [aGrant()], locks: [{ id: 'l1', target: 'account:APP' }] })
    locked([], { policy, wantedAccount: 'OPS' })
  })

  test('on a token does not matter to a client whose token has no id', () => {
    const identity = anIdentity()
    assert.equal(decided([{ id: 'l1', target: 'token:corp:undefined' }], { identity }).outcome, 'allow')
  })

  for (const target of ['user:corp:agent-7', 'client:corp:agent-7']) {
    test(`on ${target} stops whoever it acts for, also when the actor names an issuer and the token none`, () => {
      const actors = [{ subject: 'agent-7', issuer: 'https://idp.example' }]
      locked([{ id: 'l1', target }], { identity: { ...IDENTITY, actors } })
    })
  }

  test('is looked at before grants, so that nobody learns from the refusal what is granted', () => {
    const policy = aPolicy({ locks: [{ id: 'l1', target: 'everyone' }] })
    locked([], { policy })
  })

  test('is named with its message; of many, the first few and how many more', () => {
    const locks = Array.from({ length: 40 }, (_, index) => ({
      id: `l${index}`,
      target: 'everyone',
      message: `m${index}`,
    }))
    const { detail, lockIds } = locked(locks)
    assert.equal(detail, 'everyone: m0; everyone: m1; everyone: m2; 37 more')
    assert.equal(lockIds.length, 32)
  })
})

suite('a lock on addresses', () => {
  const LOCKS = [{ id: 'l1', target: 'address', sourceCidr: '10.0.0.0/8' }]

  for (const host of ['10.0.0.0', '10.255.255.255', '::ffff:10.1.2.3', '::ffff:a01:203'])
    test(`holds for ${host} within its block`, () => {
      assert.deepEqual(locked(LOCKS, from(host)).detail, 'address:10.0.0.0/8')
    })

  for (const host of ['11.0.0.0', '9.255.255.255', '::a01:203', '2001:db8::1'])
    test(`does not hold for ${host} outside of it`, () => {
      assert.equal(decided(LOCKS, from(host)).outcome, 'allow')
    })

  for (const host of ['', 'localhost', '010.0.0.1', '10.0.0.1:4222', '[::1]', 'fe80::1%eth0', 'pipe'])
    test(`holds for the source ${JSON.stringify(host)}, which may be any address`, () => {
      locked(LOCKS, from(host))
    })

  test('that has expired does not hold for a source that cannot be read', () => {
    assert.equal(
      decided([{ ...LOCKS[0], id: 'l1', target: 'address', expiresAtMs: NOW_MS }], from('')).outcome,
      'allow',
    )
  })

  test('holds for everyone when its block cannot be read', () => {
    for (const sourceCidr of ['10.0.0.1/8', '10.0.0.0', '', undefined]) {
      const lock = { id: 'l1', target: 'address', ...(sourceCidr === undefined ? {} : { sourceCidr }) }
      locked([lock], from('192.0.2.1'))
    }
  })
})

suite('a locked client', () => {
  const word = fc.constantFrom('alice', 'bob', 'eng', 'ops', 'a:b', 'everyone', 'address', 'José')
  const identity = fc
    .record({
      kind: fc.constantFrom('user' as const, 'client' as const),
      issuerId: fc.constantFrom('corp', 'other'),
      subject: word,
      groups: fc.array(word, { maxLength: 3 }),
      clientId: fc.option(word, { nil: undefined }),
      tokenId: fc.option(word, { nil: undefined }),
    })
    .map(({ clientId, tokenId, ...rest }) =>
      anIdentity({
        ...rest,
        ...(clientId === undefined ? {} : { clientId }),
        token: { expiresAt: NOW_MS / 1000 + 7200, ...(tokenId === undefined ? {} : { id: tokenId }) },
      }),
    )
  const account = fc.constantFrom('APP', 'OPS', 'DEV')
  const otherLock = fc.record({ id: fc.uuid(), target: fc.constantFrom('user:corp:zoe', 'account:SYS', 'token:x:y') })
  const rules = sessionRules({ accounts: new Map(['APP', 'OPS', 'DEV'].map((name) => [name, {}])) })

  test('never gets in, through any of its names, in any account, among any other rows', () => {
    fc.assert(
      fc.property(
        identity,
        fc.array(account, { minLength: 1, maxLength: 3 }),
        account,
        fc.array(otherLock, { maxLength: 3 }),
        fc.nat(),
        fc.option(fc.integer({ min: 1, max: 1e9 }), { nil: undefined }),
        (who, accounts, wantedAccount, others, pick, left) => {
          const principal = `${who.kind}:${who.issuerId}:${who.subject}`
          const grants = accounts.map((name, index) => aGrant({ id: `g${index}`, principal, account: name }))
          const input = aDecisionInput({
            identity: who,
            wantedAccount,
            rules,
            policy: aPolicy({ grants, locks: others }),
          })
          const unlocked = decide(input)
          if (unlocked.outcome === 'deny') return
          const keys = lockKeys(who, [unlocked.account])
          const lock: Lock = {
            id: 'l1',
            target: keys[pick % keys.length] ?? '',
            ...(left === undefined ? {} : { expiresAtMs: NOW_MS + left }),
            sourceCidr: '127.0.0.0/8',
          }
          const decision = decide({ ...input, policy: aPolicy({ grants, locks: [...others, lock] }) })
          assert.ok(decision.outcome === 'deny' && decision.reason === 'locked' && decision.lockIds.includes('l1'))
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('is found under keys that hold every lock on it', () => {
    assert.deepEqual(lockKeys(IDENTITY, ['APP', 'OPS']), [
      'user:corp:alice',
      'group:corp:eng',
      'issuer:corp',
      'client:corp:web',
      'token:corp:token-1',
      'everyone',
      'address',
      'account:APP',
      'account:OPS',
    ])
    assert.deepEqual(lockTargets(anIdentity()), ['user:corp:alice', 'issuer:corp', 'everyone'])
  })
})

suite('what a lock is on', () => {
  for (const text of [
    'user:corp:alice',
    'client:corp:a:b',
    'group:corp:José 東京',
    'issuer:corp',
    'account:APP',
    'token:corp:0af3:11',
    'address:10.0.0.0/8',
    'address:2001:db8::/32',
    'everyone',
  ])
    test(`can be ${text}, which is shown as it was written`, () => {
      const parsed = parseLockTarget(text)
      assert.ok('target' in parsed, JSON.stringify(parsed))
      assert.equal(writtenLockTarget(parsed.target), text)
    })

  for (const [text, problem] of [
    ['role:reader', /a role cannot be locked/],
    ['address', /write "address:<block>"/],
    ['address:10.0.0.1', /prefix length/],
    ['address:10.0.0.1/8', /bits set after the prefix/],
    ['token:corp:', /write "token:<issuer id>:<token id>"/],
    ['token:x', /write "token:<issuer id>:<token id>"/],
    [`token:corp:${'x'.repeat(512)}`, /longer than 512/],
    ['account:', /1 to 128 characters/],
    ['account:A B', /1 to 128 characters/],
    ['user:corp:a\u0000', /control character/],
    ['issuer:corp:x', /nothing more/],
    ['Everyone', /a target starts with/],
    ['*', /a target starts with/],
  ] as const)
    test(`cannot be ${JSON.stringify(text.slice(0, 30))}`, () => {
      const parsed = parseLockTarget(text)
      assert.match('problem' in parsed ? parsed.problem : 'accepted', problem)
    })
})
