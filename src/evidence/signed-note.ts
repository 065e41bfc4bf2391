import { sign, verify } from 'node:crypto'
import type { SignerKey, VerifierKey } from './note-key.ts'

const SIGNATURE_LINE = /^— (\S+) ([A-Za-z0-9+/]+=*)$/u
const KEY_ID_BYTES = 4
/** A checkpoint has some 300 bytes, and 200 more for each range of lost rows. */
const NOTE_CHARACTERS_MAX = 1024 * 1024

/** The text, which ends with a line feed, and a signature of it, as C2SP signed-note has it. */
export function signNote(text: string, { verifier, privateKey }: SignerKey): string {
  if (!text.endsWith('\n')) throw new TypeError('the text of a note ends with a line feed')
  const signature = sign(null, Buffer.from(text), privateKey)
  const bytes = Buffer.concat([Buffer.from(verifier.id, 'hex'), signature])
  return `${text}\n— ${verifier.name} ${bytes.toString('base64')}\n`
}

/** The text of a note that the key has signed; undefined for anything else. Signatures of other keys beside it are left alone. */
export function openNote(note: string, { name, id, publicKey }: VerifierKey): string | undefined {
  if (note.length > NOTE_CHARACTERS_MAX || !note.endsWith('\n')) return undefined
  const end = note.lastIndexOf('\n\n')
  if (end === -1) return undefined
  const text = note.slice(0, end + 1)
  const lines = note.slice(end + 2, -1).split('\n')
  const signatures = lines.map((line) => SIGNATURE_LINE.exec(line))
  if (signatures.includes(null)) return undefined
  const isSigned = signatures.some((match) => {
    const bytes = Buffer.from(match?.[2] ?? '', 'base64')
    const isOurs = match?.[1] === name && bytes.subarray(0, KEY_ID_BYTES).toString('hex') === id
    return isOurs && verify(null, Buffer.from(text), publicKey, bytes.subarray(KEY_ID_BYTES))
  })
  return isSigned ? text : undefined
}
