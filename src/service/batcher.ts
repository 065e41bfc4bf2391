import { CalloutError, type CalloutErrorCode } from '../core/errors.ts'
import type { Clock, DeadlineMs } from './ports.ts'

export interface BatcherOptions<Item, Result> {
  /** One round trip for all items; results in the order of the items. */
  readonly run: (items: readonly Item[], deadlineMs: DeadlineMs) => Promise<readonly Result[]>
  readonly itemsMax: number
  readonly inFlightMax: number
  /** After so long a batch on its way is overdue, and the next does not wait for it any more. */
  readonly overdueMs: number
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
 * Natural batching: an item that finds nothing on its way goes at once and alone; while a batch is on its way, items
 * gather, and go together when it is back. They go earlier, beside it, when they fill a batch or when it is overdue: most
 * of the cost is that of the round trip, so two half-empty ones at a time are a waste until one hangs. No waiting
 * for company. An item whose deadline has passed while it waited is refused with `ERR_DEADLINE` and costs no round trip.
 */
export class Batcher<Item, Result> {
  readonly #options: BatcherOptions<Item, Result>
  #waiting: Waiting<Item, Result>[] = []
  /** When the batches that are on their way began. */
  readonly #inFlight = new Set<{ readonly startedMs: number }>()
  #scheduled = false
  #cancelTimer: (() => void) | undefined

  constructor(options: BatcherOptions<Item, Result>) {
    this.#options = options
  }

  /** Nothing waits and nothing is under way. */
  get idle(): boolean {
    return this.#waiting.length === 0 && this.#inFlight.size === 0
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
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      while (this.#mayStart()) {
        const batch = this.#next()
        if (batch.length > 0) void this.#run(batch)
      }
      this.#wakeWhenOverdue()
    })
  }

  #mayStart(): boolean {
    const { itemsMax, inFlightMax } = this.#options
    if (this.#waiting.length === 0 || this.#inFlight.size >= inFlightMax) return false
    return this.#waiting.length >= itemsMax || this.#untilOverdueMs() <= 0
  }

  /** Until every batch on its way is overdue; 0 when there is none. */
  #untilOverdueMs(): number {
    if (this.#inFlight.size === 0) return 0
    const latestMs = Math.max(...Array.from(this.#inFlight, ({ startedMs }) => startedMs))
    return latestMs + this.#options.overdueMs - this.#options.clock.monotonicMs()
  }

  /** When the answer does not come and no further item does, nothing else would call. One timer, whatever the load. */
  #wakeWhenOverdue(): void {
    if (this.#waiting.length === 0 || this.#inFlight.size >= this.#options.inFlightMax) {
      this.#cancelTimer?.()
      this.#cancelTimer = undefined
      return
    }
    this.#cancelTimer ??= this.#options.clock.after(Math.ceil(this.#untilOverdueMs()), () => {
      this.#cancelTimer = undefined
      this.#schedule()
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
    const startedMs = this.#options.clock.monotonicMs()
    const flight = { startedMs }
    this.#inFlight.add(flight)
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
      this.#inFlight.delete(flight)
      this.#options.settled?.(batch.length, this.#options.clock.monotonicMs() - startedMs, failure)
      this.#schedule()
    }
  }
}
