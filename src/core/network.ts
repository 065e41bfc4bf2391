const GROUPS = 8
/** What one subscriber or one host is given; within it addresses are free (RFC 6177, RFC 4291 §2.5.4). */
const NETWORK_GROUPS = 4

/**
 * What an address is counted under: itself if it is IPv4, its /64 network if it is IPv6, whose hosts choose among 2^64
 * addresses. Anything else is taken as it is.
 */
export function networkOf(address: string): string {
  const [text = ''] = address.split('%', 1)
  if (!text.includes(':')) return address
  const [before = '', after] = text.split('::', 2)
  const head = groupsOf(before)
  const tail = after === undefined ? [] : groupsOf(after)
  const zeros =
    after === undefined ? [] : Array.from({ length: Math.max(0, GROUPS - head.length - tail.length) }, () => '0')
  const network = [...head, ...zeros, ...tail].slice(0, NETWORK_GROUPS)
  return `${network.map((group) => group.toLowerCase().replace(/^0+(?=.)/, '')).join(':')}::/64`
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':').slice(0, GROUPS)
}
