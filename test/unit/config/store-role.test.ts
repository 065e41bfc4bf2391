import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from '../../../src/config/read-config.ts'
import { configWith } from './config-text.ts'

const read = (role: unknown) => readConfig(configWith({ 'store.role': role }), { baseDir: '/' })

test('a database role is taken from the configuration, and there is none by default', () => {
  for (const role of ['callout_service', undefined]) {
    const reading = read(role)
    assert.ok('config' in reading)
    assert.equal(reading.config.store.role, role)
  }
})

test('a database role that is no name is refused', () => {
  for (const role of ['', '1st', 'callout service', 'callout-service', 'r'.repeat(129), 'r;'])
    assert.deepEqual(
      [read(role)].flatMap((reading) => ('problems' in reading ? reading.problems.map(({ path }) => path) : [])),
      ['store.role'],
      role,
    )
})
