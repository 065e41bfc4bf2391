import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'

/** Credentials with a long JWT have some 10 KiB, everything else much less. */
const SECRET_BYTES_MAX = 64 * 1024
/** Permission bit "others may read". */
const WORLD_READABLE = 0o004

export type SecretFile = { readonly text: string; readonly isWorldReadable: boolean } | { readonly problem: string }

/**
 * Reads a regular file of at most `bytesMax` as UTF-8, links followed, one newline at the end removed. A pipe or device is refused
 * without waiting for it. The problem names the file and what to do, never its content.
 */
export async function readSecretFile(path: string, bytesMax = SECRET_BYTES_MAX): Promise<SecretFile> {
  let file: FileHandle | undefined
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stats = await file.stat()
    if (!stats.isFile()) return { problem: `is not a regular file: ${path}` }
    const bytes = new Uint8Array(bytesMax + 1)
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
    if (bytesRead > bytesMax) return { problem: `is longer than ${bytesMax} bytes: ${path}` }
    const text = decodeUtf8(bytes.subarray(0, bytesRead))
    if (text === undefined) return { problem: `is not UTF-8 text: ${path}` }
    return { text: text.replace(/\r?\n$/, ''), isWorldReadable: (stats.mode & WORLD_READABLE) !== 0 }
  } catch (error) {
    return { problem: `cannot be read: ${path} (${reasonOf(error)})` }
  } finally {
    await file?.close()
  }
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    // The decoder's error says nothing more than that the bytes are not UTF-8.
    return undefined
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EACCES') return 'permission denied'
  return typeof code === 'string' ? code : 'unknown error'
}
