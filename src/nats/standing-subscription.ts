import { errors, type Msg, type NatsConnection, type Status, type Subscription } from '@nats-io/transport-node'
import type { CalloutEvents } from '../service/events.ts'

/** For a subscription that the service can do without: nats-server logs each one that it refuses. */
export const ASK_AGAIN_AFTER_MS = 30_000

export interface StandingSubscriptionOptions {
  readonly connection: NatsConnection
  readonly subject: string
  readonly queue?: string
  readonly onMessage: (message: Msg) => void
  /** nats-server refused it, or took it away. The connection reports the missing permission as well. */
  readonly onRefused?: (error: Error) => void
  /** `isUp` is another. */
  readonly onChange?: (isUp: boolean) => void
  /** Calls back when it is time to ask again after a refusal; what it returns calls that off. */
  readonly later: (callback: () => void) => () => void
  /** Where an exception of the callbacks is reported to have been caught. */
  readonly where: string
  readonly events: Pick<CalloutEvents, 'unexpected'>
}

/**
 * A subscription that comes back, also after a reload of nats-server that took its permission away for a while. The library
 * by itself subscribes again after each reconnect, but forgets for ever what was refused once.
 */
export class StandingSubscription implements Disposable {
  readonly #options: StandingSubscriptionOptions
  #subscription: Subscription | undefined
  #isWanted = false
  #isUp = false
  #callOff = (): void => {}

  /** Does not subscribe yet. */
  constructor(options: StandingSubscriptionOptions) {
    this.#options = options
    this.#follow().catch((error: unknown) => options.events.unexpected(options.where, error))
  }

  /** Whether it was started, and neither stopped nor drained since. */
  get isWanted(): boolean {
    return this.#isWanted
  }

  /** Whether nats-server has answered since it was subscribed on this connection, and has not refused it. */
  get isUp(): boolean {
    return this.#isUp
  }

  start(): void {
    if (this.#isWanted) return
    this.#isWanted = true
    this.#subscribe()
  }

  stop(): void {
    this.#giveUp()?.unsubscribe()
  }

  /** Stops; resolves when what nats-server had sent until then is received. Rejects when the connection ended meanwhile. */
  async drain(): Promise<void> {
    await this.#giveUp()?.drain()
  }

  [Symbol.dispose](): void {
    this.stop()
  }

  /** Returns the subscription if it is open. */
  #giveUp(): Subscription | undefined {
    const subscription = this.#subscription
    this.#isWanted = false
    this.#subscription = undefined
    this.#callOff()
    this.#setUp(false)
    return subscription?.isClosed() === false ? subscription : undefined
  }

  #subscribe(): void {
    const { connection, subject, queue, onMessage, where, events } = this.#options
    if (!this.#isWanted || this.#subscription !== undefined || connection.isClosed()) return
    const subscription = connection.subscribe(subject, {
      ...(queue === undefined ? {} : { queue }),
      callback: (error, message) => {
        try {
          if (error === null) onMessage(message)
          else if (subscription === this.#subscription) this.#refused(subscription, error)
        } catch (bug) {
          // An exception would end the reader of the connection.
          events.unexpected(where, bug)
        }
      },
    })
    this.#subscription = subscription
    void this.#confirm(subscription)
  }

  /** nats-server refuses before it answers a later ping. */
  async #confirm(subscription: Subscription): Promise<void> {
    try {
      await this.#options.connection.flush()
    } catch {
      // The connection is lost; it is confirmed on the next one.
      return
    }
    if (subscription === this.#subscription) this.#setUp(true)
  }

  #refused(subscription: Subscription, error: Error): void {
    this.#subscription = undefined
    if (!subscription.isClosed()) subscription.unsubscribe()
    this.#setUp(false)
    this.#options.onRefused?.(error)
    this.#callOff()
    this.#callOff = this.#options.later(() => this.#subscribe())
  }

  async #follow(): Promise<void> {
    for await (const status of this.#options.connection.status()) {
      const subscription = this.#subscription
      if (status.type === 'disconnect') this.#setUp(false)
      else if (status.type === 'reconnect') this.#renew()
      else if (subscription !== undefined && this.#isRefusal(status)) this.#refused(subscription, status.error)
    }
  }

  #renew(): void {
    if (this.#subscription === undefined) this.#subscribe()
    else void this.#confirm(this.#subscription)
  }

  /**
   * The library tells a subscription of its refusal unless nats-server leaves the name of the queue group out, as 2.10 does
   * when it reloads; then it keeps what is no subscription any more.
   */
  #isRefusal(status: Status): status is Status & { type: 'error' } {
    if (status.type !== 'error' || !(status.error instanceof errors.PermissionViolationError)) return false
    const { operation, subject, queue } = status.error
    return (
      operation === 'subscription' &&
      subject === this.#options.subject &&
      (queue === undefined || queue === this.#options.queue)
    )
  }

  #setUp(isUp: boolean): void {
    if (isUp === this.#isUp) return
    this.#isUp = isUp
    this.#options.onChange?.(isUp)
  }
}
