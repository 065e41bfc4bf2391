import { createHash } from 'node:crypto'
import { keyText, type KeyDigest } from '../core/plan.ts'

/** SHA-256 in lower-case hex. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

const KEY_DIGEST_HEX_DIGITS = 14

/** The first 56 bits of the SHA-256 of a key; the database makes the same number: `spanner/policy-admin.ts`. */
export const keyDigest: KeyDigest = (row) => BigInt(`0x${sha256(keyText(row)).slice(0, KEY_DIGEST_HEX_DIGITS)}`)
