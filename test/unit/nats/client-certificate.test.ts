import assert from 'node:assert/strict'
import { X509Certificate, createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import { certificateThumbprint } from '../../../src/nats/client-certificate.ts'
import { selfSignedCertificate } from '../../support/oidc.ts'

const [leaf, other] = [selfSignedCertificate().cert, selfSignedCertificate().cert]

function thumbprint(pem: string): string {
  return createHash('sha256').update(new X509Certificate(pem).raw).digest('base64url')
}

suite('the thumbprint of a client', () => {
  test('is that of the first certificate of the first verified chain', () => {
    const tls = { verified_chains: [[leaf, other], [other]], certs: [other] }
    assert.equal(certificateThumbprint(tls), thumbprint(leaf))
  })

  test('is that of the first certificate when no chain was verified', () => {
    assert.equal(certificateThumbprint({ certs: [leaf, other] }), thumbprint(leaf))
  })

  const nothing: [string, Parameters<typeof certificateThumbprint>[0]][] = [
    ['a connection without TLS', undefined],
    ['TLS without a certificate', { version: '1.3' }],
    ['empty lists', { certs: [], verified_chains: [[]] }],
    ['text that is no PEM', { certs: ['hello'] }],
    ['two certificates in one text', { certs: [`${leaf}${other}`] }],
    ['a text that is too long', { certs: [`${leaf}${' '.repeat(40_000)}`] }],
  ]
  for (const [what, tls] of nothing) {
    test(`is absent for ${what}`, () => assert.equal(certificateThumbprint(tls), undefined))
  }
})
