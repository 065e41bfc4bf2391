import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { grantedPrincipals, lockablePrincipals, parsePrincipal, principalOf } from '../../../src/core/principal.ts'
import { anIdentity } from '../../support/builders.ts'

suite('a written principal', () => {
  const accepted: [string, object][] = [
    ['user:corp:alice', { kind: 'user', issuerId: 'corp', name: 'alice' }],
    ['user:corp:a:b:c', { kind: 'user', issuerId: 'corp', name: 'a:b:c' }],
    ['user:corp:José 東京', { kind: 'user', issuerId: 'corp', name: 'José 東京' }],
    [
      'client:k8s-1:system:serviceaccount:ns:sa',
      { kind: 'client', issuerId: 'k8s-1', name: 'system:serviceaccount:ns:sa' },
    ],
    ['group:corp:eng', { kind: 'group', issuerId: 'corp', name: 'eng' }],
    ['issuer:corp', { kind: 'issuer', issuerId: 'corp' }],
    ['role:reader', { kind: 'role', name: 'reader' }],
  ]
  for (const [text, principal] of accepted) {
    test(`may be ${text}`, () => assert.deepEqual(parsePrincipal(text), { principal }))
  }

  for (const text of [
    '',
    'alice',
    'user',
    'user:',
    'user:corp',
    'user:corp:',
    'user:Corp:alice',
    'user::alice',
    'user:-a:alice',
    `user:${'a'.repeat(64)}:x`,
    'User:corp:alice',
    'admin:corp:alice',
    'issuer:corp:x',
    'role:',
    'role:a b',
    'role:a:b',
    'user:corp:a\u0000',
    'user:corp:a\n',
    'user:corp:\ud800',
    `user:corp:${'x'.repeat(512)}`,
  ]) {
    test(`may not be ${JSON.stringify(text).slice(0, 40)}`, () => assert.ok('problem' in parsePrincipal(text)))
  }
})

suite('the principals of an identity', () => {
  test('of a user are the user, the groups and the issuer', () => {
    assert.deepEqual(grantedPrincipals(anIdentity({ groups: ['eng', 'ops'], clientId: 'web' })), [
      'user:corp:alice',
      'group:corp:eng',
      'group:corp:ops',
      'issuer:corp',
    ])
  })

  test('of a client acting for itself name the client', () => {
    assert.equal(principalOf(anIdentity({ kind: 'client', subject: 'orders' })), 'client:corp:orders')
  })

  test('give a user nothing of the client that the user came through', () => {
    assert.ok(!grantedPrincipals(anIdentity({ clientId: 'web' })).includes('client:corp:web'))
  })

  test('let a lock on the client stop its users', () => {
    assert.ok(lockablePrincipals(anIdentity({ clientId: 'web' })).includes('client:corp:web'))
  })

  test('let a lock on the current actor stop those for whom it acts, under either kind of name', () => {
    const locked = lockablePrincipals(
      anIdentity({ actors: [{ subject: 'agent', clientId: 'app' }, { subject: 'old' }] }),
    )
    assert.deepEqual(locked.slice(grantedPrincipals(anIdentity()).length), [
      'user:corp:agent',
      'client:corp:agent',
      'user:corp:app',
      'client:corp:app',
    ])
  })

  test('do not take an actor of another issuer for one of this issuer', () => {
    const actors = [{ subject: 'agent', issuer: 'https://elsewhere.example' }]
    const identity = anIdentity({ actors, token: { issuer: 'https://idp.example' } })
    assert.deepEqual(lockablePrincipals(identity), grantedPrincipals(identity))
  })

  test('take an actor for one of this issuer, whatever issuer it names, where the token names none', () => {
    const actors = [{ subject: 'agent', issuer: 'https://idp.example' }]
    const locked = lockablePrincipals(anIdentity({ actors, token: {} }))
    assert.ok(locked.includes('user:corp:agent') && locked.includes('client:corp:agent'))
  })

  test('give nothing of the actor to those for whom it acts', () => {
    assert.deepEqual(grantedPrincipals(anIdentity({ actors: [{ subject: 'agent' }] })), grantedPrincipals(anIdentity()))
  })
})
