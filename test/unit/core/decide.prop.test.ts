import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decide } from '../../../src/core/decide.ts'
import type { Grant, GrantAction, ResponsePermission, RoleBinding } from '../../../src/core/grant.ts'
import type { SubjectPermission } from '../../../src/core/permissions.ts'
import { aDecisionInput, anIdentity, aPolicy, NOW_MS, sessionRules } from '../../support/builders.ts'

const HOUR_MS = 3_600_000
const identity = anIdentity({
  groups: ['eng'],
  attributes: { tenant: 't1' },
  token: { expiresAt: NOW_MS / 1000 + 5000 },
})
const own = ['user:corp:alice', 'group:corp:eng', 'issuer:corp']

/** What most rows do not have: with it in every row, few clients would be let in, and little of this file would be tested. */
function seldom<Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> {
  return fc.oneof({ weight: 7, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value })
}

const instant = seldom(fc.constantFrom(NOW_MS - HOUR_MS, NOW_MS - 1, NOW_MS, NOW_MS + 1, NOW_MS + HOUR_MS))
const subject = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.constantFrom('a', 'b', 'a.b', 'a.*', 'a.>', '>', '*', 'u.*', 'u.{{subject}}', 'u.{{tenant}}'),
  },
  { weight: 1, arbitrary: fc.constantFrom('u.{{missing}}', 'a..b', 'x.>.y') },
)

const response = seldom(
  fc.record({ max: fc.integer({ min: 0, max: 3 }), ttlMs: fc.integer({ min: 0, max: 3 }) }, { noNullPrototype: true }),
)

const grant: fc.Arbitrary<Grant> = fc
  .record({
    id: fc.uuid(),
    principal: fc.constantFrom(...own, ...own, 'user:corp:bob', 'user:other:alice', 'role:r1', 'role:r2'),
    account: fc.constantFrom('APP', 'APP', 'APP', 'APP', 'OPS', 'SYS'),
    effect: fc.constantFrom<Grant['effect'][]>('allow', 'allow', 'allow', 'deny'),
    raw: fc.record({ action: fc.constantFrom<GrantAction[]>('publish', 'subscribe'), subject }),
    resource: fc.option(
      fc.record({
        action: fc.constantFrom<GrantAction[]>('kv:write', 'consumer:use', 'service:offer'),
        subject: fc.constantFrom('b', 'c', 'S/c', '{{subject}}', '{{missing}}', 'b.>', 'S/c.*'),
      }),
      { nil: undefined, freq: 2 },
    ),
    response,
    from: instant,
    until: instant,
  })
  .map(({ from, until, raw, resource, response, effect, ...rest }) => ({
    ...rest,
    // A deny of a resource refuses everything, so a few are enough.
    effect: resource === undefined || from === undefined ? effect : 'allow',
    ...(resource ?? raw),
    ...(response === undefined ? {} : { response }),
    ...bounds(from, until),
  }))

/** Of a grant, the entries that nats-server is to have, written down by hand; none for one that cannot be used. */
function entriesOf({ action, subject, effect, response: answers }: Grant, side: 'publish' | 'subscribe'): string[] {
  const mayAnswer = action === 'subscribe' || action === 'service:offer'
  const isBounded = answers === undefined || (answers.max > 0 && answers.ttlMs > 0)
  if (effect === 'allow' && answers !== undefined && !(mayAnswer && isBounded)) return []
  const text = subject.replace('{{subject}}', 'alice').replace('{{tenant}}', 't1')
  if (text.includes('{{') || text.includes('..') || text.includes('>.')) return []
  if (action === 'publish' || action === 'subscribe') return action === side ? [text] : []
  if (effect === 'deny' || text.includes('>') || text.includes('*')) return []
  const lists: Readonly<Partial<Record<GrantAction, readonly string[]>>> = {
    'kv:write': [`$JS.API.STREAM.INFO.KV_${text}`, `$KV.${text}.>`],
    'consumer:use': [
      `$JS.API.CONSUMER.INFO.${text.replace('/', '.')}`,
      `$JS.API.CONSUMER.MSG.NEXT.${text.replace('/', '.')}`,
      `$JS.ACK.${text.replace('/', '.')}.*.*.*.*.*`,
      `$JS.ACK.*.*.${text.replace('/', '.')}.*.*.*.*.>`,
      `$JS.FC.${text.replace('/', '.')}.*`,
      `$JS.FC.*.*.${text.replace('/', '.')}.*`,
    ],
    'service:offer': [
      text,
      `${text}.>`,
      ...['PING', 'INFO', 'STATS'].flatMap((verb) => [
        `$SRV.${verb}`,
        `$SRV.${verb}.${text}`,
        `$SRV.${verb}.${text}.*`,
      ]),
    ],
  }
  const isNamed = (action === 'consumer:use') === text.includes('/')
  return isNamed && (action === 'service:offer') === (side === 'subscribe') ? [...(lists[action] ?? [])] : []
}

const binding: fc.Arbitrary<RoleBinding> = fc
  .record({
    member: fc.constantFrom(...own, 'user:corp:bob'),
    role: fc.constantFrom('role:r1', 'role:r2'),
    from: instant,
    until: instant,
  })
  .map(({ from, until, ...rest }) => ({ ...rest, ...bounds(from, until) }))

function bounds(from: number | undefined, until: number | undefined): { validFromMs?: number; validUntilMs?: number } {
  return {
    ...(from === undefined ? {} : { validFromMs: from }),
    ...(until === undefined ? {} : { validUntilMs: until }),
  }
}

const situation = fc.record({
  grants: fc.array(grant, { maxLength: 8 }),
  bindings: fc.array(binding, { maxLength: 4 }),
})
const PROBES = `
  a b c a.b a.c a.b.c u.alice u.t1 u.x b.x alice _INBOX.x
  $KV.b.k $KV.c.k $KV.alice.k $JS.API.STREAM.INFO.KV_b $JS.API.STREAM.DELETE.KV_b
  $JS.API.CONSUMER.MSG.NEXT.S.c $JS.API.CONSUMER.MSG.NEXT.S.d $JS.API.CONSUMER.DELETE.S.c
  $JS.ACK.S.c.1.2.3.4.5 $JS.ACK.S.d.1.2.3.4.5 $JS.ACK.T.d.S.c.1.2.3 $JS.ACK._.h.S.c.1.2.3.4.5
  $JS.FC.S.c.x $SRV.PING $SRV.STATS.b.id $SRV.STATS.c.id`
  .trim()
  .split(/\s+/)

/** What nats-server does with a list entry, written as slowly as possible. */
function matches(entry: string, probe: string): boolean {
  const walk = (pattern: readonly string[], rest: readonly string[]): boolean => {
    const [head, ...tail] = pattern
    const [first, ...others] = rest
    if (head === undefined) return first === undefined
    if (head === '>') return first !== undefined
    return first !== undefined && (head === '*' || head === first) && walk(tail, others)
  }
  return walk(entry.split('.'), probe.split('.'))
}

function mayUse(side: SubjectPermission, probe: string): boolean {
  const open = side.allow.length === 0 && side.deny.length === 0
  return (
    open || (side.allow.some((entry) => matches(entry, probe)) && !side.deny.some((entry) => matches(entry, probe)))
  )
}

function isOpen(window: { validFromMs?: number; validUntilMs?: number }): boolean {
  return (window.validFromMs ?? -Infinity) <= NOW_MS && (window.validUntilMs ?? Infinity) > NOW_MS
}

/** What the rows say, read by a person with time to spare. */
function entriesOfRows(
  effect: Grant['effect'],
  action: 'publish' | 'subscribe',
  account: string,
  grants: readonly Grant[],
  bindings: readonly RoleBinding[],
): string[] {
  return grants.flatMap((row) => {
    const held =
      own.includes(row.principal) ||
      bindings.some((b) => b.role === row.principal && own.includes(b.member) && isOpen(b))
    const applies = held && isOpen(row) && row.effect === effect && row.account === account
    return applies ? entriesOf(row, action) : []
  })
}

/** Of those who may subscribe to `a.*`, nats-server keeps `a.b.c` back, unless rows give them all that lies below. */
function isKeptBack(probe: string, allows: readonly string[]): boolean {
  const isGivenAll = (below: string): boolean => allows.some((entry) => entry.endsWith('>') && matches(entry, below))
  return allows.some((entry) => /(^|\.)\*$/.test(entry) && matches(`${entry}.>`, probe) && !isGivenAll(`${entry}.>`))
}

test('an allow gives exactly what the open grants give, minus what any open deny takes and what a last * keeps back', () => {
  fc.assert(
    fc.property(situation, ({ grants, bindings }) => {
      const decision = decide(aDecisionInput({ identity, wantedAccount: 'APP', policy: aPolicy({ grants, bindings }) }))
      fc.pre(decision.outcome === 'allow')
      for (const action of ['publish', 'subscribe'] as const) {
        const allows = entriesOfRows('allow', action, decision.account, grants, bindings)
        const denies = entriesOfRows('deny', action, decision.account, grants, bindings)
        for (const probe of PROBES) {
          const expected: boolean =
            allows.some((entry) => matches(entry, probe)) &&
            !denies.some((entry) => matches(entry, probe)) &&
            !(action === 'subscribe' && isKeptBack(probe, allows))
          assert.equal(mayUse(decision.permissions[action], probe), expected, `${action} ${probe}`)
        }
      }
    }),
    { numRuns: 1000 },
  )
})

test('no side of an allow is ever left open', () => {
  fc.assert(
    fc.property(situation, ({ grants, bindings }) => {
      const decision = decide(aDecisionInput({ identity, policy: aPolicy({ grants, bindings }) }))
      fc.pre(decision.outcome === 'allow')
      return [decision.permissions.publish, decision.permissions.subscribe].every(
        (side) => side.allow.length + side.deny.length > 0,
      )
    }),
    { numRuns: 1000 },
  )
})

test('an allow outlives neither token, nor any session maximum, nor any grant that it uses', () => {
  const maxima = fc.record({
    r1: fc.integer({ min: 31_000, max: 9_000_000 }),
    APP: fc.integer({ min: 31_000, max: 9_000_000 }),
  })
  const random = fc.double({ min: 0, max: 0.999, noNaN: true })
  fc.assert(
    fc.property(situation, random, maxima, ({ grants, bindings }, random, { r1, APP }) => {
      const accounts = new Map([
        ['APP', { sessionMaxMs: APP }],
        ['OPS', {}],
      ])
      const rules = sessionRules({ jitter: 0.2, maxMs: 4_000_000, accounts })
      const roles = [{ role: 'role:r1', sessionMaxMs: r1 }, { role: 'role:r2' }]
      const decision = decide(aDecisionInput({ identity, random, rules, policy: aPolicy({ grants, bindings, roles }) }))
      fc.pre(decision.outcome === 'allow')
      const used = grants.filter((row) => decision.grantIds.includes(row.id))
      const ends = [
        identity.token.expiresAt ?? 0,
        (NOW_MS + rules.maxMs) / 1000,
        decision.account === 'APP' ? (NOW_MS + APP) / 1000 : Infinity,
        used.some((row) => row.principal === 'role:r1') ? (NOW_MS + r1) / 1000 : Infinity,
        ...used.map((row) => (row.validUntilMs ?? Infinity) / 1000),
      ]
      return ends.every((end) => decision.expiresAt <= end)
    }),
    { numRuns: 1000 },
  )
})

test('the answers that an allow permits are those of one grant that it uses, of the one with the most messages', () => {
  fc.assert(
    fc.property(situation, ({ grants, bindings }) => {
      const decision = decide(aDecisionInput({ identity, wantedAccount: 'APP', policy: aPolicy({ grants, bindings }) }))
      fc.pre(decision.outcome === 'allow')
      const granted = grants
        .filter((row) => decision.grantIds.includes(row.id))
        .flatMap((row): ResponsePermission[] => {
          if (row.response !== undefined) return [row.response]
          return row.action === 'service:offer' ? [{ max: 1, ttlMs: 120_000 }] : []
        })
      const { responses } = decision.permissions
      if (responses === undefined) return assert.deepEqual(granted, [])
      assert.ok(granted.some(({ max, ttlMs }) => max === responses.max && ttlMs === responses.ttlMs))
      assert.equal(responses.max, Math.max(...granted.map(({ max }) => max)))
    }),
    { numRuns: 1000 },
  )
})

test('the order of the rows changes nothing', () => {
  fc.assert(
    fc.property(situation, ({ grants, bindings }) => {
      const decide1 = decide(aDecisionInput({ identity, wantedAccount: 'APP', policy: aPolicy({ grants, bindings }) }))
      const reversed = aPolicy({ grants: grants.toReversed(), bindings: bindings.toReversed() })
      const decide2 = decide(aDecisionInput({ identity, wantedAccount: 'APP', policy: reversed }))
      const what = (decision: typeof decide1): unknown =>
        decision.outcome === 'allow' ? [decision.account, decision.permissions, decision.expiresAt] : decision.reason
      assert.deepEqual(what(decide1), what(decide2))
    }),
    { numRuns: 1000 },
  )
})
