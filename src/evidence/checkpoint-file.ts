import { open } from 'node:fs/promises'
import { CalloutError } from '../core/errors.ts'
import type { CheckpointCopy } from '../service/checkpointer.ts'

/** Appends each note to a file, as one line of JSON with a member `note`, and returns when it is on the disk. */
export function createCheckpointFile(path: string): CheckpointCopy {
  return {
    async append(note) {
      try {
        await using file = await open(path, 'a', 0o640)
        await file.appendFile(`${JSON.stringify({ note })}\n`)
        await file.datasync()
      } catch (error) {
        const why = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
        throw new CalloutError('ERR_AUDIT_UNAVAILABLE', `checkpoints: cannot write to ${path} (${why})`, {
          cause: error,
        })
      }
    },
  }
}
