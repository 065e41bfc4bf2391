import { CalloutError, type CalloutErrorCode } from '../core/errors.ts'
import type { Clock, DeadlineMs } from './ports.ts'

export interface BatcherOptions<Item, Result> {
  /** One round trip for all items; results in the order of the items. */
  readonly run: (items: readonly Item[], deadlineMs: DeadlineMs) => Promise<readonly Result[]>
  readonly itemsMax: number
  readonly inFlightMax: number
  /** Items that may wait for a batch; one more is refused with `ERR_OVERLOADED`. */
  readonly waitingMax: number
  readonly clock: Clock
  readonly settled?: (items: number, durationMs: number, failure: CalloutErrorCode | undefined) => void
}

interface Waiting<Item, Result> {
  readonly item: Item
  readonly deadlineMs: DeadlineMs
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

/**
 * Natural batching: an item that finds a free slot goes at once and alone; while all slots are busy, items gather and go
 * together as soon as one is free. No timers, no waiting for company. An item whose deadline has passed while it
 * waited is refused with `ERR_DEADLINE` and costs no round trip.
 */
export class Batcher<Item, Result> {
  readonly #options: BatcherOptions<Item, Result>
  #waiting: Waiting<Item, Result>[] = []
  #inFlight = 0
  #scheduled = false

  constructor(options: BatcherOptions<Item, Result>) {
    this.#options = options
  }

  /** Nothing waits and nothing is under way. */
  get idle(): boolean {
    return this.#waiting.length === 0 && this.#inFlight === 0
  }

  submit(item: Item, deadlineMs: DeadlineMs): Promise<Result> {
    if (this.#waiting.length >= this.#options.waitingMax) {
      return Promise.reject(
        new CalloutError('ERR_OVERLOADED', `more than ${this.#options.waitingMax} items wait for a batch`),
      )
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, deadlineMs, resolve, reject })
      this.#schedule()
    })
  }

  /** Requests of one turn of the event loop arrive one callback at a time; a microtask lets them share a batch. */
  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= this.#options.inFlightMax) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      while (this.#waiting.length > 0 && this.#inFlight < this.#options.inFlightMax) {
        const batch = this.#next()
        if (batch.length > 0) void this.#run(batch)
      }
    })
  }

  #next(): Waiting<Item, Result>[] {
    const taken = this.#waiting.slice(0, this.#options.itemsMax)
    this.#waiting = this.#waiting.slice(taken.length)
    const nowMs = this.#options.clock.monotonicMs()
    for (const late of taken.filter((entry) => entry.deadlineMs <= nowMs)) {
      late.reject(new CalloutError('ERR_DEADLINE', 'the deadline passed before a batch was free'))
    }
    return taken.filter((entry) => entry.deadlineMs > nowMs)
  }

  async #run(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    this.#inFlight += 1
    const startedMs = this.#options.clock.monotonicMs()
    let failure: CalloutErrorCode | undefined
    try {
      const deadlineMs = Math.max(...batch.map((entry) => entry.deadlineMs))
      const results = await this.#options.run(
        batch.map((entry) => entry.item),
        deadlineMs,
      )
      if (results.length !== batch.length) throw new TypeError(`${results.length} results for ${batch.length} items`)
      for (const [index, entry] of batch.entries()) entry.resolve(results[index] as Result)
    } catch (error) {
      failure = error instanceof CalloutError ? error.code : 'ERR_STORE_UNAVAILABLE'
      for (const entry of batch) entry.reject(error)
    } finally {
      this.#inFlight -= 1
      this.#options.settled?.(batch.length, this.#options.clock.monotonicMs() - startedMs, failure)
      this.#schedule()
    }
  }
}
