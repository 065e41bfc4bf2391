/**
 * IP addresses and blocks of them, read exactly and never repaired: RFC 4291 §2.2 and §2.3, RFC 4632 §3.1. An IPv4-mapped IPv6
 * address (`::ffff:10.1.2.3`, RFC 4291 §2.5.5.2) is the IPv4 address, so that nobody leaves or enters a block by its spelling.
 */

export interface IpAddress {
  readonly family: 4 | 6
  readonly bits: bigint
}

/** The addresses of one family whose first `prefixLength` bits are those of `bits`; the others are zero. */
export interface AddressBlock extends IpAddress {
  readonly prefixLength: number
}

/** The longest text of an IPv6 address, with a dotted quad in it. */
const ADDRESS_CHARACTERS_MAX = 45
const GROUPS = 8
const GROUP_BITS = 16n
const MAPPED_PREFIX = 0xffffn
const MAPPED_PREFIX_LENGTH = 96
const IPV4_BITS = 32n

const DOTTED_QUAD = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/
const GROUP = /^[0-9A-Fa-f]{1,4}$/
const BLOCK = /^([^/]*)\/(0|[1-9]\d{0,2})$/

/**
 * Reads an address. Undefined for anything else: a host name, a port, brackets, an octet with a leading zero, and an address
 * with a zone (`fe80::1%eth0`), which names a host only together with an interface.
 */
export function parseIpAddress(text: string): IpAddress | undefined {
  const written = parseAsWritten(text)
  if (written?.family !== 6 || written.bits >> IPV4_BITS !== MAPPED_PREFIX) return written
  return { family: 4, bits: BigInt.asUintN(Number(IPV4_BITS), written.bits) }
}

/**
 * Reads a block such as `10.0.0.0/8` or `2001:db8::/32`. The prefix length has to be there, and no bit after it set: whoever
 * writes `10.1.0.0/8` meant another block, and which one cannot be told. Blocks of IPv4-mapped addresses are written as IPv4.
 */
export function parseAddressBlock(text: string): { readonly block: AddressBlock } | { readonly problem: string } {
  const [, address = '', length = ''] = BLOCK.exec(text) ?? []
  const parsed = parseAsWritten(address)
  if (parsed === undefined) return { problem: 'must be an IP address with a prefix length, such as 10.0.0.0/8' }
  const { family, bits } = parsed
  const width = family === 4 ? 32 : 128
  const prefixLength = Number(length)
  if (prefixLength > width) return { problem: `has a prefix length above ${width}` }
  if (family === 6 && prefixLength >= MAPPED_PREFIX_LENGTH && bits >> IPV4_BITS === MAPPED_PREFIX)
    return { problem: 'is a block of IPv4-mapped addresses; write it as IPv4' }
  if (BigInt.asUintN(width - prefixLength, bits) !== 0n) return { problem: 'has bits set after the prefix length' }
  return { block: { family, bits, prefixLength } }
}

/** Whether the block holds the address. No IPv6 block, not even `::/0`, holds an IPv4 address. */
export function blockHolds(block: AddressBlock, address: IpAddress): boolean {
  if (block.family !== address.family) return false
  const shift = BigInt((block.family === 4 ? 32 : 128) - block.prefixLength)
  return block.bits >> shift === address.bits >> shift
}

function parseAsWritten(text: string): IpAddress | undefined {
  if (text.length > ADDRESS_CHARACTERS_MAX) return undefined
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

function parseIpv4(text: string): IpAddress | undefined {
  const octets = DOTTED_QUAD.exec(text)?.slice(1).map(Number)
  if (octets === undefined || octets.some((octet) => octet > 255)) return undefined
  return { family: 4, bits: octets.reduce((bits, octet) => (bits << 8n) | BigInt(octet), 0n) }
}

function parseIpv6(text: string): IpAddress | undefined {
  const [head = '', tail, more] = text.split('::')
  if (more !== undefined) return undefined
  const before = groupsOf(head, tail === undefined)
  const after = tail === undefined ? [] : groupsOf(tail, true)
  if (before === undefined || after === undefined) return undefined
  const missing = GROUPS - before.length - after.length
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined
  const groups = [...before, ...Array.from({ length: missing }, () => 0n), ...after]
  return { family: 6, bits: groups.reduce((bits, group) => (bits << GROUP_BITS) | group, 0n) }
}

/** The groups of one side of `::`; a dotted quad may stand for the last two of an address. Undefined when one is no group. */
function groupsOf(text: string, endsAddress: boolean): bigint[] | undefined {
  if (text === '') return []
  const groups: bigint[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    const quad = endsAddress && index === parts.length - 1 ? parseIpv4(part) : undefined
    if (quad !== undefined) groups.push(quad.bits >> GROUP_BITS, BigInt.asUintN(Number(GROUP_BITS), quad.bits))
    else if (GROUP.test(part)) groups.push(BigInt(`0x${part}`))
    else return undefined
  }
  return groups
}
