import assert from 'node:assert/strict'
import { BlockList, isIP } from 'node:net'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { blockHolds, parseAddressBlock, parseIpAddress } from '../../../src/core/cidr.ts'

function blockOf(text: string) {
  const parsed = parseAddressBlock(text)
  assert.ok('block' in parsed, `${text}: ${'problem' in parsed ? parsed.problem : ''}`)
  return parsed.block
}

function isIn(address: string, block: string): boolean {
  const parsed = parseIpAddress(address)
  assert.ok(parsed, address)
  return blockHolds(blockOf(block), parsed)
}

const ipv4 = fc.ipV4()
const ipv6 = fc.ipV6()
const odd = fc.string({
  unit: fc.constantFrom('0', '1', '9', 'a', 'F', 'g', ':', '.', '%', '/', '-', ' '),
  maxLength: 20,
})

suite('an address', () => {
  test('is read exactly when Node reads it, zones left out', () => {
    fc.assert(
      fc.property(fc.oneof(ipv4, ipv6, odd), (text) => {
        const family = text.includes('%') ? 0 : isIP(text)
        assert.equal(parseIpAddress(text) === undefined, family === 0, text)
      }),
      { numRuns: 5000 },
    )
  })

  test('is the same in every spelling', () => {
    for (const text of ['2001:db8::1', '2001:0DB8:0:0:0:0:0:1', '2001:db8:0::0.0.0.1', '2001:db8::0:1'])
      assert.deepEqual(parseIpAddress(text), { family: 6, bits: 0x20010db8000000000000000000000001n }, text)
  })

  test('that is an IPv4-mapped one is the IPv4 address, however it is spelled', () => {
    for (const text of ['::ffff:10.1.2.3', '::FFFF:a01:203', '0:0:0:0:0:ffff:10.1.2.3'])
      assert.deepEqual(parseIpAddress(text), parseIpAddress('10.1.2.3'), text)
  })

  const none = [
    '',
    'localhost',
    '10.1.2',
    '10.1.2.3.4',
    '10.1.2.256',
    '010.1.2.3',
    '0x0a.1.2.3',
    '167838211',
    ' 10.1.2.3',
    '10.1.2.3 ',
    '10.1.2.3:4222',
    '10.1.2.3\n',
    '[::1]',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '::12345',
    '::g',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    '::1.2.3.4:5',
    '1.2.3.4::',
    'fe80::1%eth0',
    '::ffff:10.1.2.3%1',
    '１０.1.2.3',
    '10.1.2.3\u0000',
    '@',
    `${'0'.repeat(100)}::1`,
  ]
  for (const text of none) {
    test(`is not ${JSON.stringify(text)}`, () => assert.equal(parseIpAddress(text), undefined))
  }
})

suite('a block of addresses', () => {
  test('holds what Node says it holds', () => {
    const sized = (address: fc.Arbitrary<string>, width: number) =>
      fc.record({ address, base: address, length: fc.nat(width), near: fc.boolean() })
    const check = (family: 'ipv4' | 'ipv6', width: number, address: fc.Arbitrary<string>): void =>
      fc.assert(
        fc.property(sized(address, width), ({ address: probe, base, length, near }) => {
          const network = written(maskedBits(near ? probe : base, width, length), width)
          const list = new BlockList()
          list.addSubnet(network, length, family)
          const expected = list.check(probe, family)
          assert.equal(isIn(probe, `${network}/${length}`), expected, `${probe} in ${network}/${length}`)
        }),
        { numRuns: 1000 },
      )
    check('ipv4', 32, ipv4)
    check(
      'ipv6',
      128,
      ipv6.filter((text) => parseIpAddress(text)?.family === 6),
    )
  })

  test('of IPv4 holds the IPv4-mapped spelling of its addresses', () => {
    assert.equal(isIn('::ffff:10.1.2.3', '10.0.0.0/8'), true)
    assert.equal(isIn('::ffff:11.1.2.3', '10.0.0.0/8'), false)
  })

  test('of one family holds no address of the other, not even the block of all', () => {
    assert.equal(isIn('10.1.2.3', '::/0'), false)
    assert.equal(isIn('::ffff:10.1.2.3', '::/0'), false)
    assert.equal(isIn('2001:db8::1', '0.0.0.0/0'), false)
  })

  test('of all addresses and of one are blocks', () => {
    assert.equal(isIn('255.255.255.255', '0.0.0.0/0'), true)
    assert.equal(isIn('10.1.2.3', '10.1.2.3/32'), true)
    assert.equal(isIn('10.1.2.2', '10.1.2.3/32'), false)
    assert.equal(isIn('::1', '::1/128'), true)
  })

  const none: readonly (readonly [string, RegExp])[] = [
    ['10.0.0.1/8', /bits set after the prefix/],
    ['2001:db8::1/32', /bits set after the prefix/],
    ['10.0.0.0/33', /above 32/],
    ['::/129', /above 128/],
    ['::ffff:10.0.0.0/104', /write it as IPv4/],
    ['::ffff:0:0/96', /write it as IPv4/],
    ...['10.0.0.0', '10.0.0.0/', '10.0.0.0/08', '10.0.0.0/+8', '10.0.0.0/8/8', '10.0.0.0/255.0.0.0', '10/8', '/8', '']
      .concat([
        'fe80::%eth0/10',
        '10.0.0.0 /8',
        '10.0.0.0/8 ',
        '10.0.0.0-10.0.0.9',
        '*',
        'localhost/32',
        '10.0.0.0/8\n',
      ])
      .map((text) => [text, /must be an IP address with a prefix length/] as const),
  ]
  for (const [text, problem] of none) {
    test(`is not ${JSON.stringify(text)}`, () => {
      const parsed = parseAddressBlock(text)
      assert.match('problem' in parsed ? parsed.problem : 'a block', problem)
    })
  }
})

function maskedBits(address: string, width: number, length: number): bigint {
  const free = BigInt(width - length)
  return ((parseIpAddress(address)?.bits ?? 0n) >> free) << free
}

function written(bits: bigint, width: number): string {
  const [step, radix, separator] = width === 32 ? [8, 10, '.'] : [16, 16, ':']
  const parts = Array.from({ length: width / step }, (_, index) =>
    BigInt.asUintN(step, bits >> BigInt(width - step * (index + 1))).toString(radix),
  )
  return parts.join(separator)
}
