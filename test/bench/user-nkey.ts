const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** `nkeys` PrefixByteUser: the `U` at the front. */
const USER_PREFIX = 20 << 3

/**
 * A public user nkey of any 32 bytes (`nkeys/strkey.go`): nobody here signs with it, so it need not be a point on the curve.
 * The library takes 4 ms for a key pair, which would be minutes for the requests of one benchmark.
 */
export function userNkey(raw: Uint8Array): string {
  const payload = Buffer.concat([Buffer.of(USER_PREFIX), raw])
  const checksum = Buffer.alloc(2)
  checksum.writeUInt16LE(crc16(payload))
  let bits = ''
  for (const byte of Buffer.concat([payload, checksum])) bits += byte.toString(2).padStart(8, '0')
  return bits.replaceAll(/.{5}/g, (five) => ALPHABET[Number.parseInt(five, 2)] ?? '')
}

/** CRC-16/XMODEM. */
function crc16(bytes: Uint8Array): number {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021
    crc &= 0xffff
  }
  return crc
}
