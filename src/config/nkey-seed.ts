/**
 * Checks of nkey seeds without taking them into use, so that a wrong file is found before anything starts. Encoding:
 * base32 of two prefix bytes, 32 bytes of seed and a CRC-16 (nats-io/nkeys `README.md` and `crc16.go`).
 */

const KINDS = { SA: 'an account seed', SU: 'a user seed', SX: 'a curve seed', SO: 'an operator seed' } as const
export type SeedPrefix = keyof typeof KINDS

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** 36 bytes in base32 without padding. */
const SEED_CHARACTERS = 58

/**
 * What is wrong with a seed of the wanted kind, or undefined. The message never holds a character of it beyond its
 * kind.
 */
export function problemOfSeed(seed: string, wanted: SeedPrefix): string | undefined {
  const prefix = seed.slice(0, 2)
  if (prefix !== wanted) {
    const found = Object.hasOwn(KINDS, prefix) ? `, but ${KINDS[prefix as SeedPrefix]} (${prefix}…)` : ''
    return `does not hold ${KINDS[wanted]} (${wanted}…)${found}`
  }
  const bytes = decodeBase32(seed)
  if (seed.length !== SEED_CHARACTERS || bytes === undefined) return `holds a damaged seed (wrong length or alphabet)`
  const checksum = (bytes.at(-2) ?? 0) | ((bytes.at(-1) ?? 0) << 8)
  return crc16(bytes.subarray(0, -2)) === checksum ? undefined : 'holds a damaged seed (wrong checksum)'
}

function decodeBase32(text: string): Uint8Array | undefined {
  const bytes: number[] = []
  let bits = 0
  let value = 0
  for (const character of text) {
    const digit = ALPHABET.indexOf(character)
    if (digit === -1) return undefined
    value = ((value << 5) | digit) & 0xfff
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes.push((value >> bits) & 0xff)
    }
  }
  return Uint8Array.from(bytes)
}

/** CRC-16/XMODEM. */
function crc16(bytes: Uint8Array): number {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = ((crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021) & 0xffff
  }
  return crc
}
