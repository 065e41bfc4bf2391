import { createPrivateKey, createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { createBoundedCache } from './bounded-cache.ts'

/** Kinds of nkeys that meet the callout, with the letter that a public key of the kind begins with. */
const LETTERS = { account: 'A', server: 'N', user: 'U', curve: 'X' } as const

export type NkeyKind = keyof typeof LETTERS

/** The byte before a key, whose upper five bits make the letter. `nkeys` `PrefixByte…`. */
const PREFIX_BYTES: Readonly<Record<NkeyKind, number>> = { account: 0, server: 13 << 3, user: 20 << 3, curve: 23 << 3 }
const SEED_PREFIX_BYTE = 18 << 3

const BASE32_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const RAW_KEY_BYTES = 32
const CHECKSUM_BYTES = 2
/** One prefix byte, 32 key bytes and the checksum: 280 bits, 56 characters without a spare bit. */
const PUBLIC_CHARACTERS = 56
/** Two prefix bytes, 32 seed bytes and the checksum: 288 bits, 58 characters with two spare bits. */
const SEED_CHARACTERS = 58

/** RFC 8410 §4 and §7: what stands before the 32 bytes of an Ed25519 key in DER. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

/** More server processes than a supercluster has; a key that fell out costs one import of about 20 µs. */
const SERVER_KEYS_MAX = 1024

/**
 * The 32 bytes of a public nkey, or undefined when the text is not exactly one of that kind: length, alphabet, prefix
 * and checksum are checked (`nkeys/strkey.go`). That the bytes are a point on the curve is not.
 */
export function decodePublicNkey(kind: NkeyKind, text: string): Buffer | undefined {
  if (text.length !== PUBLIC_CHARACTERS) return undefined
  const payload = decodeChecked(text)
  if (payload === undefined || payload[0] !== PREFIX_BYTES[kind]) return undefined
  return payload.subarray(1)
}

/** The 32 bytes of a seed (`SA…`, `SX…`, …), or undefined when the text is not exactly a seed of that kind. */
export function decodeSeed(kind: NkeyKind, text: string): Buffer | undefined {
  if (text.length !== SEED_CHARACTERS) return undefined
  const payload = decodeChecked(text)
  if (payload === undefined) return undefined
  const role = PREFIX_BYTES[kind]
  if (payload[0] !== (SEED_PREFIX_BYTE | (role >> 5)) || payload[1] !== (role & 31) << 3) return undefined
  return payload.subarray(2)
}

/** `SA`, `SX`, …: what a seed of the kind begins with. */
export function seedPrefix(kind: NkeyKind): string {
  return `S${LETTERS[kind]}`
}

/** For verifying. Throws when node:crypto refuses the bytes. */
export function importPublicKey(raw: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' })
}

/** For signing. */
export function importSeed(raw: Buffer): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, raw]), format: 'der', type: 'pkcs8' })
}

/**
 * Finds the verification key of a server by its public nkey, `undefined` when that is not a valid `N…` key. A server
 * makes its key when it starts and keeps it for life, so imported keys are remembered, at most `SERVER_KEYS_MAX` of
 * them.
 */
export function createServerKeys(): (nkey: string) => KeyObject | undefined {
  const imported = createBoundedCache<KeyObject>(SERVER_KEYS_MAX)
  return (nkey) => {
    const known = imported.get(nkey)
    if (known !== undefined) return known
    const raw = decodePublicNkey('server', nkey)
    if (raw === undefined) return undefined
    const key = importPublicKey(raw)
    imported.set(nkey, key)
    return key
  }
}

function decodeChecked(text: string): Buffer | undefined {
  const bytes = decodeBase32(text)
  if (bytes === undefined || bytes.length < RAW_KEY_BYTES + CHECKSUM_BYTES) return undefined
  const payload = bytes.subarray(0, -CHECKSUM_BYTES)
  return crc16(payload) === bytes.readUInt16LE(payload.length) ? payload : undefined
}

/** RFC 4648 §6 without padding; spare bits at the end must be zero, so that each key has one spelling. */
function decodeBase32(text: string): Buffer | undefined {
  const bytes = Buffer.alloc(Math.floor((text.length * 5) / 8))
  let length = 0
  let bits = 0
  let value = 0
  for (const character of text) {
    const digit = BASE32_ALPHABET.indexOf(character)
    if (digit < 0) return undefined
    value = ((value << 5) | digit) & 0xfff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes[length++] = (value >> bits) & 0xff
  }
  return (value & ((1 << bits) - 1)) === 0 ? bytes : undefined
}

/** CRC-16/XMODEM, the checksum of nkeys (`nkeys/crc16.go`). */
function crc16(bytes: Buffer): number {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021
    crc &= 0xffff
  }
  return crc
}
