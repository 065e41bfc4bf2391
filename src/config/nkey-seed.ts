/**
 * Checks of nkeys without taking them into use, so that a wrong one is found before anything starts. Encoding: base32 of
 * one prefix byte (a public key) or two (a seed), 32 bytes of key and a CRC-16 (nats-io/nkeys `README.md`, `crc16.go`).
 */

const KINDS = { SA: 'an account seed', SU: 'a user seed', SX: 'a curve seed', SO: 'an operator seed' } as const
export type SeedPrefix = keyof typeof KINDS

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** 36 bytes in base32 without padding. */
const SEED_CHARACTERS = 58
/** 35 bytes. */
const PUBLIC_KEY_CHARACTERS = 56

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
  return hasChecksum(bytes) ? undefined : 'holds a damaged seed (wrong checksum)'
}

/** What is wrong with the public key of an account, or undefined. Seeds are not repeated in the message. */
export function problemOfAccountKey(key: string): string | undefined {
  if (/^S[ANOCUX]/.test(key)) return 'must be a public key (A…), not a seed'
  const bytes = key.startsWith('A') && key.length === PUBLIC_KEY_CHARACTERS ? decodeBase32(key) : undefined
  // 'A' stands for five zero bits; the other three of the prefix byte have to be zero as well.
  if (bytes?.[0] !== 0) return 'must be the public key of an account (A…, 56 characters)'
  return hasChecksum(bytes) ? undefined : 'is a damaged key (wrong checksum)'
}

function hasChecksum(bytes: Uint8Array): boolean {
  return crc16(bytes.subarray(0, -2)) === ((bytes.at(-2) ?? 0) | ((bytes.at(-1) ?? 0) << 8))
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
