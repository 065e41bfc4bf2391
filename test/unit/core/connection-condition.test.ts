import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  judgeCondition,
  type Connection,
  type ConnectionCondition,
  type ConditionVerdict,
} from '../../../src/core/connection-condition.ts'

const TCP: Connection = { kind: 'Client', connectionType: 'nats', host: '10.1.2.3' }

function verdict(condition: ConnectionCondition, change: Partial<Connection> = {}): ConditionVerdict['holds'] {
  return judgeCondition(condition, { ...TCP, ...change }).holds
}

suite('a connection type', () => {
  const kinds: readonly (readonly [string, Partial<Connection>])[] = [
    ['STANDARD', { connectionType: 'nats' }],
    ['WEBSOCKET', { connectionType: 'websocket' }],
    ['MQTT', { connectionType: 'mqtt' }],
    ['LEAFNODE', { kind: 'Leafnode' }],
  ]
  for (const [type, connection] of kinds) {
    test(`is ${type} for what the server calls ${JSON.stringify(connection)}, and no other`, () => {
      const found = kinds.filter(([other]) => verdict({ connectionTypes: [other] }, connection) === 'yes')
      assert.deepEqual(
        found.map(([name]) => name),
        [type],
      )
    })
  }

  test('is one of those that are asked for', () => {
    assert.equal(verdict({ connectionTypes: ['MQTT', 'STANDARD'] }), 'yes')
    assert.equal(verdict({ connectionTypes: ['MQTT', 'WEBSOCKET'] }), 'no')
  })

  test('that the server does not tell is not known', () => {
    const { connectionType: _type, ...untold } = TCP
    assert.equal(judgeCondition({ connectionTypes: ['STANDARD'] }, untold).holds, 'unknown')
    assert.equal(verdict({ connectionTypes: ['STANDARD'] }, { connectionType: 'quic' }), 'unknown')
    assert.equal(verdict({ connectionTypes: ['STANDARD'] }, { kind: 'Router' }), 'unknown')
  })

  test('that is compared with what cannot be read is not known, unless another entry is met', () => {
    for (const connectionTypes of [[], ['IN_PROCESS'], ['MQTT', 'mqtt_ws'], ['standard']])
      assert.equal(verdict({ connectionTypes }), 'unknown')
    assert.equal(verdict({ connectionTypes: ['IN_PROCESS', 'STANDARD'] }), 'yes')
  })
})

suite('a source address', () => {
  test('is in one of the blocks or in none', () => {
    assert.equal(verdict({ sourceCidrs: ['192.0.2.0/24', '10.0.0.0/8'] }), 'yes')
    assert.equal(verdict({ sourceCidrs: ['192.0.2.0/24', '::/0'] }), 'no')
  })

  test('that is IPv4-mapped is in the IPv4 block', () => {
    assert.equal(verdict({ sourceCidrs: ['10.0.0.0/8'] }, { host: '::ffff:10.1.2.3' }), 'yes')
    assert.equal(verdict({ sourceCidrs: ['::/0'] }, { host: '::ffff:10.1.2.3' }), 'no')
  })

  for (const host of ['', 'localhost', 'pipe', '10.1.2.3:4222', '[::1]', 'fe80::1%eth0', '010.1.2.3', '10.1.2.3 ']) {
    test(`that is ${JSON.stringify(host)} is not known`, () => {
      assert.equal(verdict({ sourceCidrs: ['0.0.0.0/0', '::/0'] }, { host }), 'unknown')
    })
  }

  test('that is compared with what cannot be read is not known, unless another entry is met', () => {
    for (const sourceCidrs of [[], ['10.0.0.0'], ['192.0.2.0/24', '10.0.0.1/8']])
      assert.equal(verdict({ sourceCidrs }), 'unknown')
    assert.equal(verdict({ sourceCidrs: ['10.0.0.1/8', '10.0.0.0/8'] }), 'yes')
  })
})

suite('a TLS requirement', () => {
  test('is met by any TLS, or only with a certificate that the server verified', () => {
    assert.equal(verdict({ tls: 'required' }, { tlsVersion: '1.3' }), 'yes')
    assert.equal(verdict({ tls: 'mutual' }, { tlsVersion: '1.3', hasVerifiedCertificate: true }), 'yes')
  })

  test('is never known to be unmet, so that a deny is not escaped without TLS', () => {
    assert.equal(verdict({ tls: 'required' }), 'unknown')
    assert.equal(verdict({ tls: 'required' }, { tlsVersion: '' }), 'unknown')
    assert.equal(verdict({ tls: 'mutual' }, { tlsVersion: '1.3' }), 'unknown')
    assert.equal(verdict({ tls: 'mutual' }, { hasVerifiedCertificate: true }), 'unknown')
  })
})

suite('a condition', () => {
  test('without parts holds', () => assert.equal(verdict({}), 'yes'))

  test('holds when all of its parts do', () => {
    const whole: ConnectionCondition = { connectionTypes: ['STANDARD'], sourceCidrs: ['10.0.0.0/8'], tls: 'required' }
    assert.equal(verdict(whole, { tlsVersion: '1.3' }), 'yes')
  })

  test('names the first part that does not hold, before one that cannot be told', () => {
    const condition: ConnectionCondition = {
      connectionTypes: ['STANDARD'],
      sourceCidrs: ['192.0.2.0/24'],
      tls: 'mutual',
    }
    const { connectionType: _type, ...untold } = TCP
    assert.deepEqual(judgeCondition(condition, untold), { holds: 'no', why: 'source_address_unmet' })
    assert.deepEqual(judgeCondition({ tls: 'mutual' }, TCP), { holds: 'unknown', why: 'tls_unmet' })
  })
})
