import type { NatsConnection } from '@nats-io/transport-node'
import type { Evict } from '../service/member.ts'
import type { ConnectionAddress } from '../service/peers.ts'
import type { Clock } from '../service/ports.ts'
import { askServer, type Kick } from './system-link.ts'

export interface EvictionOptions {
  /** The connection to the system account, while there is one. */
  readonly connection: () => NatsConnection | undefined
  readonly kick: Kick
  /** The name that the connection of a member has. */
  readonly nameOf: (memberId: string) => string
  readonly clock: Clock
  /** Something is wrong with the set-up: the user may not ask, or is not of the system account. */
  readonly onFault: (error: unknown) => void
}

/** A member that lives sends two heartbeats in this time. */
const OBSERVED_MS = 600
/** For one answer of nats-server. One that took longer says too little about the present. */
const ANSWER_WITHIN_MS = 250
const KICK_WITHIN_MS = 500

/** What nats-server knows of one connection. */
interface Observation {
  /** By the clock of that server. */
  readonly atMs: number
  readonly name: string
  /** Counts what came from the client, on the server's side. */
  readonly messagesReceived: number
}

/**
 * Ends the connection of a silent member, if nats-server, too, received nothing from it for long enough by the clock of
 * that server. So a member that is slow itself, or cut off from the others, never takes a healthy one for frozen.
 * nats-server then gives its requests to the other members; the frozen one connects again when it wakes.
 */
export function createEviction(options: EvictionOptions): Evict {
  const { kick, nameOf, clock } = options
  return async ({ memberId, address }) => {
    const first = await observe(options, address)
    if (typeof first === 'string') return first
    if (first.name !== nameOf(memberId)) return 'unknown'
    await new Promise<void>((resolve) => {
      clock.after(OBSERVED_MS, resolve)
    })
    const second = await observe(options, address)
    if (typeof second === 'string') return second
    if (second.messagesReceived !== first.messagesReceived) return 'alive'
    if (second.atMs - first.atMs < OBSERVED_MS * 0.9) return 'unknown'
    const kicked = await kick(address.serverId, address.connectionId, clock.monotonicMs() + KICK_WITHIN_MS)
    if (kicked === 'done') return 'evicted'
    // Asked later it would be a connection that ended by itself, and nobody would hear that it was ended.
    const isEnded = kicked === 'unanswered' && (await observe(options, address)) === 'gone'
    return isEnded ? 'evicted' : 'unknown'
  }
}

async function observe(
  { connection, clock, onFault }: EvictionOptions,
  { serverId, connectionId }: ConnectionAddress,
): Promise<Observation | 'gone' | 'unknown'> {
  const system = connection()
  if (system === undefined) return 'unknown'
  const askedMs = clock.monotonicMs()
  try {
    const answer = await askServer(system, `${serverId}.CONNZ`, { cid: connectionId }, ANSWER_WITHIN_MS)
    if (typeof answer === 'string' || clock.monotonicMs() - askedMs > ANSWER_WITHIN_MS) return 'unknown'
    return observationOf(answer.json())
  } catch (error) {
    onFault(error)
    return 'unknown'
  }
}

/** `server/monitor.go` Connz; a `cid` that the server does not have gives an empty list. */
function observationOf(answer: unknown): Observation | 'gone' | 'unknown' {
  const { now, connections } = (answer as { data?: { now?: unknown; connections?: unknown } }).data ?? {}
  const atMs = typeof now === 'string' ? Date.parse(now) : Number.NaN
  if (Number.isNaN(atMs) || !Array.isArray(connections)) return 'unknown'
  const [connection] = connections as { name?: unknown; in_msgs?: unknown }[]
  if (connection === undefined) return 'gone'
  const { name, in_msgs: messagesReceived } = connection
  if (typeof name !== 'string' || typeof messagesReceived !== 'number') return 'unknown'
  return { atMs, name, messagesReceived }
}
