import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readConfig } from '../../../src/config/read-config.ts'
import { configWith } from './config-text.ts'

function readWith(account: object) {
  return readConfig(configWith({ 'callout.accounts': { APP: account, OPS: {} } }), { baseDir: '/etc/callout' })
}

suite('what an account asks of connections', () => {
  test('is read for each account', () => {
    const reading = readWith({
      connection_types: ['STANDARD', 'MQTT'],
      source_cidrs: ['10.0.0.0/8', '2001:db8::/32'],
      tls: 'mutual',
    })
    assert.ok('config' in reading, JSON.stringify(reading))
    const app = {
      connectionTypes: ['STANDARD', 'MQTT'],
      sourceCidrs: ['10.0.0.0/8', '2001:db8::/32'],
      tls: 'mutual',
    }
    assert.deepEqual(
      [...reading.config.callout.accounts],
      [
        ['APP', app],
        ['OPS', {}],
      ],
    )
  })

  const mistakes: readonly (readonly [object, string])[] = [
    [{ connection_types: ['MQTT_WS'] }, 'callout.accounts.APP.connection_types[0]'],
    [{ connection_types: [] }, 'callout.accounts.APP.connection_types'],
    [{ connection_types: ['MQTT', 'MQTT'] }, 'callout.accounts.APP.connection_types'],
    [{ source_cidrs: ['10.0.0.1/8'] }, 'callout.accounts.APP.source_cidrs[0]'],
    [{ source_cidrs: [] }, 'callout.accounts.APP.source_cidrs'],
    [{ source_cidrs: '10.0.0.0/8' }, 'callout.accounts.APP.source_cidrs'],
    [{ tls: true }, 'callout.accounts.APP.tls'],
    [{ tls: 'optional' }, 'callout.accounts.APP.tls'],
  ]
  for (const [account, path] of mistakes) {
    test(`is no ${JSON.stringify(account)}`, () => {
      const reading = readWith(account)
      assert.deepEqual('problems' in reading ? reading.problems.map((problem) => problem.path) : [], [path])
    })
  }
})
