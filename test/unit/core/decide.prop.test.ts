import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decide } from '../../../src/core/decide.ts'
import type { Grant, RoleBinding } from '../../../src/core/grant.ts'
import type { SubjectPermission } from '../../../src/core/permissions.ts'
import { aDecisionInput, anIdentity, aPolicy, NOW_MS, sessionRules } from '../../support/builders.ts'

const HOUR_MS = 3_600_000
const identity = anIdentity({
  groups: ['eng'],
  attributes: { tenant: 't1' },
  token: { expiresAt: NOW_MS / 1000 + 5000 },
})
const own = ['user:corp:alice', 'group:corp:eng', 'issuer:corp']

const instant = fc.option(fc.constantFrom(NOW_MS - HOUR_MS, NOW_MS - 1, NOW_MS, NOW_MS + 1, NOW_MS + HOUR_MS), {
  nil: undefined,
})
const subject = fc.constantFrom(
  'a',
  'b',
  'a.b',
  'a.*',
  'a.>',
  '>',
  '*',
  'u.{{subject}}',
  'u.{{tenant}}',
  'u.{{missing}}',
  'a..b',
  'x.>.y',
)

const grant: fc.Arbitrary<Grant> = fc
  .record({
    id: fc.uuid(),
    principal: fc.constantFrom(...own, 'user:corp:bob', 'user:other:alice', 'role:r1', 'role:r2'),
    account: fc.constantFrom('APP', 'APP', 'APP', 'OPS', 'SYS'),
    effect: fc.constantFrom<Grant['effect'][]>('allow', 'allow', 'allow', 'deny'),
    action: fc.constantFrom<Grant['action'][]>('publish', 'subscribe'),
    subject,
    from: instant,
    until: instant,
  })
  .map(({ from, until, ...rest }) => ({ ...rest, ...bounds(from, until) }))

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
const PROBES = ['a', 'b', 'c', 'a.b', 'a.c', 'a.b.c', 'u.alice', 'u.t1', 'u.x']

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

/** Whether the rows, read by a person with time to spare, say so. */
function rowsSay(
  effect: Grant['effect'],
  action: Grant['action'],
  account: string,
  probe: string,
  grants: Grant[],
  bindings: RoleBinding[],
): boolean {
  return grants.some((row) => {
    const held =
      own.includes(row.principal) ||
      bindings.some((b) => b.role === row.principal && own.includes(b.member) && isOpen(b))
    const text = row.subject.replace('{{subject}}', 'alice').replace('{{tenant}}', 't1')
    const usable = !text.includes('{{') && !text.includes('..') && !text.includes('>.')
    return (
      held &&
      isOpen(row) &&
      row.effect === effect &&
      row.action === action &&
      row.account === account &&
      usable &&
      matches(text, probe)
    )
  })
}

test('an allow gives exactly what the open grants give, minus what any open deny takes', () => {
  fc.assert(
    fc.property(situation, ({ grants, bindings }) => {
      const decision = decide(aDecisionInput({ identity, wantedAccount: 'APP', policy: aPolicy({ grants, bindings }) }))
      if (decision.outcome === 'deny') return
      for (const action of ['publish', 'subscribe'] as const) {
        for (const probe of PROBES) {
          const expected: boolean =
            rowsSay('allow', action, decision.account, probe, grants, bindings) &&
            !rowsSay('deny', action, decision.account, probe, grants, bindings)
          assert.equal(mayUse(decision.permissions[action], probe), expected, `${action} ${probe}`)
        }
      }
    }),
    { numRuns: 2000 },
  )
})

test('no side of an allow is ever left open', () => {
  fc.assert(
    fc.property(situation, ({ grants, bindings }) => {
      const decision = decide(aDecisionInput({ identity, policy: aPolicy({ grants, bindings }) }))
      if (decision.outcome === 'deny') return true
      return [decision.permissions.publish, decision.permissions.subscribe].every(
        (side) => side.allow.length + side.deny.length > 0,
      )
    }),
    { numRuns: 1000 },
  )
})

test('an allow outlives neither token, nor session maximum, nor any grant that it uses', () => {
  fc.assert(
    fc.property(situation, fc.double({ min: 0, max: 0.999, noNaN: true }), ({ grants, bindings }, random) => {
      const rules = sessionRules({ jitter: 0.2, maxMs: 4_000_000 })
      const decision = decide(aDecisionInput({ identity, random, rules, policy: aPolicy({ grants, bindings }) }))
      if (decision.outcome === 'deny') return true
      const used = grants.filter((row) => decision.grantIds.includes(row.id))
      const ends = [
        identity.token.expiresAt ?? 0,
        (NOW_MS + rules.maxMs) / 1000,
        ...used.map((row) => (row.validUntilMs ?? Infinity) / 1000),
      ]
      return ends.every((end) => decision.expiresAt <= end)
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
