import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { InboxPolicy } from '../../../src/core/inbox.ts'
import { Linter, type LintedRow } from '../../../src/core/lint.ts'
import { compilePermissions } from '../../../src/core/permissions.ts'
import type { UnsignedTables } from '../../../src/core/policy-row.ts'
import { covers, overlaps, parseSubjectPattern, type SubjectPattern } from '../../../src/core/subject.ts'
import { aGrant, NOW_MS } from '../../support/builders.ts'

const CONTEXT = { accounts: new Set(['APP', 'OPS']), issuers: new Map([['corp', new Set(['team'])]]), nowMs: NOW_MS }
const STAR = { subject: 'orders.*' }
const DEEP = { subject: 'orders.*.items' }

type GrantChange = Partial<UnsignedTables['grant']>

function subscription(change: GrantChange, index: number): LintedRow {
  const row = { ...aGrant({ id: `g${index}`, action: 'subscribe' }), ...change }
  return { at: `row ${index}`, row: { kind: 'grant', row } }
}

function binding(member: string, change: Partial<UnsignedTables['binding']> = {}): LintedRow {
  return { at: 'b', row: { kind: 'binding', row: { member, role: 'role:reader', ...change } } }
}

/** The places and messages of the rows that are closed; each row is shown to the linter by itself. */
function closed(subscriptions: readonly GrantChange[], bindings: readonly LintedRow[] = []): string[] {
  const linter = new Linter(CONTEXT)
  for (const row of [...subscriptions.map(subscription), ...bindings]) linter.see([row])
  return linter.finish().map(({ level, rule, at, message }) => {
    assert.deepEqual([level, rule], ['warning', 'closed'])
    return `${at}: ${message}`
  })
}

/** The places alone. */
function places(...input: Parameters<typeof closed>): string[] {
  return closed(...input).map((line) => line.slice(0, line.indexOf(':')))
}

/** The places and messages of the rows that close the inbox which `APP` gives. */
function closesInbox(
  policy: InboxPolicy,
  grants: readonly GrantChange[],
  bindings: readonly LintedRow[] = [],
): string[] {
  const linter = new Linter({ ...CONTEXT, inboxes: new Map([['APP', policy]]) })
  for (const row of [...grants.map(subscription), ...bindings]) linter.see([row])
  return linter.finish().map(({ level, rule, at, message }) => {
    assert.deepEqual([level, rule], ['warning', 'inbox_closed'])
    return `${at}: ${message}`
  })
}

suite('lint of a last * over the inbox that an account gives', () => {
  test('says what closes it, and what to do', () => {
    assert.deepEqual(closesInbox('private', [{ subject: '*' }]), [
      'row 0: * closes the private inbox that callout.accounts.APP.inbox gives, as *.> is denied with it; ' +
        'grant *.> as well, or name there what the last * stands for',
    ])
  })

  for (const [policy, subject] of [
    ['shared', '*'],
    ['shared', '*.*'],
    ['private', '*.*'],
  ] as const) {
    test(`finds ${subject} over a ${policy} one`, () => assert.equal(closesInbox(policy, [{ subject }]).length, 1))
  }

  for (const [what, policy, grants] of [
    ['where the account gives none', 'none', [{ subject: '*' }]],
    ['of another account', 'private', [{ subject: '*', account: 'OPS' }]],
    ['that is all granted', 'private', [{ subject: '*' }, { subject: '*.>' }]],
    ['that a > covers', 'private', [{ subject: '*' }, { subject: '>' }]],
    ['of a grant that ends with >', 'private', [{ subject: '>' }]],
    ['of a * below it', 'shared', [{ subject: '_INBOX.*' }]],
    ['of a * elsewhere', 'private', [{ subject: 'orders.*' }]],
    ['of one that no inbox of a client meets', 'private', [{ subject: '*.eu.*' }]],
    ['of one that is longer than what a client subscribes to', 'private', [{ subject: '*.*.*' }]],
    ['on the publishing side', 'private', [{ subject: '*', action: 'publish' }]],
  ] as const) {
    test(`says nothing ${what}`, () => assert.deepEqual(closesInbox(policy, grants), []))
  }

  test('is told once of a row, however many have its role', () => {
    const bindings = [binding('user:corp:alice'), binding('user:corp:bob')]
    assert.equal(closesInbox('shared', [{ subject: '*', principal: 'role:reader' }], bindings).length, 1)
  })

  for (const [policy, prefix] of [
    ['shared', '_INBOX'],
    ['private', '_INBOX_user_corp_alice'],
  ] as const) {
    test(`tells what the permissions are: ${policy}`, () => {
      for (const subject of ['*', '*.*', '*.*.*', '*.eu.*', '_INBOX.*', 'orders.*', '>']) {
        const allows = [subject, `${prefix}.>`].map(
          (text) => ({ action: 'subscribe', effect: 'allow', subject: text }) as const,
        )
        const denied = compilePermissions(allows).subscribe.deny
        const isClosed = denied.some((guard) => covers(pattern(guard), pattern(`${prefix}.2Xk7.*`)))
        assert.equal(closesInbox(policy, [{ subject }]).length > 0, isClosed, subject)
      }
    })
  }
})

function pattern(subject: string): SubjectPattern {
  const parsed = parseSubjectPattern(subject)
  assert.ok('pattern' in parsed)
  return parsed.pattern
}

suite('lint of subscriptions below a last *', () => {
  test('names both rows, and says what to do', () => {
    assert.deepEqual(closed([STAR, DEEP]), [
      'row 1: orders.*.items is closed, as row 0 allows orders.* and orders.*.> is denied with that; ' +
        'grant orders.*.> as well, or name there what the last * stands for',
    ])
  })

  for (const [what, below] of [
    ['a literal', { subject: 'orders.eu.items' }],
    ['a rest', { subject: 'orders.eu.>' }],
    ['another last *', { subject: 'orders.eu.*' }],
    ['a member of a queue group', { ...DEEP, queue: 'workers' }],
  ] as const) {
    test(`finds ${what} there, in whichever order the rows come`, () => {
      assert.deepEqual(places([STAR, below]), ['row 1'])
      assert.deepEqual(places([below, STAR]), ['row 0'])
    })
  }

  test('finds what lies there in part', () => {
    assert.match(closed([STAR, { subject: '*.eu.items' }])[0] ?? '', /^row 1: \*\.eu\.items is closed in part, /)
    assert.deepEqual(places([STAR, { subject: 'orders.>', queue: 'workers' }]), ['row 1'])
  })

  test('finds the services that a * of everything closes', () => {
    const offered = { action: 'service:offer', subject: 'billing' } as const
    assert.deepEqual(places([{ subject: '*' }, offered]), ['row 1'])
    assert.deepEqual(places([{ subject: 'orders.*' }, offered]), [])
  })

  for (const [what, star, below] of [
    ['that is as long', STAR, { subject: 'orders.eu' }],
    ['elsewhere', STAR, { subject: 'parts.eu.items' }],
    ['in another account', STAR, { ...DEEP, account: 'OPS' }],
    ['on the publishing side', { ...STAR, action: 'publish' }, DEEP],
    ['that is denied', STAR, { ...DEEP, effect: 'deny' }],
    ['below a denial', { ...STAR, effect: 'deny' }, DEEP],
    ['that has ended', STAR, { ...DEEP, validUntilMs: NOW_MS }],
    ['at another time', { ...STAR, validUntilMs: NOW_MS + 5 }, { ...DEEP, validFromMs: NOW_MS + 5 }],
    ['of another person', STAR, { ...DEEP, principal: 'user:corp:bob' }],
    ['of a group, which tokens tell', STAR, { ...DEEP, principal: 'group:corp:ops' }],
    ['below a variable of unknown value', { subject: '{{team}}.*' }, { subject: 'blue.x.y' }],
  ] as const) {
    test(`says nothing of a subscription ${what}`, () => {
      assert.deepEqual(closed([star, below]), [])
    })
  }

  test('takes a variable to be the same in all rows', () => {
    assert.deepEqual(places([{ subject: '{{team}}.*' }, { subject: '{{team}}.*.items' }]), ['row 1'])
  })

  test('says nothing where all that lies below is granted whenever both hold', () => {
    assert.deepEqual(closed([STAR, DEEP, { subject: 'orders.>' }]), [])
    assert.deepEqual(closed([STAR, DEEP, { subject: 'orders.*.>' }]), [])
    assert.deepEqual(places([STAR, DEEP, { subject: 'orders.>', validUntilMs: NOW_MS + 5 }]), ['row 1'])
    assert.deepEqual(places([STAR, DEEP, { subject: 'orders.>', queue: 'workers' }]), ['row 1', 'row 2'])
  })

  test('holds the grants of a role against those of its members, and says for whom', () => {
    const ofRole = { ...DEEP, principal: 'role:reader' }
    assert.match(
      closed([STAR, ofRole], [binding('user:corp:alice')])[0] ?? '',
      /^row 1: .* for user:corp:alice, as row 0 /,
    )
    assert.deepEqual(closed([STAR, ofRole], [binding('user:corp:bob')]), [])
    assert.deepEqual(closed([STAR, ofRole], [binding('user:corp:alice', { validUntilMs: NOW_MS })]), [])
  })

  test('holds two roles of one member against each other, once for all who have both', () => {
    const rows = [
      { ...STAR, principal: 'role:reader' },
      { ...DEEP, principal: 'role:clerk' },
    ]
    const members = ['user:corp:alice', 'group:corp:ops'].flatMap((member) => [
      binding(member),
      binding(member, { role: 'role:clerk' }),
    ])
    assert.deepEqual(places(rows, members), ['row 1'])
    assert.deepEqual(places([...rows, { subject: 'orders.>' }], members), ['row 1'])
    assert.deepEqual(places([...rows, { subject: 'orders.>' }], members.slice(0, 2)), [])
  })

  test('holds the grants of everybody of an issuer, and of the roles of those, against those of each', () => {
    const ofAll = { ...STAR, principal: 'issuer:corp' }
    assert.deepEqual(places([ofAll, DEEP]), ['row 1'])
    assert.deepEqual(places([ofAll, { ...DEEP, principal: 'group:corp:ops' }]), ['row 1'])
    assert.deepEqual(places([ofAll, { ...DEEP, principal: 'user:other:eve' }]), [])
    assert.deepEqual(places([{ ...STAR, principal: 'role:reader' }, DEEP], [binding('issuer:corp')]), ['row 1'])
  })

  test('finds exactly the rows of which the permissions deny a part', () => {
    const subjects = ['a', 'a.*', 'a.*.b', 'a.*.*', 'a.b.>', 'b.*', 'b.>', '*.*', '*.b', '*.>', 'a.*.>', '*', '>']
    for (const pair of subjects.flatMap((one) => subjects.map((other) => [one, other]))) {
      const allows = pair.map((subject) => ({ action: 'subscribe', effect: 'allow', subject }) as const)
      const { deny } = compilePermissions(allows).subscribe
      const expected = pair.flatMap((subject, index) =>
        deny.some((guard) => overlaps(parsed(guard), parsed(subject))) ? [`row ${index}`] : [],
      )
      assert.deepEqual(places(pair.map((subject) => ({ subject }))).toSorted(), expected, pair.join(' and '))
    }
  })
})

function parsed(subject: string): SubjectPattern {
  const result = parseSubjectPattern(subject)
  return 'pattern' in result ? result.pattern : assert.fail(subject)
}
