import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readConfig } from '../../../src/config/read-config.ts'
import { configWith } from './config-text.ts'

function denyOf(changes: Record<string, unknown>): unknown {
  const reading = readConfig(configWith(changes), { baseDir: '/etc/callout' })
  return 'config' in reading ? reading.config.deny : reading.problems
}

const SYSTEM = { 'nats.system': { user: 'sys', password_file: 'f' } }

suite('a client that could not be judged', () => {
  test('is denied without a user of the system account', () => {
    assert.deepEqual(denyOf({}), { mode: 'reply', whenUnavailable: 'reply' })
  })

  test('is disconnected with one', () => {
    assert.deepEqual(denyOf(SYSTEM), { mode: 'reply', whenUnavailable: 'disconnect' })
  })

  test('can be denied all the same', () => {
    const config = denyOf({ ...SYSTEM, 'deny.when_unavailable': 'reply' })
    assert.deepEqual(config, { mode: 'reply', whenUnavailable: 'reply' })
  })

  test('cannot be disconnected by nobody', () => {
    assert.deepEqual(denyOf({ 'deny.when_unavailable': 'disconnect' }), [
      { path: 'deny.when_unavailable', message: 'disconnect needs nats.system' },
    ])
  })
})
