import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parse } from 'yaml'
import { readConfig } from '../../../src/config/read-config.ts'
import { CONFIG_REFERENCE, namesUnder } from '../../../src/config/reference.ts'
import { configWith } from './config-text.ts'

/** The smallest sections of a kind that is not there by default. */
const SPOOL = { 'audit.on_unavailable': 'spool', 'audit.spool.folder': 'spool' }
const INTROSPECTION = {
  'issuers.0.introspection.client_id': 'callout',
  'issuers.0.introspection.client_secret_file': 'client.secret',
}

const OPTIONS = { baseDir: '/etc/callout' }

suite('the reference of the settings', () => {
  test('explains every setting, each once', () => {
    const paths = CONFIG_REFERENCE.map(({ path }) => path)
    assert.equal(new Set(paths).size, paths.length)
    for (const { meaning, type } of CONFIG_REFERENCE) {
      assert.match(meaning, /^\S.*\.$/)
      assert.notEqual(type, '')
    }
  })

  const filled = CONFIG_REFERENCE.filter((entry) => !/^(required|none)\b/.test(entry.default))
  for (const { path, default: written } of filled) {
    test(`says the default of ${path} as the file would`, () => {
      const around = path.includes('.introspection.') ? INTROSPECTION : path.includes('.spool.') ? SPOOL : {}
      const text = configWith({ ...around, [path.replace('[]', '.0')]: parse(written) as unknown })
      assert.deepEqual(readConfig(text, OPTIONS), readConfig(configWith(around), OPTIONS))
    })
  }

  test('calls exactly those settings required whose absence is a problem', () => {
    const required = CONFIG_REFERENCE.filter((entry) => entry.default === 'required' && !entry.path.includes('<name>'))
    for (const { path } of required) {
      const reading = readConfig(configWith({ [path.replace('[]', '.0')]: undefined }), OPTIONS)
      assert.ok('problems' in reading, path)
      assert.deepEqual(reading.problems, [{ path: path.replace('[]', '[0]'), message: 'is required' }])
    }
  })

  test('knows the names of a section', () => {
    assert.deepEqual(namesUnder('issuers[].keys'), ['discovery', 'jwks_uri', 'jwks_file'])
  })
})
