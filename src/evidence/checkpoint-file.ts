import { open, type FileHandle } from 'node:fs/promises'
import { CalloutError } from '../core/errors.ts'
import type { CheckpointCopy } from '../service/checkpointer.ts'

const LINE_FEED = '\n'

/**
 * Appends each note to a file, as one line of JSON with a member `note`, and returns when it is on the disk. A line that was
 * not written whole, by a full disk or a kill, is ended first, so that it takes no other with it.
 * Throws `ERR_CONFIG_INVALID` when the file cannot be opened for that; makes it where there is none.
 */
export async function openCheckpointFile(path: string): Promise<CheckpointCopy> {
  try {
    await using _ = await openToAppend(path)
  } catch (error) {
    const message = `audit.checkpoints.file: cannot write to ${path} (${codeOf(error)})`
    throw new CalloutError('ERR_CONFIG_INVALID', message, { cause: error })
  }
  return {
    async append(note) {
      try {
        await using file = await openToAppend(path)
        const separator = (await endsWithinLine(file)) ? LINE_FEED : ''
        await file.appendFile(`${separator}${JSON.stringify({ note })}${LINE_FEED}`)
        await file.datasync()
      } catch (error) {
        const message = `checkpoints: cannot write to ${path} (${codeOf(error)})`
        throw new CalloutError('ERR_AUDIT_UNAVAILABLE', message, { cause: error })
      }
    },
  }
}

function openToAppend(path: string): Promise<FileHandle> {
  return open(path, 'a+', 0o640)
}

async function endsWithinLine(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat()
  if (size === 0) return false
  const { buffer } = await file.read({ buffer: Buffer.alloc(LINE_FEED.length), position: size - LINE_FEED.length })
  return buffer.toString('latin1') !== LINE_FEED
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}
