import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'

/** Ed25519, of the signature types of C2SP signed-note. */
const ED25519 = 1
const SIGNER = /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/
const VERIFIER = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/
/** A name without white space and "+", as the form asks for; a short one, since it is in every note. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$/
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex')
const KEY_BYTES = 32

/** What notes are checked with. https://c2sp.org/signed-note */
export interface VerifierKey {
  readonly name: string
  /** The first four bytes of the key's hash, in hex: tells keys of one name apart. */
  readonly id: string
  readonly publicKey: KeyObject
  /** `<name>+<id>+<base64>`, to be published. */
  readonly text: string
}

export interface SignerKey {
  readonly verifier: VerifierKey
  readonly privateKey: KeyObject
}

export function isNoteKeyName(name: string): boolean {
  return NAME.test(name)
}

/** A new key in its text form, `PRIVATE+KEY+…`: a secret. The name says whose checkpoints these are. */
export function generateSignerKey(name: string): string {
  if (!NAME.test(name)) throw new TypeError('not the name of a key')
  const { privateKey } = generateKeyPairSync('ed25519')
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-KEY_BYTES)
  const { id } = verifierOf(name, createPublicKey(privateKey))
  return `PRIVATE+KEY+${name}+${id}+${typed(seed).toString('base64')}`
}

/** Undefined when the text is no such key. */
export function parseSignerKey(text: string): SignerKey | undefined {
  const [, name, id, encoded] = SIGNER.exec(text) ?? []
  const seed = keyOf(encoded)
  if (name === undefined || !NAME.test(name) || seed === undefined) return undefined
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: 'der', type: 'pkcs8' })
  const verifier = verifierOf(name, createPublicKey(privateKey))
  return verifier.id === id ? { verifier, privateKey } : undefined
}

/** Undefined when the text is no such key. */
export function parseVerifierKey(text: string): VerifierKey | undefined {
  const [, name, id, encoded] = VERIFIER.exec(text) ?? []
  const point = keyOf(encoded)
  if (name === undefined || !NAME.test(name) || point === undefined) return undefined
  const key = createPublicKey({ key: Buffer.concat([SPKI_ED25519, point]), format: 'der', type: 'spki' })
  const verifier = verifierOf(name, key)
  return verifier.id === id ? verifier : undefined
}

function verifierOf(name: string, publicKey: KeyObject): VerifierKey {
  const key = typed(publicKey.export({ format: 'der', type: 'spki' }).subarray(-KEY_BYTES))
  const id = createHash('sha256').update(`${name}\n`).update(key).digest('hex').slice(0, 8)
  return { name, id, publicKey, text: `${name}+${id}+${key.toString('base64')}` }
}

function typed(key: Buffer): Buffer {
  return Buffer.concat([Buffer.from([ED25519]), key])
}

function keyOf(encoded: string | undefined): Buffer | undefined {
  const bytes = Buffer.from(encoded ?? '', 'base64')
  const isCanonical = bytes.toString('base64') === encoded
  return isCanonical && bytes.length === KEY_BYTES + 1 && bytes[0] === ED25519 ? bytes.subarray(1) : undefined
}
