import type { Config } from '../config/config.ts'
import type { Secrets } from '../config/secrets.ts'
import { NatsLink } from '../nats/connection.ts'
import { createEviction } from '../nats/eviction.ts'
import { Heartbeats } from '../nats/heartbeat.ts'
import { createKick, type Kick } from '../nats/system-link.ts'
import { systemClock as clock } from '../service/clock.ts'
import type { CalloutEvents, ReadinessProbe } from '../service/events.ts'
import { startLoopWatch, type LoopWatch } from '../service/loop-watch.ts'
import { Member, type Evict, type Group } from '../service/member.ts'
import { createPeers } from '../service/peers.ts'

/** What can be done through the system account of nats-server. */
export interface SystemAccount {
  readonly kick: Kick
  readonly evict: Evict
}

export interface SystemAccountOptions {
  readonly config: Config
  readonly secrets: Secrets
  readonly instanceId: string
  readonly events: CalloutEvents
}

/** The name of the connection on which a member serves. */
export function connectionName(instanceId: string): string {
  return `callout ${instanceId}`
}

/**
 * Connects in the background, if the configuration has a user for it: the service serves without, and then denies where
 * it would have disconnected.
 */
export function openSystemAccount(
  { config, secrets, instanceId, events }: SystemAccountOptions,
  stack: AsyncDisposableStack,
): SystemAccount | undefined {
  const { system, tls } = secrets.nats
  if (system === undefined) return undefined
  const link = stack.use(
    new NatsLink({
      servers: config.nats.servers,
      credentials: system,
      ...(tls === undefined ? {} : { tls }),
      name: `${connectionName(instanceId)} system`,
      clock,
      events: {
        natsConnection: (status, detail) => events.systemConnection(status, detail),
        unexpected: (where, error) => events.unexpected(where, error),
      },
    }),
  )
  link.open().catch(() => {
    // Closed before it was open: the service is ending.
  })
  const connection = (): typeof link.connection => link.connection
  const kick = createKick({ connection, clock, onFault: (error) => events.unexpected('nats.kick', error) })
  return {
    kick,
    evict: createEviction({
      connection,
      kick,
      nameOf: connectionName,
      clock,
      onFault: (error) => events.unexpected('nats.evict', error),
    }),
  }
}

export interface LivenessOptions {
  readonly link: NatsLink
  readonly connection: Awaited<ReturnType<NatsLink['open']>>
  readonly group: Group
  readonly loop: LoopWatch
  /** The parts `store_read` and `store_write`. */
  readonly storeProbe: ReadinessProbe
  readonly system: SystemAccount | undefined
  readonly instanceId: string
  readonly events: CalloutEvents
}

/** Keeps this member in the group as long as it can do its work; to be disposed of after the group was left for good. */
export function startMember(options: LivenessOptions, stack: AsyncDisposableStack): void {
  const { link, connection, group, loop, storeProbe, system, instanceId, events } = options
  const peers = createPeers()
  const heartbeats = stack.use(
    new Heartbeats({
      connection,
      isConnected: () => link.connected,
      memberId: instanceId,
      onPeer: (heartbeat) => peers.heard(heartbeat),
      events,
    }),
  )
  stack.use(
    new Member({
      heartbeats,
      peers,
      group,
      reconnect: () => link.reconnect('own heartbeats did not come back'),
      loop,
      storeUsable: () => storeProbe().every(({ ready }) => ready),
      ...(system === undefined ? {} : { evict: system.evict }),
      clock,
      events,
    }),
  )
}

export function watchLoop(): LoopWatch {
  return startLoopWatch({ clock, nextTurn: (callback) => void setImmediate(callback) })
}
