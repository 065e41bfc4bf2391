import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import type { Identity } from '../../../src/core/identity.ts'
import { mapIdentity } from '../../../src/oidc/identity.ts'
import type { IdentityRules } from '../../../src/oidc/identity-rules.ts'
import { anIssuer, someClaims } from '../../support/oidc.ts'

const RULES = anIssuer().identity

function map(claims: Record<string, unknown>, rules: Partial<IdentityRules> = {}): Identity {
  const mapped = mapIdentity(someClaims(claims), 'corp', { ...RULES, ...rules }, {})
  assert.ok('identity' in mapped, 'refusal' in mapped ? mapped.refusal.detail : '')
  return mapped.identity
}

function refusal(claims: Record<string, unknown>, rules: Partial<IdentityRules> = {}): string {
  const mapped = mapIdentity(someClaims(claims), 'corp', { ...RULES, ...rules }, {})
  return 'refusal' in mapped ? `${mapped.refusal.reason}: ${mapped.refusal.detail}` : 'accepted'
}

const UNSAFE = 'is empty, longer than 255 bytes, not in NFC, or has hidden characters'

suite('the kind of an identity', () => {
  test('is user for a token without a client', () => {
    assert.deepEqual(map({}), {
      issuerId: 'corp',
      kind: 'user',
      subject: 'alice',
      groups: [],
      attributes: {},
      token: {},
    })
  })

  test('is user when the subject came through a client', () => {
    const { kind, subject, clientId } = map({ azp: 'cli' })
    assert.deepEqual({ kind, subject, clientId }, { kind: 'user', subject: 'alice', clientId: 'cli' })
  })

  test('is client when the subject is the client', () => {
    const { kind, subject, clientId } = map({ sub: 'orders', client_id: 'orders' })
    assert.deepEqual({ kind, subject, clientId }, { kind: 'client', subject: 'orders', clientId: 'orders' })
  })

  test('is what the rules say, and a client goes by its client id', () => {
    const { kind, subject } = map({ sub: 'orders@clients', azp: 'orders' }, { kind: 'client' })
    assert.deepEqual({ kind, subject }, { kind: 'client', subject: 'orders' })
  })

  test('stays user under the rule user', () => {
    assert.equal(map({ sub: 'orders', azp: 'orders' }, { kind: 'user' }).kind, 'user')
  })

  const clientIf = { clientIf: { path: ['preferred_username'], prefix: 'service-account-' } }

  test('is client when a claim says so, and goes by the client id', () => {
    const claims = { sub: 'uuid', azp: 'orders', preferred_username: 'service-account-orders' }
    const { kind, subject } = map(claims, { kind: clientIf })
    assert.deepEqual({ kind, subject }, { kind: 'client', subject: 'orders' })
  })

  for (const preferred_username of ['alice', ['service-account-orders'], undefined]) {
    test(`is user when the claim is ${JSON.stringify(preferred_username)}, even with the name of a client`, () => {
      assert.equal(map({ sub: 'orders', azp: 'orders', preferred_username }, { kind: clientIf }).kind, 'user')
    })
  }

  test('cannot be client by a claim without a client id', () => {
    const claims = { preferred_username: 'service-account-orders' }
    assert.equal(refusal(claims, { kind: clientIf }), 'claim_missing: no claim names the client')
  })

  test('cannot be client without a client id', () => {
    assert.equal(refusal({}, { kind: 'client' }), 'claim_missing: no claim names the client')
  })
})

suite('the subject', () => {
  test('comes from the configured path, whose names may hold dots and slashes', () => {
    const claims = { 'kubernetes.io': { 'https://x/uid': 'u-1' } }
    assert.equal(map(claims, { subject: { path: ['kubernetes.io', 'https://x/uid'] } }).subject, 'u-1')
  })

  test('keeps every printable character as it is', () => {
    assert.equal(map({ sub: 'José 東京:*.>$' }).subject, 'José 東京:*.>$')
  })

  for (const [what, sub] of [
    ['a newline', 'alice\n'],
    ['a zero-width space', 'ali\u200bce'],
    ['a line separator', 'ali\u2028ce'],
    ['256 bytes', 'x'.repeat(256)],
    ['256 bytes in 128 letters', 'é'.repeat(128)],
  ] as const) {
    test(`is refused with ${what}`, () => {
      assert.equal(refusal({ sub }), `identity_invalid: "sub" ${UNSAFE}`)
    })
  }

  test('may have 255 bytes', () => {
    assert.equal(map({ sub: 'x'.repeat(255) }).subject.length, 255)
  })

  test('is refused when it is absent', () => {
    assert.equal(refusal({}, { subject: { path: ['oid'] } }), 'claim_missing: "oid" is absent')
  })

  test('is refused when it is a number', () => {
    assert.equal(refusal({ oid: 7 }, { subject: { path: ['oid'] } }), 'claim_invalid: "oid" is 7, not a string')
  })

  test('is never something that objects inherit', () => {
    assert.equal(
      refusal({}, { subject: { path: ['constructor', 'name'] } }),
      'claim_missing: "constructor/name" is absent',
    )
  })
})

suite('the subject from several claims', () => {
  const firstOf = { subject: { firstOf: [['oid'], ['sub']] } }
  const join = { subject: { join: [['tid'], ['oid']], separator: '/' } }

  test('is the first that is present', () => {
    assert.deepEqual([map({ oid: 'o' }, firstOf).subject, map({}, firstOf).subject], ['o', 'alice'])
  })

  test('is not taken from a later claim when the first is wrong', () => {
    assert.equal(refusal({ oid: '' }, firstOf), `identity_invalid: "oid" ${UNSAFE}`)
    assert.equal(refusal({ oid: null }, firstOf), 'claim_invalid: "oid" is null, not a string')
  })

  test('is refused when none is present', () => {
    const rules = { subject: { firstOf: [['oid'], ['uid']] } }
    assert.equal(refusal({}, rules), 'claim_missing: "oid" or "uid" is absent')
  })

  test('is all of them together', () => {
    assert.equal(map({ tid: 't', oid: 'o' }, join).subject, 't/o')
  })

  test('is refused when a part is absent', () => {
    assert.equal(refusal({ tid: 't' }, join), 'claim_missing: "oid" is absent')
  })

  for (const claims of [
    { tid: 'a/b', oid: 'c' },
    { tid: 'a', oid: 'b/c' },
  ]) {
    test(`is refused when ${JSON.stringify(claims)} could be somebody else`, () => {
      assert.match(refusal(claims, join), /^identity_invalid: "(?:tid|oid)" holds the separator "\/"$/)
    })
  }

  for (const tid of ['', 'a\u202e', 7]) {
    test(`is refused with the part ${JSON.stringify(tid)}`, () => {
      assert.match(refusal({ tid, oid: 'o' }, join), /^(?:identity_invalid|claim_invalid): "tid" is /)
    })
  }

  test('is never the same for different parts', () => {
    const part = fc.string({ unit: fc.constantFrom('a', '/', ':', '.'), minLength: 1, maxLength: 4 })
    const subjectOf = (tid: string, oid: string): string | undefined => {
      const mapped = mapIdentity(someClaims({ tid, oid }), 'corp', { ...RULES, ...join }, {})
      return 'identity' in mapped ? mapped.identity.subject : undefined
    }
    fc.assert(
      fc.property(part, part, part, part, (tid, oid, otherTid, otherOid) => {
        const subject = subjectOf(tid, oid)
        fc.pre(subject !== undefined && (tid !== otherTid || oid !== otherOid))
        assert.notEqual(subject, subjectOf(otherTid, otherOid))
      }),
    )
  })

  test('is refused when the parts together are too long', () => {
    const claims = { tid: 'x'.repeat(200), oid: 'y'.repeat(200) }
    assert.equal(refusal(claims, join), `identity_invalid: the joined subject ${UNSAFE}`)
  })
})

suite('the client id', () => {
  test('is the first of its claims that is present', () => {
    assert.equal(map({ client_id: 'a', azp: 'b' }).clientId, 'a')
  })

  test('is refused when it is present with a wrong type', () => {
    assert.equal(refusal({ client_id: null, azp: 'b' }), 'claim_invalid: "client_id" is null, not a string')
  })

  test('is refused when something on the way to it is no object, and not taken from a later claim', () => {
    const rules = { clientId: [['app', 'id'], ['azp']] }
    assert.equal(refusal({ app: 'x', azp: 'b' }, rules), 'claim_invalid: "app/id" is null, not a string')
  })

  test('is refused with hidden characters', () => {
    assert.equal(refusal({ azp: 'a\u200b' }), `identity_invalid: "azp" ${UNSAFE}`)
  })
})

test('whoever acts for the subject and cannot be read is refused with it', () => {
  assert.equal(refusal({ act: {} }), 'claim_missing: "act" names nobody')
})

suite('the groups', () => {
  test('are the strings of the claim, each once', () => {
    assert.deepEqual(map({ groups: ['b', 'a', 'b'] }).groups, ['b', 'a'])
  })

  test('may be a single string, which is not split', () => {
    assert.deepEqual(map({ groups: 'a b,c' }).groups, ['a b,c'])
  })

  test('are refused as an empty text, which is no list', () => {
    assert.match(refusal({ groups: '' }), /^identity_invalid: "groups" holds a group that is empty/)
  })

  test('are none when the claim is absent', () => {
    assert.deepEqual(map({}, { groups: { path: ['realm_access', 'roles'], max: 500 } }).groups, [])
  })

  test('are none when no claim is configured for them', () => {
    const { groups: _, ...rules } = RULES
    const mapped = mapIdentity(someClaims({ groups: [7], hasgroups: true }), 'corp', rules, {})
    assert.deepEqual('identity' in mapped && mapped.identity.groups, [])
  })

  test('may be 500', () => {
    assert.equal(map({ groups: Array.from({ length: 500 }, (_, index) => `g${index}`) }).groups.length, 500)
  })

  test('may not be 501', () => {
    const groups = Array.from({ length: 501 }, (_, index) => `g${index}`)
    assert.equal(refusal({ groups }), 'identity_invalid: "groups" holds 501 groups, the limit is 500')
  })

  for (const [what, groups] of [
    ['null', null],
    ['an object', { admin: true }],
    ['a number', 5],
    ['a list with a number', ['a', 5]],
    ['a list in a list', [['a']]],
  ] as const) {
    test(`are refused as ${what}`, () => {
      assert.equal(refusal({ groups }), 'claim_invalid: "groups" is not a string or an array of strings')
    })
  }

  test('are refused when something on the way to them is no object', () => {
    assert.equal(
      refusal({ realm_access: 'x' }, { groups: { path: ['realm_access', 'roles'], max: 500 } }),
      'claim_invalid: "realm_access/roles" is not a string or an array of strings',
    )
  })

  for (const group of ['', 'a\u202e', 'x'.repeat(256)]) {
    test(`are refused when one is ${JSON.stringify(group.slice(0, 8))}`, () => {
      assert.equal(
        refusal({ groups: ['ok', group] }),
        'identity_invalid: "groups" holds a group that is empty, too long or has hidden characters',
      )
    })
  }

  for (const [what, claims] of [
    ['_claim_names', { _claim_names: { groups: 'src1' } }],
    ['_claim_names beside a list', { _claim_names: { groups: 'src1' }, groups: ['a'] }],
    ['a _claim_names that is no object', { _claim_names: 'groups' }],
    ['hasgroups', { hasgroups: true }],
  ] as const) {
    test(`are refused on overage by ${what}`, () => {
      assert.equal(refusal(claims), 'claim_invalid: the issuer left the groups out of the token (overage)')
    })
  }

  test('are not affected by other distributed claims', () => {
    assert.deepEqual(map({ _claim_names: { address: 'src1' }, groups: ['a'] }).groups, ['a'])
  })
})

suite('the groups by rules of their own', () => {
  const split = { groups: { path: ['scope'], split: ' ', max: 3 } }

  test('are the parts of a text', () => {
    assert.deepEqual(map({ scope: 'a b' }, split).groups, ['a', 'b'])
    assert.deepEqual(map({ scope: '' }, split).groups, [])
  })

  test('are never parts of the elements of a list', () => {
    assert.deepEqual(map({ scope: ['a b'] }, split).groups, ['a b'])
  })

  test('are refused when a part is empty', () => {
    assert.match(refusal({ scope: 'a  b' }, split), /^identity_invalid: "scope" holds a group that is empty/)
  })

  test('are refused when there are more than the limit', () => {
    assert.equal(refusal({ scope: 'a b c d' }, split), 'identity_invalid: "scope" holds 4 groups, the limit is 3')
  })

  const prefix = { groups: { path: ['groups'], prefix: 'kc:', max: 500 } }

  test('carry the prefix', () => {
    assert.deepEqual(map({ groups: ['a', 'kc:b'] }, prefix).groups, ['kc:a', 'kc:kc:b'])
  })

  for (const group of ['', 'x'.repeat(253), '\u200b']) {
    test(`are refused with ${JSON.stringify(group.slice(0, 8))} behind the prefix`, () => {
      assert.match(refusal({ groups: [group] }, prefix), /^identity_invalid: "groups" holds a group that is empty/)
    })
  }
})

suite('the display name', () => {
  const rules = { display: { path: ['email'], requires: { path: ['email_verified'], equals: true } } }

  test('is the claim when the condition holds', () => {
    assert.equal(map({ email: 'a@b.example', email_verified: true }, rules).display, 'a@b.example')
  })

  for (const email_verified of [false, 'true', 1, null, undefined]) {
    test(`is left out when its condition is ${JSON.stringify(email_verified)}`, () => {
      assert.equal(map({ email: 'root@b.example', email_verified }, rules).display, undefined)
    })
  }

  for (const email of [undefined, 7, '', 'a\u202eb', 'x'.repeat(256)]) {
    test(`is left out as ${JSON.stringify(email)?.slice(0, 12) ?? 'an absent claim'}`, () => {
      assert.equal(map({ email, email_verified: true }, rules).display, undefined)
    })
  }
})

suite('the attributes', () => {
  test('are the strings at their paths', () => {
    assert.deepEqual(map({ tid: 't-1' }).attributes, { tenant: 't-1' })
  })

  for (const tid of [undefined, null, 7, true, ['t'], { t: 1 }, '', 'a\u0000', 'x'.repeat(256)]) {
    test(`leave out ${JSON.stringify(tid)?.slice(0, 12) ?? 'an absent claim'}`, () => {
      assert.deepEqual(map({ tid }).attributes, {})
    })
  }

  test('may be called __proto__ without touching any prototype', () => {
    const { attributes } = map(
      { tid: 't-1' },
      { attributes: JSON.parse('{"__proto__":["tid"]}') as Record<string, string[]> },
    )
    assert.deepEqual([Object.keys(attributes), Object.getPrototypeOf(attributes)], [['__proto__'], Object.prototype])
  })
})
