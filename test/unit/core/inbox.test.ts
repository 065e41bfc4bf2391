import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { inboxSubject, privateInboxPrefix } from '../../../src/core/inbox.ts'
import type { Identity } from '../../../src/core/identity.ts'
import { ISSUER_ID, principalOf } from '../../../src/core/principal.ts'
import { parseSubjectPattern } from '../../../src/core/subject.ts'
import { anIdentity } from '../../support/builders.ts'

suite('the inbox of a principal', () => {
  const cases = [
    [{}, '_INBOX_user_corp_alice'],
    [{ kind: 'client', subject: 'orders-service_1' }, '_INBOX_client_corp_orders-service_1'],
    [{ subject: 'a.b>*%c d' }, '_INBOX_user_corp_a%2Eb%3E%2A%25c%20d'],
    [{ subject: 'auth0|José' }, '_INBOX_user_corp_auth0%7CJos%C3%A9'],
    [{ issuerId: 'a-b', subject: '😀' }, '_INBOX_user_a-b_%F0%9F%98%80'],
  ] as const
  for (const [change, prefix] of cases) {
    test(`is ${prefix}`, () => {
      assert.equal(privateInboxPrefix(anIdentity(change)), prefix)
      assert.equal(inboxSubject('private', anIdentity(change)), `${prefix}.>`)
    })
  }

  test('is that of everybody, or nothing, by the policy of the account', () => {
    assert.equal(inboxSubject('shared', anIdentity()), '_INBOX.>')
    assert.equal(inboxSubject('none', anIdentity()), undefined)
  })
})

const identity: fc.Arbitrary<Identity> = fc
  .record({
    kind: fc.constantFrom('user', 'client'),
    issuerId: fc.oneof(fc.constantFrom('a', 'b', 'a-a', 'user'), fc.stringMatching(ISSUER_ID)),
    subject: fc.oneof(
      fc.stringMatching(/^(?:[ab_%.-]|%2E|%25|_INBOX|user|\u00e9){1,6}$/),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }).filter((text) => text.isWellFormed()),
    ),
  })
  .map((change) => anIdentity(change))

test('no two principals share an inbox prefix, and none lies in the inbox of another or in the shared one', () => {
  fc.assert(
    fc.property(identity, identity, (one, other) => {
      const [first, second] = [privateInboxPrefix(one), privateInboxPrefix(other)]
      assert.equal(first === second, principalOf(one) === principalOf(other))
      // A prefix that is one token can lie in the subjects of no other than itself.
      assert.ok(!first.includes('.') && first !== '_INBOX')
    }),
    { numRuns: 5000 },
  )
})

test('whatever the principal, its inbox is a subject of one token and the rest', () => {
  fc.assert(
    fc.property(identity, (one) => {
      const parsed = parseSubjectPattern(inboxSubject('private', one) ?? '')
      assert.ok('pattern' in parsed)
      assert.deepEqual(
        parsed.pattern.tokens.map(({ kind }) => kind),
        ['literal', 'rest'],
      )
    }),
  )
})
