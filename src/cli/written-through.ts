import { fsync } from 'node:fs'
import { promisify } from 'node:util'
import type { TextOutput } from './io.ts'

/** What a stream says when nobody reads it any more, and what it says from then on. */
const GONE = new Set(['EPIPE', 'ERR_STREAM_DESTROYED'])
/** Of what is not on a disk: a pipe, a terminal. */
const NOT_SYNCED = new Set(['EINVAL', 'ENOTSUP', 'EROFS'])

/** Resolves when the text has left the process, however slowly it is read; to false when nobody reads it any more. */
export function writeThrough(output: TextOutput, text: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    output.write(text, (error) => {
      if (error === undefined || error === null) resolve(true)
      else if (GONE.has(codeOf(error))) resolve(false)
      else reject(error)
    })
  })
}

/** Resolves when what was written outlives the machine, as far as that is for this process to bring about. */
export async function sync({ fd }: TextOutput): Promise<void> {
  if (fd === undefined) return
  try {
    await promisify(fsync)(fd)
  } catch (error) {
    if (!(error instanceof Error) || !NOT_SYNCED.has(codeOf(error))) throw error
  }
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : ''
}
