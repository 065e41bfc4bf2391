import { CHAIN_START, type AuditChain, type ChainHead, type Sha256 } from '../core/audit-chain.ts'
import { CalloutError } from '../core/errors.ts'
import type { CalloutEvents } from './events.ts'
import type { Clock, DeadlineMs } from './ports.ts'

/** Makes the signed note of a checkpoint. */
export type SignCheckpoint = (head: ChainHead, atMs: number, previousNote: string) => string

/** Where checkpoints are kept for good. Adding the same again is a success. Throws `CalloutError`. */
export interface CheckpointStore {
  add(head: ChainHead, note: string, deadlineMs: DeadlineMs): Promise<void>
}

/** A place that whoever can write to the database cannot write to. */
export interface CheckpointCopy {
  append(note: string): Promise<void>
}

export interface CheckpointerOptions {
  readonly chain: AuditChain
  readonly sign: SignCheckpoint
  readonly sha256: Sha256
  readonly store: CheckpointStore
  readonly copy?: CheckpointCopy
  readonly clock: Clock
  readonly events: Pick<CalloutEvents, 'checkpointMade' | 'checkpointFailed' | 'unexpected'>
}

const EVERY_MS = 10_000
const EVERY_ROWS = 1000
/** So often it is looked whether a checkpoint is due. */
const LOOK_MS = 500
const STORE_TIMEOUT_MS = 3_000
/** At the end one attempt may still be under way, and the process has ten seconds for all that ends. */
const LAST_STORE_TIMEOUT_MS = 2_000

/** What the copy lacks beyond is in the database and in the log: some hours of checkpoints, less than a megabyte. */
const UNCOPIED_MAX = 1000

interface Made {
  readonly head: ChainHead
  readonly note: string
}

/**
 * Signs how far the chain of this process is settled: soon after its first row, then when ten seconds or a thousand rows have passed,
 * and at the end. What is signed is told to the log, stored, and copied. What could not be stored is tried again before anything
 * later is signed; what could not be copied, in order, beside that. Nobody waits for it.
 */
export class Checkpointer implements AsyncDisposable {
  readonly #options: CheckpointerOptions
  #previousNote = CHAIN_START
  #madeMs = Number.NEGATIVE_INFINITY
  #unstored: Made | undefined
  /** The oldest first. */
  readonly #uncopied: string[] = []
  #running: Promise<void> = Promise.resolve()
  #cancel: () => void
  #isEnding = false

  constructor(options: CheckpointerOptions) {
    this.#options = options
    this.#cancel = this.#lookLater()
  }

  /** Signs what is settled by now. What cannot be stored is lost to the database; the log and the copy have it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true
    this.#cancel()
    await this.#running
    await this.#look(() => true)
  }

  #lookLater(): () => void {
    return this.#options.clock.after(LOOK_MS, () => {
      this.#running = this.#look(() => this.#isDue())
    })
  }

  /** Never rejects. */
  async #look(isDue: () => boolean): Promise<void> {
    try {
      if (this.#unstored === undefined && isDue()) this.#sign()
    } catch (error) {
      this.#report(error)
    }
    const report = (error: unknown): void => this.#report(error)
    await Promise.all([this.#store().catch(report), this.#copy().catch(report)])
    if (!this.#isEnding) this.#cancel = this.#lookLater()
  }

  #isDue(): boolean {
    const { chain, clock } = this.#options
    return chain.untold >= EVERY_ROWS || (chain.untold > 0 && clock.monotonicMs() - this.#madeMs >= EVERY_MS)
  }

  #sign(): void {
    const { chain, sign, sha256, clock, copy, events } = this.#options
    const head = chain.takeHead()
    if (head === undefined) return
    const note = sign(head, clock.nowMs(), this.#previousNote)
    this.#previousNote = sha256(note)
    this.#madeMs = clock.monotonicMs()
    this.#unstored = { head, note }
    if (copy !== undefined) this.#uncopied.push(note)
    if (this.#uncopied.length > UNCOPIED_MAX) this.#uncopied.shift()
    events.checkpointMade(head, note)
  }

  async #store(): Promise<void> {
    const { store, clock } = this.#options
    if (this.#unstored === undefined) return
    const timeoutMs = this.#isEnding ? LAST_STORE_TIMEOUT_MS : STORE_TIMEOUT_MS
    await store.add(this.#unstored.head, this.#unstored.note, clock.monotonicMs() + timeoutMs)
    this.#unstored = undefined
  }

  async #copy(): Promise<void> {
    for (let [oldest] = this.#uncopied; oldest !== undefined; [oldest] = this.#uncopied) {
      await this.#options.copy?.append(oldest)
      this.#uncopied.shift()
    }
  }

  #report(error: unknown): void {
    const { events } = this.#options
    if (error instanceof CalloutError) events.checkpointFailed(error)
    else events.unexpected('checkpoint', error)
  }
}
