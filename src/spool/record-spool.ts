import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdir, open, type FileHandle } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { CalloutError } from '../core/errors.ts'
import type { Clock, RecordSpool } from '../service/ports.ts'
import { lockFolder } from './folder-lock.ts'

const HASH_CHARACTERS = 64
const START = '0'.repeat(HASH_CHARACTERS)
const FILE = 'decisions.spool'
const LINE_BYTES_MAX = 4 * 1024 * 1024

export interface RecordSpoolOptions {
  readonly folder: string
  readonly bytesMax: number
  /** The oldest record may wait so long; then nothing more is taken. */
  readonly ageMaxMs: number
  readonly clock: Clock
}

/** Records as they are on the disk; `hash` covers them and all before. */
interface Line {
  readonly record: string
  readonly hash: string
}

/**
 * A file of records, one a line, each after the SHA-256 of the line before and itself: what is torn, changed, left out or moved is
 * noticed. `append` returns when the records are on the disk (fdatasync). The end of a file that a killed process left torn
 * was never confirmed to anybody, and is cut off. The folder belongs to one process at a time.
 *
 * Throws `ERR_AUDIT_UNAVAILABLE` when it is full, too old, or cannot be written, and `ERR_CONFIG_INVALID` when it cannot be opened.
 */
export class FileSpool implements RecordSpool, AsyncDisposable {
  readonly #options: RecordSpoolOptions
  readonly #file: FileHandle
  readonly #unlock: () => Promise<void>
  #bytes: number
  #hash: string
  /** Where the records that are not drained begin, and the hash before them. */
  #drained: { bytes: number; hash: string }
  #pending: number
  #oldestMs: number | undefined
  /** Writes and cuts take turns. */
  #turn: Promise<unknown> = Promise.resolve()
  #damage: string | undefined

  private constructor(
    options: RecordSpoolOptions,
    file: FileHandle,
    unlock: () => Promise<void>,
    found: { readonly bytes: number; readonly hash: string; readonly pending: number; readonly oldestMs?: number },
  ) {
    this.#options = options
    this.#file = file
    this.#unlock = unlock
    this.#bytes = found.bytes
    this.#hash = found.hash
    this.#drained = { bytes: 0, hash: START }
    this.#pending = found.pending
    this.#oldestMs = found.oldestMs
  }

  /** Takes the folder, makes it if need be, and finds what a process before left in it. */
  static async open(options: RecordSpoolOptions): Promise<FileSpool> {
    const { folder, clock } = options
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const unlock = await lockFolder(folder)
      const file = await open(join(folder, FILE), constants.O_RDWR | constants.O_CREAT, 0o600)
      for (const holder of [folder, dirname(resolve(folder))]) await syncFolder(holder)
      const { mtimeMs } = await file.stat()
      const { lines, bytes, isTorn } = await linesOf(file, 0, START)
      if (isTorn) {
        await file.truncate(bytes)
        await file.datasync()
      }
      const pending = lines.length
      const oldest = pending === 0 ? {} : { oldestMs: clock.monotonicMs() - Math.max(0, clock.nowMs() - mtimeMs) }
      return new FileSpool(options, file, unlock, { bytes, hash: lines.at(-1)?.hash ?? START, pending, ...oldest })
    } catch (error) {
      if (error instanceof CalloutError) throw error
      const why = error instanceof Error && 'code' in error ? String(error.code) : String(error)
      throw new CalloutError('ERR_CONFIG_INVALID', `the spool ${folder} cannot be used (${why})`, { cause: error })
    }
  }

  get pending(): number {
    return this.#pending
  }

  get bytes(): number {
    return this.#bytes - this.#drained.bytes
  }

  append(records: readonly string[]): Promise<void> {
    return this.#inTurn(async () => {
      const { clock, bytesMax, ageMaxMs } = this.#options
      if (this.#damage !== undefined) throw unavailable(this.#damage)
      if (this.#oldestMs !== undefined && clock.monotonicMs() - this.#oldestMs > ageMaxMs) {
        throw unavailable('what is spooled has waited too long')
      }
      let hash = this.#hash
      let text = ''
      for (const record of records) {
        if (/[\n\r]/.test(record)) throw new TypeError('a record is one line')
        hash = hashOf(hash, record)
        text += `${hash} ${record}\n`
      }
      const bytes = Buffer.from(text)
      if (this.#bytes + bytes.length > bytesMax) throw unavailable('the spool is full')
      try {
        const { bytesWritten } = await this.#file.write(bytes, 0, bytes.length, this.#bytes)
        if (bytesWritten !== bytes.length) throw new Error('the disk took a part only')
        await this.#file.datasync()
      } catch (error) {
        await this.#cutTo(this.#bytes)
        throw unavailable(`the spool cannot be written: ${error instanceof Error ? error.message : ''}`, error)
      }
      this.#bytes += bytes.length
      this.#hash = hash
      this.#pending += records.length
      this.#oldestMs ??= clock.monotonicMs()
    })
  }

  /** Hands out what is spooled, in order, in batches of at most `batchMax`; what `take` has taken is not handed out again. */
  async drain(take: (records: readonly string[]) => Promise<void>, batchMax: number): Promise<void> {
    while (this.#pending > 0) {
      const { lines } = await linesOf(this.#file, this.#drained.bytes, this.#drained.hash, this.#bytes)
      if (lines.length === 0) throw unavailable('the spool was changed on the disk')
      for (let start = 0; start < lines.length; start += batchMax) {
        const batch = lines.slice(start, start + batchMax)
        await take(batch.map(({ record }) => record))
        const bytes = batch.reduce((sum, { record }) => sum + HASH_CHARACTERS + 2 + Buffer.byteLength(record), 0)
        this.#drained = { bytes: this.#drained.bytes + bytes, hash: batch.at(-1)?.hash ?? START }
        this.#pending -= batch.length
      }
      await this.#inTurn(() => this.#emptied())
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inTurn(async () => {})
    await this.#file.close()
    await this.#unlock()
  }

  /** Begins anew when all is drained; what came meanwhile stays. */
  async #emptied(): Promise<void> {
    if (this.#pending > 0) {
      this.#oldestMs = this.#options.clock.monotonicMs()
      return
    }
    await this.#file.truncate(0)
    await this.#file.datasync()
    this.#bytes = 0
    this.#hash = START
    this.#drained = { bytes: 0, hash: START }
    this.#oldestMs = undefined
  }

  async #cutTo(bytes: number): Promise<void> {
    try {
      await this.#file.truncate(bytes)
    } catch {
      this.#damage = 'the spool cannot be written, and not be mended'
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return done
  }
}

/**
 * Whole lines from a place on, as far as their hashes hold. A bad last line is a torn one; one with whole lines behind it
 * was not left by a process that was killed.
 */
async function linesOf(
  file: FileHandle,
  from: number,
  before: string,
  to?: number,
): Promise<{ readonly lines: readonly Line[]; readonly bytes: number; readonly isTorn: boolean }> {
  const size = to ?? (await file.stat()).size
  const content = Buffer.alloc(size - from)
  await file.read(content, 0, content.length, from)
  const lines: Line[] = []
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
    lines.push({ record, hash: expected })
    hash = expected
    start = end + 1
  }
  return { lines, bytes: from + start, isTorn: start < content.length }
}

/** A new file is on the disk for good only once its name is. */
async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, constants.O_RDONLY)
  await handle.sync()
}

function hashOf(before: string, record: string): string {
  return createHash('sha256').update(before).update(record).digest('hex')
}

function unavailable(why: string, cause?: unknown): CalloutError {
  return new CalloutError('ERR_AUDIT_UNAVAILABLE', `audit: ${why}`, cause === undefined ? {} : { cause })
}
