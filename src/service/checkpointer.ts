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
const STORE_TIMEOUT_MS = 5_000

interface Made {
  readonly head: ChainHead
  readonly note: string
  isCopied: boolean
  isStored: boolean
}

/**
 * Signs how far the chain of this process is settled: soon after its first row, then when ten seconds or a thousand rows have passed,
 * and at the end. What is signed is told to the log, copied, and stored; what could not be copied or stored is tried again,
 * in order, before anything later is signed. Nobody waits for it.
 */
export class Checkpointer implements AsyncDisposable {
  readonly #options: CheckpointerOptions
  #previousNote = CHAIN_START
  #madeMs = Number.NEGATIVE_INFINITY
  #unkept: Made | undefined
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
    await this.#make()
  }

  #lookLater(): () => void {
    return this.#options.clock.after(LOOK_MS, () => {
      this.#running = this.#look()
    })
  }

  async #look(): Promise<void> {
    if (this.#isDue()) await this.#make()
    if (!this.#isEnding) this.#cancel = this.#lookLater()
  }

  #isDue(): boolean {
    const { chain, clock } = this.#options
    return (
      this.#unkept !== undefined ||
      chain.untold >= EVERY_ROWS ||
      (chain.untold > 0 && clock.monotonicMs() - this.#madeMs >= EVERY_MS)
    )
  }

  /** Never rejects. */
  async #make(): Promise<void> {
    const { chain, sign, sha256, clock, events } = this.#options
    try {
      if (this.#unkept === undefined) {
        const head = chain.takeHead()
        if (head === undefined) return
        const note = sign(head, clock.nowMs(), this.#previousNote)
        this.#previousNote = sha256(note)
        this.#madeMs = clock.monotonicMs()
        this.#unkept = { head, note, isCopied: false, isStored: false }
        events.checkpointMade(head, note)
      }
      await this.#keep(this.#unkept)
      this.#unkept = undefined
    } catch (error) {
      if (error instanceof CalloutError) events.checkpointFailed(error)
      else events.unexpected('checkpoint', error)
    }
  }

  /** That one place does not take it does not keep it from the other. */
  async #keep(made: Made): Promise<void> {
    const { copy, store, clock } = this.#options
    const copied = made.isCopied || copy === undefined ? undefined : failureOf(copy.append(made.note))
    const deadlineMs = clock.monotonicMs() + STORE_TIMEOUT_MS
    const stored = made.isStored ? undefined : failureOf(store.add(made.head, made.note, deadlineMs))
    const failures = await Promise.all([copied, stored])
    made.isCopied ||= failures[0] === undefined
    made.isStored ||= failures[1] === undefined
    for (const failure of failures) if (failure !== undefined) throw failure.error
  }
}

async function failureOf(work: Promise<void>): Promise<{ readonly error: unknown } | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    return { error }
  }
}
