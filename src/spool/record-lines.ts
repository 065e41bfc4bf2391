import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { CalloutError } from '../core/errors.ts'

const HASH_CHARACTERS = 64
const LINE_BYTES_MAX = 4 * 1024 * 1024

/** The hash before the first line. */
export const START = '0'.repeat(HASH_CHARACTERS)

/** Records as lines that follow the one with the hash `before`, and the hash of the last: it covers them and all before. */
export function linesOf(before: string, records: readonly string[]): { readonly bytes: Buffer; readonly hash: string } {
  let hash = before
  let text = ''
  for (const record of records) {
    hash = hashOf(hash, record)
    text += `${hash} ${record}\n`
  }
  return { bytes: Buffer.from(text), hash }
}

/** How long the lines of these records are. */
export function bytesOf(records: readonly string[]): number {
  return records.reduce((sum, record) => sum + HASH_CHARACTERS + 2 + Buffer.byteLength(record), 0)
}

/**
 * The records of whole lines from a place on, as far as their hashes hold, the hash of the last and where it ends. A bad last line is a
 * torn one; one with whole lines behind it was not left by a process that was killed: throws `ERR_CONFIG_INVALID`.
 */
export async function readLines(
  file: FileHandle,
  from: number,
  before: string,
  to?: number,
): Promise<{
  readonly records: readonly string[]
  readonly hash: string
  readonly bytes: number
  readonly isTorn: boolean
}> {
  const size = to ?? (await file.stat()).size
  const content = Buffer.alloc(size - from)
  await file.read(content, 0, content.length, from)
  const records: string[] = []
  let [hash, start] = [before, 0]
  for (let end = content.indexOf(10, start); end !== -1; end = content.indexOf(10, start)) {
    const line = content.subarray(start, end).toString('utf8')
    const record = line.slice(HASH_CHARACTERS + 1)
    const expected = hashOf(hash, record)
    if (end - start > LINE_BYTES_MAX || line !== `${expected} ${record}`) {
      if (content.indexOf(10, end + 1) === -1) break
      throw new CalloutError(
        'ERR_CONFIG_INVALID',
        'the spool was changed or the disk is damaged: keep the file as evidence, and move it away to start',
      )
    }
    records.push(record)
    hash = expected
    start = end + 1
  }
  return { records, hash, bytes: from + start, isTorn: start < content.length }
}

function hashOf(before: string, record: string): string {
  return createHash('sha256').update(before).update(record).digest('hex')
}
