import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isHostListed, parseKeyUrl } from '../../../src/oidc/key-url.ts'

suite('isHostListed', () => {
  for (const [address, entry, expected] of [
    ['https://idp.example/keys', 'idp.example', true],
    ['https://IDP.example:443/keys', 'idp.example', true],
    ['https://idp.example/keys', 'idp.example:443', true],
    ['https://idp.example:8443/keys', 'idp.example:8443', true],
    ['https://[::1]:8443/keys', '[::1]:8443', true],
    ['https://idp.example:8443/keys', 'idp.example', false],
    ['https://idp.example/keys', 'idp.example:80', false],
    ['https://idp.example.evil.example/keys', 'idp.example', false],
    ['https://sub.idp.example/keys', 'idp.example', false],
    ['https://idp.example./keys', 'idp.example', false],
    ['https://evil.example/#idp.example', 'idp.example', false],
  ] as const) {
    test(`${expected ? 'finds' : 'does not find'} the host of ${address} in [${entry}]`, () => {
      assert.equal(isHostListed(new URL(address), [entry]), expected)
    })
  }
})

suite('parseKeyUrl', () => {
  for (const address of [
    'https://idp.example/keys',
    'http://localhost:1/keys',
    'http://127.0.0.1/keys',
    'http://[::1]:8080/keys',
    'http://2130706433/keys',
  ]) {
    test(`accepts ${address}`, () => {
      assert.equal(typeof parseKeyUrl(address), 'object')
    })
  }

  for (const address of [
    'http://idp.example/keys',
    'http://localhost.evil.example/keys',
    'http://127.0.0.1.evil.example/keys',
    'http://169.254.169.254/latest',
    'http://0.0.0.0/keys',
    'file:///etc/passwd',
    'ftp://idp.example/keys',
    'data:application/json,{}',
    'https://user:secret@idp.example/keys',
    'idp.example/keys',
    '',
  ]) {
    test(`refuses ${JSON.stringify(address)}`, () => {
      assert.equal(typeof parseKeyUrl(address), 'string')
    })
  }
})
