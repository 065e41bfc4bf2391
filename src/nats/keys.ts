import { randomBytes, sign } from 'node:crypto'
import { fromSeed } from '@nats-io/nkeys'
import nacl from 'tweetnacl'
import { CalloutError } from '../core/errors.ts'
import { createBoundedCache } from './bounded-cache.ts'
import type { NkeyKind } from './nkey.ts'
import { decodePublicNkey, decodeSeed, importSeed, seedPrefix } from './nkey.ts'

/** An account key of ours: signs user JWTs and authorization responses. */
export interface SigningKey {
  /** `A…` */
  readonly publicKey: string
  /** Ed25519 signature, 64 bytes. Native. */
  sign(data: Uint8Array): Promise<Buffer>
}

/** A curve key of ours: opens sealed requests and seals the answers. */
export interface XKey {
  /** `X…` */
  readonly publicKey: string
  /**
   * The sealed text, or undefined when it was not sealed by `sender` for us. `sender` is an `X…` key; an invalid one
   * opens nothing.
   */
  open(sealed: Uint8Array, sender: string): Uint8Array | undefined
  /** Throws `TypeError` when `recipient` is not a valid `X…` key. */
  seal(plain: Uint8Array, recipient: string): Uint8Array
}

/** What every sealed message begins with (`nkeys/xkeys.go` XKeyVersionV1). */
const SEAL_PREFIX = Buffer.from('xkv1', 'latin1')

/**
 * A server keeps one curve key for life, so the shared key (0.5 ms to derive, 20 µs to use) is remembered. More than
 * the servers of one supercluster; whoever knows our public xkey can seal with keys of his own, so there must be a
 * bound.
 */
const SHARED_KEYS_MAX = 1024

/**
 * Loads an issuer seed (`SA…`). White space around the seed is ignored, a file ends in a newline. `label` names the
 * file in the error; the seed is never in it. Throws `CalloutError('ERR_KEY_INVALID')`.
 */
export function createSigningKey(seedText: string, label: string): SigningKey {
  const { raw, publicKey } = loadSeed('account', seedText, label)
  const privateKey = importSeed(raw)
  return { publicKey, sign: async (data) => sign(null, data, privateKey) }
}

/** Loads an xkey seed (`SX…`); otherwise as `createSigningKey`. */
export function createXKey(seedText: string, label: string): XKey {
  const { raw, publicKey } = loadSeed('curve', seedText, label)
  const sharedKeys = createBoundedCache<Uint8Array>(SHARED_KEYS_MAX)

  function sharedKeyWith(peer: string): Uint8Array | undefined {
    const known = sharedKeys.get(peer)
    if (known !== undefined) return known
    const peerRaw = decodePublicNkey('curve', peer)
    if (peerRaw === undefined) return undefined
    return nacl.box.before(peerRaw, raw)
  }

  return {
    publicKey,
    open(sealed, sender) {
      const nonceEnd = SEAL_PREFIX.length + nacl.box.nonceLength
      if (sealed.length < nonceEnd + nacl.box.overheadLength || !isSealed(sealed)) return undefined
      const sharedKey = sharedKeyWith(sender)
      if (sharedKey === undefined) return undefined
      const nonce = sealed.subarray(SEAL_PREFIX.length, nonceEnd)
      const plain = nacl.box.open.after(sealed.subarray(nonceEnd), nonce, sharedKey)
      if (plain === null) return undefined
      sharedKeys.set(sender, sharedKey)
      return plain
    },
    seal(plain, recipient) {
      const sharedKey = sharedKeyWith(recipient)
      if (sharedKey === undefined) throw new TypeError('the recipient of a sealed message is not a public curve key')
      sharedKeys.set(recipient, sharedKey)
      // A nonce used twice gives the plain texts away: it is never a parameter.
      const nonce = randomBytes(nacl.box.nonceLength)
      return Buffer.concat([SEAL_PREFIX, nonce, nacl.box.after(plain, nonce, sharedKey)])
    },
  }
}

export function isSealed(message: Uint8Array): boolean {
  return SEAL_PREFIX.equals(message.subarray(0, SEAL_PREFIX.length))
}

function loadSeed(kind: NkeyKind, seedText: string, label: string): { raw: Buffer; publicKey: string } {
  const text = seedText.trim()
  const raw = decodeSeed(kind, text)
  if (raw === undefined) {
    throw new CalloutError('ERR_KEY_INVALID', `${label}: not a seed that begins with ${seedPrefix(kind)}`)
  }
  return { raw, publicKey: fromSeed(Buffer.from(text, 'latin1')).getPublicKey() }
}
