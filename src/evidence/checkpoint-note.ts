import { createHash } from 'node:crypto'
import { formatCheckpoint, parseCheckpoint } from '../core/checkpoint.ts'
import type { WitnessedCheckpoint } from '../core/verify-chain.ts'
import type { SignCheckpoint } from '../service/checkpointer.ts'
import type { SignerKey, VerifierKey } from './note-key.ts'
import { openNote, signNote } from './signed-note.ts'

/** Signs checkpoints with a key. */
export function createCheckpointSigner(key: SignerKey): SignCheckpoint {
  return (head, atMs, previousNote) =>
    signNote(formatCheckpoint({ ...head, origin: key.verifier.name, atMs, previousNote }, isoTime), key)
}

/** The checkpoint that a note is; undefined when the key did not sign it, or signed something else. */
export function openCheckpoint(note: string, key: VerifierKey): WitnessedCheckpoint | undefined {
  const text = openNote(note, key)
  const checkpoint = text === undefined ? undefined : parseCheckpoint(text, Date.parse)
  if (checkpoint === undefined || checkpoint.origin !== key.name) return undefined
  return { checkpoint, noteHash: createHash('sha256').update(note).digest('hex') }
}

function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString()
}
