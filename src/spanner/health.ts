import { CalloutError } from '../core/errors.ts'
import type { ReadinessCheck, ReadinessProbe } from '../service/events.ts'
import type { Clock } from '../service/ports.ts'
import type { SpannerDatabase } from './database.ts'
import { upsertion } from './mutation.ts'
import { INSTANCE_COLUMNS, INSTANCES } from './schema.ts'
import { COMMIT_TIMESTAMP, stringValue, timestampValue } from './values.ts'

/** A failure shows in `/readyz` within about this time and the timeout below; the load is two small calls. */
const INTERVAL_MS = 2000
/** As long as a request waits by default: slower than this, none can be served. */
const TIMEOUT_MS = 1500

export interface StoreHealthOptions {
  readonly database: SpannerDatabase
  readonly clock: Clock
  readonly instanceId: string
  readonly version: string
}

/**
 * Knows whether the store can be read and written, by doing both every few seconds from its construction on. The write is the row
 * of this process in `Instances`, which so tells security teams which services run; rows of ended processes go after a week.
 */
export class StoreHealth implements AsyncDisposable {
  readonly #checks: readonly Check[]

  constructor({ database, clock, instanceId, version }: StoreHealthOptions) {
    const startedMs = clock.nowMs()
    const write = (): Promise<void> => {
      const row = [stringValue(instanceId), timestampValue(startedMs), COMMIT_TIMESTAMP, stringValue(version)]
      const deadlineMs = clock.monotonicMs() + TIMEOUT_MS
      return database.commit([upsertion(INSTANCES, INSTANCE_COLUMNS, [row])], { repeatable: true }, deadlineMs)
    }
    const read = async (): Promise<void> => {
      const own = { table: INSTANCES, columns: ['SeenAt'], prefixes: [[stringValue(instanceId)]], limit: 1 }
      await database.read(own, 'strong', clock.monotonicMs() + TIMEOUT_MS)
    }
    this.#checks = [startCheck('store_read', read, clock), startCheck('store_write', write, clock)]
  }

  /** Parts `store_read` and `store_write`, from memory. */
  readonly probe: ReadinessProbe = () => this.#checks.map((check) => check.state())

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#checks.map((check) => check.stop()))
  }
}

interface Check {
  state(): ReadinessCheck
  stop(): Promise<void>
}

function startCheck(part: string, attempt: () => Promise<void>, clock: Clock): Check {
  let state: ReadinessCheck = { part, ready: false, why: 'not tried yet' }
  let cancel = (): void => {}
  let stopped = false
  let running = Promise.resolve()
  const run = async (): Promise<void> => {
    try {
      await attempt()
      state = { part, ready: true }
    } catch (error) {
      state = { part, ready: false, why: error instanceof CalloutError ? error.message : String(error) }
    }
    if (!stopped) cancel = clock.after(INTERVAL_MS, next)
  }
  const next = (): void => {
    running = run()
  }
  next()
  return {
    state: () => state,
    async stop() {
      stopped = true
      cancel()
      await running
    },
  }
}
