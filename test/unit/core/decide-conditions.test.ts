import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Connection, ConnectionCondition } from '../../../src/core/connection-condition.ts'
import { decide } from '../../../src/core/decide.ts'
import type { Allow, Deny } from '../../../src/core/decision.ts'
import type { Grant } from '../../../src/core/grant.ts'
import { aDecisionInput, aGrant, aPolicy, NOW_MS, sessionRules } from '../../support/builders.ts'

const OFFICE = ['10.0.0.0/8']
const AT_THE_OFFICE: Connection = { kind: 'Client', connectionType: 'nats', host: '10.1.2.3' }
const ELSEWHERE: Connection = { ...AT_THE_OFFICE, host: '192.0.2.1' }

function decided(connection: Connection, grants: readonly Grant[], accounts?: Map<string, ConnectionCondition>) {
  const rules = accounts === undefined ? sessionRules() : sessionRules({ accounts })
  return decide(aDecisionInput({ connection, rules, policy: aPolicy({ grants }) }))
}

function allowed(...args: Parameters<typeof decided>): Allow {
  const decision = decided(...args)
  assert.equal(decision.outcome, 'allow', JSON.stringify(decision))
  return decision
}

function denied(...args: Parameters<typeof decided>): Deny {
  const decision = decided(...args)
  assert.equal(decision.outcome, 'deny', JSON.stringify(decision))
  return decision
}

suite('a grant with a condition', () => {
  const grants = [
    aGrant({ id: 'anywhere', subject: 'a' }),
    aGrant({ id: 'office', subject: 'b', condition: { sourceCidrs: OFFICE } }),
  ]

  test('applies where it holds', () => {
    assert.deepEqual(allowed(AT_THE_OFFICE, grants).permissions.publish.allow, ['a', 'b'])
  })

  test('does not apply elsewhere, and the decision says why', () => {
    const decision = allowed(ELSEWHERE, grants)
    assert.deepEqual(decision.permissions.publish.allow, ['a'])
    assert.deepEqual(decision.skippedGrants, [{ id: 'office', why: 'source_address_unmet' }])
  })

  test('does not apply where it cannot be told', () => {
    const decision = allowed({ ...AT_THE_OFFICE, host: 'fe80::1%eth0' }, grants)
    assert.deepEqual(decision.grantIds, ['anywhere'])
  })

  test('that is the only one refuses with a reason of its own', () => {
    assert.equal(denied(ELSEWHERE, grants.slice(1)).reason, 'conditions_unmet')
    const withTls = [aGrant({ condition: { tls: 'required' } })]
    assert.equal(denied(AT_THE_OFFICE, withTls).reason, 'conditions_unmet')
    const byType = [aGrant({ condition: { connectionTypes: ['MQTT'] } })]
    assert.equal(denied(AT_THE_OFFICE, byType).reason, 'conditions_unmet')
  })
})

suite('a deny with a condition', () => {
  const deny = aGrant({ id: 'deny', effect: 'deny', subject: 'secret', condition: { sourceCidrs: OFFICE } })
  const grants = [aGrant({ subject: '>' }), deny]

  test('applies where it holds', () => {
    assert.deepEqual(allowed(AT_THE_OFFICE, grants).permissions.publish.deny, ['secret'])
  })

  test('does not apply elsewhere, and the decision says why', () => {
    const decision = allowed(ELSEWHERE, grants)
    assert.deepEqual(decision.permissions.publish.deny, [])
    assert.deepEqual(decision.skippedGrants, [{ id: 'deny', why: 'source_address_unmet' }])
  })

  const dodges: readonly (readonly [string, Connection, ConnectionCondition])[] = [
    ['a host that is no address', { ...ELSEWHERE, host: 'unknown' }, { sourceCidrs: OFFICE }],
    ['no host', { ...ELSEWHERE, host: '' }, { sourceCidrs: OFFICE }],
    ['a zone behind the address', { ...ELSEWHERE, host: '10.1.2.3%eth0' }, { sourceCidrs: OFFICE }],
    ['an IPv4-mapped address', { ...ELSEWHERE, host: '::ffff:a01:203' }, { sourceCidrs: OFFICE }],
    ['an unknown connection type', { ...ELSEWHERE, connectionType: 'quic' }, { connectionTypes: ['WEBSOCKET'] }],
    ['no connection type', { kind: 'Client', host: '10.1.2.3' }, { connectionTypes: ['WEBSOCKET'] }],
    ['an unknown kind', { ...ELSEWHERE, kind: 'Bridge' }, { connectionTypes: ['LEAFNODE'] }],
    ['no TLS', ELSEWHERE, { tls: 'required' }],
    ['no certificate', { ...ELSEWHERE, tlsVersion: '1.3' }, { tls: 'mutual' }],
    ['a block that cannot be read', ELSEWHERE, { sourceCidrs: ['10.0.0.0/33'] }],
    ['an empty list', ELSEWHERE, { connectionTypes: [] }],
  ]
  for (const [what, connection, condition] of dodges) {
    test(`is not escaped by ${what}`, () => {
      const decision = allowed(connection, [aGrant({ subject: '>' }), { ...deny, condition }])
      assert.deepEqual(decision.permissions.publish.deny, ['secret'])
    })
  }

  test('and an impossible subject refuses everything where it holds, and nothing elsewhere', () => {
    const broken = [aGrant(), { ...deny, subject: 'a..b' }]
    assert.equal(denied(AT_THE_OFFICE, broken).reason, 'deny_unenforceable')
    allowed(ELSEWHERE, broken)
  })

  test('that starts later shortens the session where it holds, and not elsewhere', () => {
    const later = [aGrant(), { ...deny, validFromMs: NOW_MS + 600_000 }]
    assert.equal(allowed(AT_THE_OFFICE, later).expiresAt, NOW_MS / 1000 + 600)
    assert.equal(allowed(ELSEWHERE, later).expiresAt, NOW_MS / 1000 + 3600)
  })
})

suite('an account with a condition', () => {
  const accounts = new Map<string, ConnectionCondition>([
    ['APP', { sourceCidrs: OFFICE, connectionTypes: ['STANDARD'] }],
    ['OPS', { tls: 'mutual' }],
  ])

  test('lets clients in whose connection fits', () => {
    assert.equal(allowed(AT_THE_OFFICE, [aGrant()], accounts).account, 'APP')
  })

  for (const host of ['192.0.2.1', '', 'localhost', '10.1.2.3%eth0', '::ffff:192.0.2.1']) {
    test(`refuses a client from ${JSON.stringify(host)}, and says what it asks for`, () => {
      const { reason, detail } = denied({ ...AT_THE_OFFICE, host }, [aGrant()], accounts)
      assert.deepEqual([reason, detail], ['connection_not_allowed', 'account APP: source_address_unmet'])
    })
  }

  test('refuses a client without the TLS that it asks for', () => {
    const grants = [aGrant({ account: 'OPS' })]
    assert.equal(denied({ ...AT_THE_OFFICE, tlsVersion: '1.3' }, grants, accounts).reason, 'connection_not_allowed')
    allowed({ ...AT_THE_OFFICE, tlsVersion: '1.3', hasVerifiedCertificate: true }, grants, accounts)
  })

  test('does not turn grants in two accounts into a choice by the network', () => {
    const grants = [aGrant(), aGrant({ id: 'g2', account: 'OPS' })]
    assert.equal(denied(AT_THE_OFFICE, grants, accounts).reason, 'account_ambiguous')
  })
})
