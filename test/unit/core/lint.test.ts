import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Linter, type Finding, type LintedRow } from '../../../src/core/lint.ts'
import type { UnsignedTables } from '../../../src/core/policy-row.ts'
import { aGrant, NOW_MS } from '../../support/builders.ts'

const CONTEXT = {
  accounts: new Set(['APP']),
  issuers: new Map([
    ['corp', new Set(['team'])],
    ['partner', new Set(['plant'])],
  ]),
  nowMs: NOW_MS,
}

function grants(...changes: Partial<UnsignedTables['grant']>[]): LintedRow[] {
  return changes.map((change, index) => ({
    at: `row ${index}`,
    row: { kind: 'grant', row: { ...aGrant({ id: `g${index}` }), ...change } },
  }))
}

function lintRows(rows: readonly LintedRow[]): Finding[] {
  const linter = new Linter(CONTEXT)
  return [...linter.see(rows), ...linter.finish()]
}

function found(rows: readonly LintedRow[]): string[] {
  return lintRows(rows).map(({ level, rule, at, field }) => `${level} ${rule} ${at} ${field}`)
}

suite('lint', () => {
  test('says nothing of grants that are well', () => {
    assert.deepEqual(found(grants({ subject: 'a.{{team}}' }, { subject: 'b.{{subject}}' }, { subject: 'c.*' })), [])
  })

  for (const [what, change, finding] of [
    ['a grant of everything', { subject: '>' }, 'error wide row 0 subject'],
    ['a grant of everything that is marked as meant', { subject: '>', forced: true }, 'warning wide row 0 subject'],
    ['a grant of shared inboxes', { action: 'subscribe', subject: '_INBOX.>' }, 'warning wide row 0 subject'],
    ['an expired grant', { validUntilMs: NOW_MS }, 'warning expired row 0 validUntil'],
    ['an unknown account', { account: 'OPS' }, 'error account_unknown row 0 account'],
    ['an unknown issuer', { principal: 'user:other:eve' }, 'error issuer_unknown row 0 principal'],
    ['a variable of another issuer', { subject: 'a.{{plant}}' }, 'error variable_unknown row 0 subject'],
  ] as const) {
    test(`finds ${what}`, () => {
      assert.deepEqual(found(grants(change)), [finding])
    })
  }

  test('takes any issuer to supply the variables of a role', () => {
    const ofRole = { principal: 'role:reader', subject: 'a.{{plant}}' }
    assert.deepEqual(found(grants(ofRole)), [])
    assert.deepEqual(found(grants({ ...ofRole, subject: 'a.{{nobody}}' })), ['error variable_unknown row 0 subject'])
  })

  test('says of a denial that cannot be applied that it refuses the client', () => {
    const [finding] = lintRows(grants({ effect: 'deny', subject: '{{plant}}.x' }))
    assert.match(finding?.message ?? '', /refuses the client altogether$/)
  })

  test('finds rows that say the same', () => {
    assert.deepEqual(found(grants({ id: 'a' }, { id: 'b' })), ['warning duplicate row 1 subject'])
  })

  test('finds rows that another allows as well', () => {
    assert.deepEqual(found(grants({ subject: 'a.b' }, { subject: 'a.*' })), ['warning shadowed row 0 subject'])
  })

  for (const [what, wide, narrow] of [
    ['of another principal', { principal: 'group:corp:ops' }, {}],
    ['for another action', { action: 'subscribe' }, {}],
    ['that ends sooner', { validUntilMs: NOW_MS + 5 }, {}],
    ['that starts later', { validFromMs: NOW_MS - 1 }, {}],
    ['under a condition', { condition: { tls: 'mutual' } }, {}],
    ['in a queue group', { action: 'subscribe', queue: 'q' }, { action: 'subscribe' }],
    ['without its answers', { action: 'subscribe' }, { action: 'subscribe', response: { max: 1, ttlMs: 1 } }],
  ] as const) {
    test(`does not take a row for shadowed by one ${what}`, () => {
      assert.deepEqual(found(grants({ subject: 'a.*', ...wide }, { subject: 'a.b', ...narrow })), [])
    })
  }

  test('finds grants that a denial covers', () => {
    assert.deepEqual(found(grants({ subject: 'a.b' }, { subject: 'a.>', effect: 'deny' })), [
      'error unreachable row 0 subject',
    ])
    assert.deepEqual(found(grants({ subject: 'a.>' }, { subject: 'a.b', effect: 'deny' })), [])
  })

  test('looks at bindings and locks too', () => {
    const rows: LintedRow[] = [
      { at: 'b', row: { kind: 'binding', row: { member: 'user:other:eve', role: 'role:r', validUntilMs: NOW_MS } } },
      { at: 'l', row: { kind: 'lock', row: { id: 'l', target: 'token:other:t', expiresAtMs: NOW_MS } } },
      { at: 'e', row: { kind: 'lock', row: { id: 'e', target: 'everyone' } } },
    ]
    assert.deepEqual(found(rows), [
      'warning expired b validUntil',
      'error issuer_unknown b member',
      'warning expired l expires',
      'error issuer_unknown l target',
    ])
  })
})
