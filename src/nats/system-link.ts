import { errors, type NatsConnection } from '@nats-io/transport-node'
import type { Clock, DeadlineMs } from '../service/ports.ts'

/**
 * What became of a KICK: `done` when the connection is gone, whoever ended it; `unanswered` when that is not known at the
 * deadline; `impossible` when nothing was sent, or nobody may hear it.
 */
export type Kicked = 'done' | 'unanswered' | 'impossible'

/** Ends one connection of a client by its server's id and its connection id there, pending or not. Never throws. */
export type Kick = (serverId: string, connectionId: number, deadlineMs: DeadlineMs) => Promise<Kicked>

export interface KickOptions {
  /** The connection to the system account, while there is one. */
  readonly connection: () => NatsConnection | undefined
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** Something is wrong with the set-up: the user may not kick, or is not of the system account. */
  readonly onFault: (error: unknown) => void
}

/**
 * KICK over the system account (nats-server `server/events.go` kickClient, since 2.10). Without a reply subject the server
 * ignores it in silence, so it is a request. Server ids are new with each start and connection ids are not used twice,
 * so it never hits another client.
 */
export function createKick({ connection, clock, onFault }: KickOptions): Kick {
  return async (serverId, connectionId, deadlineMs) => {
    const system = connection()
    const timeout = Math.ceil(deadlineMs - clock.monotonicMs())
    if (system === undefined || timeout <= 0) return 'impossible'
    try {
      await system.request(`$SYS.REQ.SERVER.${serverId}.KICK`, JSON.stringify({ cid: connectionId }), { timeout })
      return 'done'
    } catch (error) {
      if (error instanceof errors.TimeoutError) return 'unanswered'
      onFault(error)
      return 'impossible'
    }
  }
}
