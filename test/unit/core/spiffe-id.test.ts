import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isTrustDomainId, trustDomainOf } from '../../../src/core/spiffe-id.ts'

suite('the SPIFFE ID of a workload', () => {
  for (const [id, trustDomain] of [
    ['spiffe://td/orders', 'spiffe://td'],
    ['spiffe://example.org/ns/prod/sa/Orders-1_a.b', 'spiffe://example.org'],
    ['spiffe://a_b.c-d.0/...', 'spiffe://a_b.c-d.0'],
    [`spiffe://td/${'x'.repeat(2036)}`, 'spiffe://td'],
  ] as const) {
    test(`is ${id.slice(0, 50)}`, () => assert.equal(trustDomainOf(id), trustDomain))
  }

  const refused: [what: string, id: string][] = [
    ['the ID of the trust domain', 'spiffe://td'],
    ['an empty path', 'spiffe://td/'],
    ['a trailing slash', 'spiffe://td/orders/'],
    ['an empty segment', 'spiffe://td//orders'],
    ['a segment "."', 'spiffe://td/./orders'],
    ['a segment ".."', 'spiffe://td/a/../orders'],
    ['".." at the end', 'spiffe://td/a/..'],
    ['no trust domain', 'spiffe:///orders'],
    ['upper case in the trust domain', 'spiffe://Td/orders'],
    ['upper case in the scheme', 'SPIFFE://td/orders'],
    ['a percent sign', 'spiffe://td/a%2Fb'],
    ['a percent sign in the trust domain', 'spiffe://t%64/orders'],
    ['a port', 'spiffe://td:8443/orders'],
    ['a user', 'spiffe://evil@td/orders'],
    ['a query', 'spiffe://td/orders?x'],
    ['a fragment', 'spiffe://td/orders#x'],
    ['a backslash', String.raw`spiffe://td\@evil/orders`],
    ['a letter outside of ASCII', 'spiffe://td/ordérs'],
    ['a line end', 'spiffe://td/orders\n'],
    ['something before it', ' spiffe://td/orders'],
    ['another scheme', 'https://td/orders'],
    ['more than 2048 characters', `spiffe://td/${'x'.repeat(2037)}`],
    ['a trust domain of more than 255 characters', `spiffe://${'a'.repeat(256)}/orders`],
  ]
  for (const [what, id] of refused) {
    test(`has not ${what}`, () => assert.equal(trustDomainOf(id), undefined))
  }
})

test('a trust domain has neither path nor slash at the end', () => {
  const ids = ['spiffe://td', 'spiffe://td/', 'spiffe://td/a', 'spiffe://', 'spiffe://TD', 'https://td']
  assert.deepEqual(ids.filter(isTrustDomainId), ['spiffe://td'])
})
