import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Connection, ConnectionCondition } from '../../../src/core/connection-condition.ts'
import { decide } from '../../../src/core/decide.ts'
import type { Decision } from '../../../src/core/decision.ts'
import type { Grant } from '../../../src/core/grant.ts'
import { aDecisionInput, aPolicy, sessionRules } from '../../support/builders.ts'

const condition: fc.Arbitrary<ConnectionCondition> = fc.record(
  {
    connectionTypes: fc.subarray(['STANDARD', 'WEBSOCKET', 'LEAFNODE', 'MQTT', 'IN_PROCESS']),
    sourceCidrs: fc.subarray(['10.0.0.0/8', '192.0.2.0/24', '0.0.0.0/0', '::/0', '10.0.0.1/8', 'any']),
    tls: fc.constantFrom('required' as const, 'mutual' as const),
  },
  { requiredKeys: [] },
)

const connection: fc.Arbitrary<Connection> = fc.record(
  {
    kind: fc.constantFrom('Client', 'Leafnode', 'Router'),
    host: fc.constantFrom('10.1.2.3', '192.0.2.9', '::1', '::ffff:10.1.2.3', 'fe80::1%eth0', 'localhost', ''),
    connectionType: fc.constantFrom('nats', 'websocket', 'mqtt', 'quic'),
    tlsVersion: fc.constantFrom('1.2', '1.3'),
    hasVerifiedCertificate: fc.constant(true as const),
  },
  { requiredKeys: ['kind', 'host'] },
)

const grant: fc.Arbitrary<Grant> = fc
  .record({
    id: fc.uuid(),
    principal: fc.constantFrom('user:corp:alice', 'issuer:corp'),
    account: fc.constantFrom('APP', 'APP', 'OPS'),
    effect: fc.constantFrom<Grant['effect'][]>('allow', 'allow', 'deny'),
    action: fc.constantFrom<Grant['action'][]>('publish', 'subscribe'),
    subject: fc.constantFrom('a', 'b', 'c'),
    condition: fc.option(condition, { nil: undefined }),
  })
  .map(({ condition: asked, ...rest }) => ({ ...rest, ...(asked === undefined ? {} : { condition: asked }) }))

const situation = fc.record({ grants: fc.array(grant, { maxLength: 8 }), connection })

/** Subjects without wildcards, so that what may be used is what is listed. */
function usable(decision: Decision): Set<string> {
  if (decision.outcome === 'deny') return new Set()
  const { account, permissions } = decision
  return new Set(
    (['publish', 'subscribe'] as const).flatMap((action) =>
      permissions[action].allow
        .filter((subject) => !permissions[action].deny.includes(subject))
        .map((subject) => `${account} ${action} ${subject}`),
    ),
  )
}

function unconditional({ condition: _condition, ...rest }: Grant): Grant {
  return rest
}

/** What each account gives alone, as the account in which a client lands may depend on which grants apply. */
function usableIn(grants: readonly Grant[], from: Connection): Set<string> {
  return ['APP', 'OPS'].reduce((all, account) => {
    const policy = aPolicy({ grants: grants.filter((row) => row.account === account) })
    return all.union(usable(decide(aDecisionInput({ connection: from, policy }))))
  }, new Set<string>())
}

test('a condition on what allows never gives more than the same grant without it', () => {
  fc.assert(
    fc.property(situation, ({ grants, connection: from }) => {
      const loosened = grants.map((row) => (row.effect === 'allow' ? unconditional(row) : row))
      const policy = aPolicy({ grants })
      const decision = decide(aDecisionInput({ connection: from, policy, wantedAccount: 'APP' }))
      assert.ok(usable(decision).isSubsetOf(usableIn(loosened, from)))
    }),
    { numRuns: 3000 },
  )
})

test('a condition on what denies never gives more than no deny, nor less than the deny without it', () => {
  fc.assert(
    fc.property(situation, ({ grants, connection: from }) => {
      const given = usableIn(grants, from)
      const without = grants.filter((row) => row.effect === 'allow')
      const always = grants.map((row) => (row.effect === 'deny' ? unconditional(row) : row))
      assert.ok(given.isSubsetOf(usableIn(without, from)))
      assert.ok(usableIn(always, from).isSubsetOf(given))
    }),
    { numRuns: 3000 },
  )
})

test('a condition on an account admits nobody whom the account without it would not, and changes nothing else', () => {
  fc.assert(
    fc.property(situation, condition, ({ grants, connection: from }, asked) => {
      const accounts = new Map([
        ['APP', asked],
        ['OPS', {}],
      ])
      const input = aDecisionInput({ connection: from, policy: aPolicy({ grants }), wantedAccount: 'APP' })
      const decision = decide({ ...input, rules: sessionRules({ accounts }) })
      if (decision.outcome === 'allow') assert.deepEqual(decision, decide(input))
    }),
    { numRuns: 3000 },
  )
})
