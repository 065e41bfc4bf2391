import { createConcurrencyLimit, type ConcurrencyLimit } from './concurrency-limit.ts'
import { createDurationEstimate, type DurationEstimate } from './duration-estimate.ts'
import type { CalloutEvents } from './events.ts'
import type { Clock } from './ports.ts'

export interface AdmissionOptions<Item> {
  /**
   * Begins work on an item and settles when it is done; resolves with whether it was work at all. What turns out to be
   * none says nothing about how long work takes. What runs before the first wait must be short: it holds the reader of
   * the connection.
   */
  readonly start: (item: Item, receivedAtMs: number) => Promise<boolean>
  /** Refuses an item that cannot be answered in time, as cheaply as it can. Must not throw. */
  readonly shed: (item: Item, receivedAtMs: number) => void
  /** As many at once as do good, at most so many. */
  readonly inFlightMax: number
  /** From receipt to answer. */
  readonly deadlineMs: number
  readonly waitingMax: number
  readonly waitingBytesMax: number
  readonly clock: Clock
  /** Calls back in the next turn of the event loop, after sockets were read: `setImmediate`. */
  readonly nextTurn: (callback: () => void) => void
  readonly events: Pick<CalloutEvents, 'inFlight'>
}

/** Longest time in one go; in between sockets are read, so that messages are stamped when they arrive. */
const SLICE_MS = 5
/** A request has to be refused so long before the deadline at the latest: that, too, takes a moment. */
const REFUSAL_MS = 50
/**
 * Durations are those of an outage when nothing else is left of them; a fresh request is started whatever they say, or
 * nobody would notice that the outage has ended.
 */
const ESTIMATE_SHARE_MAX = 0.8
/** Work that takes a larger share of the deadline is taken for too much work at once. */
const TARGET_SHARE = 0.3
/** While the oldest has waited for a shorter share of the deadline than this, the order of arrival is kept. */
const FAIR_SHARE = 0.1

interface Waiting<Item> {
  readonly item: Item
  readonly bytes: number
  readonly receivedAtMs: number
}

/**
 * Decides what is worked on and what is refused, whatever the load. An item waits until there is a free place, and is
 * started only if what such work takes these days still fits before its deadline; otherwise it is shed at that moment, or
 * as soon as so many came after it that its turn will not come. More items or bytes than may wait shed the oldest.
 *
 * Usually first come, first served. Under overload the newest is served first: it has the best chance to be in time,
 * and as many are served; in order of arrival each would be served at the last moment.
 */
export class Admission<Item> {
  readonly #options: AdmissionOptions<Item>
  readonly #durations: DurationEstimate = createDurationEstimate()
  /** Oldest first. Entries before `#first` are gone. */
  #waiting: (Waiting<Item> | undefined)[] = []
  #first = 0
  #bytes = 0
  readonly #limit: ConcurrencyLimit
  #inFlight = 0
  #scheduled = false
  #cancelTimer: (() => void) | undefined
  #onIdle: (() => void)[] = []

  constructor(options: AdmissionOptions<Item>) {
    this.#options = options
    this.#limit = createConcurrencyLimit({ max: options.inFlightMax, targetMs: options.deadlineMs * TARGET_SHARE })
  }

  get inFlight(): number {
    return this.#inFlight
  }

  get waiting(): number {
    return this.#waiting.length - this.#first
  }

  /** Resolves when nothing waits and nothing is worked on. */
  async idle(): Promise<void> {
    while (this.waiting > 0 || this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle.push(resolve)
      })
    }
  }

  /** Lets the item wait; its deadline counts from `receivedAtMs`. Cheap. */
  offer(item: Item, bytes: number, receivedAtMs: number): void {
    const { waitingMax, waitingBytesMax } = this.#options
    this.#waiting.push({ item, bytes, receivedAtMs })
    this.#bytes += bytes
    while (this.waiting > waitingMax || this.#bytes > waitingBytesMax) this.#shedOldest()
    this.#report()
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled || this.waiting === 0) return
    this.#scheduled = true
    this.#options.nextTurn(() => {
      this.#scheduled = false
      this.#work()
    })
  }

  #work(): void {
    const { clock } = this.#options
    const startedMs = clock.monotonicMs()
    while (this.#hasHopeless(clock.monotonicMs())) {
      if (clock.monotonicMs() - startedMs >= SLICE_MS / 2) break
      this.#shedOldest()
    }
    while (this.#inFlight < this.#limit.places) {
      const nowMs = clock.monotonicMs()
      if (!this.#newestCanMakeIt(nowMs)) break
      if (nowMs - startedMs >= SLICE_MS) return this.#schedule()
      this.#startNext(nowMs)
    }
    this.#report()
    if (this.#hasHopeless(clock.monotonicMs())) this.#schedule()
    else this.#wakeForOldest()
  }

  #startNext(nowMs: number): void {
    const { start, clock, deadlineMs } = this.#options
    const oldest = this.#waiting[this.#first]
    const inOrder = oldest !== undefined && nowMs - oldest.receivedAtMs < deadlineMs * FAIR_SHARE
    const next = inOrder ? this.#takeOldest() : this.#takeNewest()
    if (next === undefined) return
    this.#inFlight += 1
    const settled = (wasWork: boolean): void => {
      if (wasWork) {
        this.#durations.add(clock.monotonicMs() - nowMs)
        this.#limit.adapt(this.#durations.ms, this.#inFlight)
      }
      this.#inFlight -= 1
      this.#report()
      this.#schedule()
    }
    start(next.item, next.receivedAtMs).then(settled, () => settled(true))
  }

  #shedOldest(): void {
    const oldest = this.#takeOldest()
    if (oldest !== undefined) this.#options.shed(oldest.item, oldest.receivedAtMs)
  }

  /** Whether the oldest cannot be served in time any more, or will not be, for all that came after it. */
  #hasHopeless(nowMs: number): boolean {
    const oldest = this.#waiting[this.#first]
    return oldest !== undefined && (nowMs >= this.#startBy(oldest) || this.waiting > this.#servable())
  }

  /** So many can be served before their deadline, by what most work takes. */
  #servable(): number {
    const roundsLeft = this.#options.deadlineMs / Math.max(this.#durations.ms, 1)
    return this.#limit.places * Math.max(1, roundsLeft)
  }

  /** If the newest cannot, nobody can. */
  #newestCanMakeIt(nowMs: number): boolean {
    const newest = this.waiting === 0 ? undefined : this.#waiting.at(-1)
    return newest !== undefined && nowMs < this.#startBy(newest)
  }

  /** The last moment at which work on it makes sense. */
  #startBy({ receivedAtMs }: Waiting<Item>): number {
    const { deadlineMs } = this.#options
    const estimateMs = Math.min(this.#durations.ms, deadlineMs * ESTIMATE_SHARE_MAX)
    return receivedAtMs + deadlineMs - Math.max(estimateMs, REFUSAL_MS)
  }

  /** While every place is taken by work that hangs, nothing else would call. */
  #wakeForOldest(): void {
    const { clock } = this.#options
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    const oldest = this.#waiting[this.#first]
    if (oldest === undefined) return
    const delayMs = Math.max(1, this.#startBy(oldest) - clock.monotonicMs())
    this.#cancelTimer = clock.after(delayMs, () => this.#schedule())
  }

  #takeNewest(): Waiting<Item> | undefined {
    return this.#taken(this.waiting === 0 ? undefined : this.#waiting.pop())
  }

  #takeOldest(): Waiting<Item> | undefined {
    if (this.waiting === 0) return undefined
    const oldest = this.#waiting[this.#first]
    this.#waiting[this.#first] = undefined
    this.#first += 1
    return this.#taken(oldest)
  }

  #taken(entry: Waiting<Item> | undefined): Waiting<Item> | undefined {
    this.#bytes -= entry?.bytes ?? 0
    // Half of the list gone is soon enough, and makes it one copy for each entry on average.
    if (this.#first * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#first)
      this.#first = 0
    }
    return entry
  }

  #report(): void {
    this.#options.events.inFlight(this.#inFlight, this.waiting)
    if (this.waiting > 0 || this.#inFlight > 0) return
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }
}
