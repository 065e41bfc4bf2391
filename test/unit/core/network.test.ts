import assert from 'node:assert/strict'
import { test } from 'node:test'
import { networkOf } from '../../../src/core/network.ts'

const cases: readonly (readonly [string, string])[] = [
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:0001:2::', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:db8::1:2:3:4:5', '2001:db8:0:1::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['', ''],
  ['not an address', 'not an address'],
]

for (const [address, network] of cases) {
  test(`"${address}" is counted under "${network}"`, () => assert.equal(networkOf(address), network))
}
