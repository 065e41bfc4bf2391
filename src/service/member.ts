import type { CalloutEvents } from './events.ts'
import type { LoopWatch } from './loop-watch.ts'
import { createMembership, type Trouble } from './membership.ts'
import type { Heartbeat, Peers } from './peers.ts'
import type { Clock } from './ports.ts'

/** The queue group, as this member sees it. */
export interface Group {
  /** Whether requests come here. */
  readonly joined: boolean
  join(): void
  /** New requests go to other members; those that have come are answered. */
  leave(why: Trouble): void
  /** Resolves when every request that came is answered, or can no longer be. */
  settled(): Promise<void>
}

/**
 * Ends the connection of a member that its own nats-server has not heard of for a while. Resolves when it is gone or
 * turned out to be alive. Never throws.
 */
export type Evict = (peer: Heartbeat) => Promise<'evicted' | 'gone' | 'alive' | 'unknown'>

export interface MemberOptions {
  readonly heartbeats: { readonly lost: number; readonly isListening: boolean; send(able: boolean): void }
  readonly peers: Peers
  readonly group: Group
  /** Gives up the connection for a new one. */
  readonly reconnect: () => Promise<void>
  readonly loop: Pick<LoopWatch, 'takeStandstillMs'>
  readonly storeUsable: () => boolean
  /** Without it nobody ends what is frozen but nats-server, by its pings. */
  readonly evict?: Evict
  readonly clock: Clock
  readonly events: Pick<CalloutEvents, 'membership' | 'evicted' | 'unexpected'>
}

export const BEAT_EVERY_MS = 250
/** Whoever hears itself worse than this is in no position to judge others. */
const OWN_LOST_MAX = 1

/**
 * Keeps this member in the queue group while it can do its work and out of it while it cannot, and sees to it that a
 * frozen peer does not stay in.
 */
export class Member implements Disposable {
  readonly #options: MemberOptions
  readonly #membership = createMembership()
  /** Ids of the peers that are being looked into. */
  readonly #suspects = new Set<string>()
  #trouble: Trouble | undefined
  #reconnecting = false
  #cancel: () => void

  /** Beats from now on. */
  constructor(options: MemberOptions) {
    this.#options = options
    this.#cancel = options.clock.after(0, () => this.#beat())
  }

  [Symbol.dispose](): void {
    this.#cancel()
  }

  #beat(): void {
    const { clock, events } = this.#options
    this.#cancel = clock.after(BEAT_EVERY_MS, () => this.#beat())
    try {
      this.#look()
    } catch (bug) {
      events.unexpected('member', bug)
    }
  }

  #look(): void {
    const { heartbeats, peers, group, loop, storeUsable, clock } = this.#options
    peers.look()
    this.#membership.look({
      nowMs: clock.monotonicMs(),
      heartbeatsLost: heartbeats.lost,
      standstillMs: loop.takeStandstillMs(),
      storeUsable: storeUsable(),
      ablePeers: peers.able,
    })
    this.#follow(this.#membership.trouble)
    heartbeats.send(this.#membership.able && group.joined)
    if (heartbeats.lost <= OWN_LOST_MAX && this.#membership.trouble !== 'slow') this.#watchPeers()
  }

  #follow(trouble: Trouble | undefined): void {
    const { group, events } = this.#options
    if (trouble === 'deaf') this.#reconnect()
    if (trouble === this.#trouble) return
    this.#trouble = trouble
    events.membership(trouble)
    if (trouble === undefined) group.join()
    else group.leave(trouble)
  }

  /** What was received before may still be answered: the other direction may be well. */
  #reconnect(): void {
    const { group, reconnect, events } = this.#options
    if (this.#reconnecting) return
    this.#reconnecting = true
    const run = async (): Promise<void> => {
      group.leave('deaf')
      await group.settled()
      await reconnect()
    }
    run()
      .catch((error: unknown) => events.unexpected('member.reconnect', error))
      .finally(() => {
        this.#reconnecting = false
      })
  }

  #watchPeers(): void {
    const { heartbeats, peers, evict } = this.#options
    if (evict === undefined) return
    for (const peer of peers.silent)
      if (!heartbeats.isListening) peers.forget(peer.memberId)
      else if (!this.#suspects.has(peer.memberId)) void this.#lookInto(peer, evict)
  }

  async #lookInto(peer: Heartbeat, evict: Evict): Promise<void> {
    const { peers, events } = this.#options
    this.#suspects.add(peer.memberId)
    const outcome = await evict(peer)
    this.#suspects.delete(peer.memberId)
    if (outcome === 'evicted') events.evicted(peer.memberId)
    if (outcome === 'evicted' || outcome === 'gone') peers.forget(peer.memberId)
  }
}
