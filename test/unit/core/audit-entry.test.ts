import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { auditedRequest } from '../../../src/core/audit-entry.ts'
import { aRequest } from '../../support/builders.ts'

const TOKEN = 'header.claims.signature'
const CLIENT = { connectionId: 7, host: '127.0.0.1', kind: 'Client', lang: 'go', version: '1' }

suite('the audited request', () => {
  test('has no field for a credential', () => {
    assert.deepEqual(Object.keys(auditedRequest(aRequest())).toSorted(), ['client', 'server', 'userNkey'])
  })

  for (const field of ['name', 'lang', 'version'] as const) {
    test(`leaves out a ${field} in which a client repeats its token`, () => {
      const client = { ...CLIENT, [field]: `x ${TOKEN}` }
      const audited = auditedRequest(aRequest({ client, credentials: { authToken: TOKEN } }))
      assert.equal(audited.client[field], '[redacted]')
      assert.ok(!JSON.stringify(audited).includes(TOKEN))
    })
  }

  test('leaves out a name that is the password', () => {
    const client = { ...CLIENT, name: 'a long password' }
    assert.equal(
      auditedRequest(aRequest({ client, credentials: { password: 'a long password' } })).client.name,
      '[redacted]',
    )
  })

  test('keeps no more of what a client says of itself than its row does, and counts the rest', () => {
    const client = { ...CLIENT, name: 'n'.repeat(60_000), lang: 'l'.repeat(129), version: 'v'.repeat(128) }
    const { name, lang, version } = auditedRequest(aRequest({ client })).client
    assert.equal(name, `${'n'.repeat(488)}…(+59512 characters)`)
    assert.equal(lang, `${'l'.repeat(104)}…(+25 characters)`)
    assert.equal(version, client.version)
  })

  test('looks for credentials in all that a client says, also in what is cut', () => {
    const client = { ...CLIENT, name: `${'n'.repeat(500)}${TOKEN}` }
    assert.equal(auditedRequest(aRequest({ client, credentials: { authToken: TOKEN } })).client.name, '[redacted]')
  })

  test('keeps everything else as the client said it', () => {
    const client = { ...CLIENT, name: 'orders' }
    assert.deepEqual(
      auditedRequest(aRequest({ client, credentials: { authToken: TOKEN, password: 'or' } })).client,
      client,
    )
  })
})
