import { CalloutError } from '../core/errors.ts'
import type { CalloutEvents } from './events.ts'
import type { Clock, RecordSpool } from './ports.ts'

export interface SpoolKeeperOptions {
  readonly spool: RecordSpool
  /** Brings everything in the spool to where it belongs; returns how many records that were. Throws `CalloutError`. */
  readonly replay: () => Promise<number>
  readonly clock: Clock
  readonly events: Pick<CalloutEvents, 'spoolReplayed' | 'spoolKept' | 'unexpected'>
}

/** How long an outage goes on unnoticed after its end, at most. */
const LOOK_MS = 1000

/** Empties the spool as soon as that is possible again. */
export class SpoolKeeper implements AsyncDisposable {
  readonly #options: SpoolKeeperOptions
  #running: Promise<void> = Promise.resolve()
  #cancel: () => void = () => {}
  #isEnding = false

  /** Looks from now on, but not at once. */
  constructor(options: SpoolKeeperOptions) {
    this.#options = options
    this.#lookLater()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true
    this.#cancel()
    await this.#running
    await tryReplay(this.#options)
  }

  #lookLater(): void {
    if (this.#isEnding) return
    this.#cancel = this.#options.clock.after(LOOK_MS, () => {
      this.#running = tryReplay(this.#options).then(() => this.#lookLater())
    })
  }
}

/** Whether nothing is left. Never rejects. */
export async function tryReplay({ spool, replay, events }: Omit<SpoolKeeperOptions, 'clock'>): Promise<boolean> {
  if (spool.pending === 0) return true
  try {
    events.spoolReplayed(await replay())
    return true
  } catch (error) {
    if (error instanceof CalloutError) events.spoolKept(spool.pending, error)
    else events.unexpected('spool', error)
    return false
  }
}
