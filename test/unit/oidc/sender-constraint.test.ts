import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { checkSenderConstraint } from '../../../src/oidc/sender-constraint.ts'

const OURS = 'A'.repeat(43)
const OTHER = 'B'.repeat(43)
const bound = (thumbprint: unknown): { cnf: unknown } => ({ cnf: { 'x5t#S256': thumbprint } })

function reason(...[claims, constraint, connection]: Parameters<typeof checkSenderConstraint>): string | undefined {
  return checkSenderConstraint(claims, constraint, connection)?.reason
}

suite('a token that is bound to a certificate', () => {
  for (const constraint of ['if_bound', 'mtls_required'] as const) {
    test(`is accepted with exactly that certificate (${constraint})`, () => {
      assert.equal(reason(bound(OURS), constraint, { certificateSha256: OURS }), undefined)
    })

    test(`is refused with another certificate (${constraint})`, () => {
      assert.equal(reason(bound(OURS), constraint, { certificateSha256: OTHER }), 'certificate_mismatch')
    })

    test(`is refused without a certificate (${constraint})`, () => {
      assert.equal(reason(bound(OURS), constraint, {}), 'certificate_mismatch')
    })
  }
})

suite('a confirmation that cannot be proved here is refused, certificate or not:', () => {
  for (const cnf of [
    { jkt: OURS },
    { jwk: {} },
    { 'x5t#S256': OURS, jkt: OURS },
    {},
    null,
    'x',
    [OURS],
    { 'x5t#S256': 7 },
    { 'x5t#S256': '' },
    { 'x5t#S256': `${OURS}=` },
    { 'x5t#S256': [OURS] },
  ]) {
    test(JSON.stringify(cnf), () => {
      assert.equal(reason({ cnf }, 'if_bound', { certificateSha256: OURS }), 'claim_invalid')
    })
  }
})

suite('a token that is not bound', () => {
  test('is a bearer token where that is allowed', () => {
    assert.equal(reason({}, 'if_bound', {}), undefined)
  })

  test('is refused where every token must be bound, even on mutual TLS', () => {
    assert.equal(reason({}, 'mtls_required', { certificateSha256: OURS }), 'claim_missing')
  })
})
