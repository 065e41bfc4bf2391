import { constants } from 'node:fs'
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { CalloutError } from '../core/errors.ts'
import type { Clock, RecordSpool } from '../service/ports.ts'
import { lockFolder } from './folder-lock.ts'
import { bytesOf, linesOf, readLines, START } from './record-lines.ts'

const FILE = 'decisions.spool'
/** What the file is to be, until it is whole. */
const NEXT_FILE = `${FILE}.next`
const NOT_MENDED = 'the spool cannot be written, and not be mended'

export interface RecordSpoolOptions {
  readonly folder: string
  /** Of the file; half as much again while it is written anew without what was handed out. */
  readonly bytesMax: number
  /** The oldest record may wait so long; then nothing more is taken. */
  readonly ageMaxMs: number
  readonly clock: Clock
}

/**
 * A file of records, one a line, each after the SHA-256 of the line before and itself: what is torn, changed, left out or moved is
 * noticed. `append` returns when the records are on the disk (fdatasync). The end of a file that a killed process left torn was never
 * confirmed to anybody, and is cut off. What was handed out gives its room to what comes. The folder belongs to one process at a time.
 *
 * Throws `ERR_AUDIT_UNAVAILABLE` when it is full, too old, or cannot be written, and `ERR_CONFIG_INVALID` when it cannot be opened.
 */
export class FileSpool implements RecordSpool, AsyncDisposable {
  readonly #options: RecordSpoolOptions
  #file: FileHandle
  readonly #unlock: () => Promise<void>
  #bytes: number
  #hash: string
  /** Where the records that are not drained begin, and the hash before them. */
  #drained: { bytes: number; hash: string }
  #pending: number
  #oldestMs: number | undefined
  /** Whatever touches the file takes turns. */
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
      await rm(join(folder, NEXT_FILE), { force: true })
      const file = await open(join(folder, FILE), constants.O_RDWR | constants.O_CREAT, 0o600)
      for (const holder of [folder, dirname(resolve(folder))]) await syncFolder(holder)
      const { mtimeMs } = await file.stat()
      const { records, hash, bytes, isTorn } = await readLines(file, 0, START)
      if (isTorn) {
        await file.truncate(bytes)
        await file.datasync()
      }
      const pending = records.length
      const oldest = pending === 0 ? {} : { oldestMs: clock.monotonicMs() - Math.max(0, clock.nowMs() - mtimeMs) }
      return new FileSpool(options, file, unlock, { bytes, hash, pending, ...oldest })
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
      const { clock, ageMaxMs } = this.#options
      if (this.#damage !== undefined) throw unavailable(this.#damage)
      if (this.#oldestMs !== undefined && clock.monotonicMs() - this.#oldestMs > ageMaxMs) {
        throw unavailable('what is spooled has waited too long')
      }
      if (records.some((record) => /[\n\r]/.test(record))) throw new TypeError('a record is one line')
      await this.#makeRoom(bytesOf(records))
      const { bytes, hash } = linesOf(this.#hash, records)
      try {
        const { bytesWritten } = await this.#file.write(bytes, 0, bytes.length, this.#bytes)
        if (bytesWritten !== bytes.length) throw new Error('the disk took a part only')
        await this.#file.datasync()
      } catch (error) {
        await this.#cutTo(this.#bytes)
        throw notWritten(error)
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
      const readMs = this.#options.clock.monotonicMs()
      const records = await this.#inTurn(() => this.#waiting())
      for (let start = 0; start < records.length; start += batchMax) {
        const batch = records.slice(start, start + batchMax)
        await take(batch)
        await this.#inTurn(() => this.#handedOut(batch))
      }
      if (this.#pending > 0) this.#oldestMs = readMs
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inTurn(async () => {})
    await this.#file.close()
    await this.#unlock()
  }

  async #waiting(): Promise<readonly string[]> {
    const { records } = await readLines(this.#file, this.#drained.bytes, this.#drained.hash, this.#bytes)
    if (records.length === 0) throw unavailable('the spool was changed on the disk')
    return records
  }

  /** Begins anew when nothing waits any more. */
  async #handedOut(records: readonly string[]): Promise<void> {
    const { bytes, hash } = this.#drained
    this.#drained = { bytes: bytes + bytesOf(records), hash: linesOf(hash, records).hash }
    this.#pending -= records.length
    if (this.#pending > 0) return
    await this.#file.truncate(0)
    await this.#file.datasync()
    this.#bytes = 0
    this.#hash = START
    this.#drained = { bytes: 0, hash: START }
    this.#oldestMs = undefined
  }

  /** Leaves behind what was handed out when that is half of the file: so each record is copied once, on an average. */
  async #makeRoom(bytes: number): Promise<void> {
    const { bytesMax } = this.#options
    const isFull = (): boolean => this.#bytes + bytes > bytesMax
    if (isFull() && this.#drained.bytes > 0 && this.#drained.bytes * 2 >= this.#bytes) await this.#copyWaiting()
    if (isFull()) throw unavailable('the spool is full')
  }

  /** A process that is killed meanwhile leaves the file as it was before or as it is after. */
  async #copyWaiting(): Promise<void> {
    const { folder } = this.#options
    const next = join(folder, NEXT_FILE)
    let before: FileHandle
    try {
      const records = await this.#waiting()
      if (records.length !== this.#pending) throw new Error('it was changed on the disk')
      const { bytes, hash } = linesOf(START, records)
      const file = await writtenFile(next, bytes)
      await rename(next, join(folder, FILE)).catch((error: unknown) => abandoned(file, error))
      before = this.#file
      this.#file = file
      this.#bytes = bytes.length
      this.#hash = hash
      this.#drained = { bytes: 0, hash: START }
    } catch (error) {
      await rm(next, { force: true })
      throw notWritten(error)
    }
    try {
      await syncFolder(folder)
      await before.close()
    } catch (error) {
      this.#damage = NOT_MENDED
      throw notWritten(error)
    }
  }

  async #cutTo(bytes: number): Promise<void> {
    try {
      await this.#file.truncate(bytes)
    } catch {
      this.#damage = NOT_MENDED
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return done
  }
}

/** A new file with these bytes, on the disk but for its name. */
async function writtenFile(path: string, bytes: Buffer): Promise<FileHandle> {
  const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC, 0o600)
  try {
    await file.writeFile(bytes)
    await file.datasync()
    return file
  } catch (error) {
    return await abandoned(file, error)
  }
}

async function abandoned(file: FileHandle, error: unknown): Promise<never> {
  await file.close()
  throw error
}

/** A new file is on the disk for good only once its name is. */
async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, constants.O_RDONLY)
  await handle.sync()
}

function notWritten(error: unknown): CalloutError {
  return unavailable(`the spool cannot be written: ${error instanceof Error ? error.message : ''}`, error)
}

function unavailable(why: string, cause?: unknown): CalloutError {
  return new CalloutError('ERR_AUDIT_UNAVAILABLE', `audit: ${why}`, cause === undefined ? {} : { cause })
}
