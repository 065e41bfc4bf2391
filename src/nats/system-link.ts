import { errors, type Msg, type NatsConnection } from '@nats-io/transport-node'
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
      const answer = await askServer(system, `${serverId}.KICK`, { cid: connectionId }, timeout)
      if (answer === 'absent') return 'impossible'
      return answer === 'unanswered' ? 'unanswered' : 'done'
    } catch (error) {
      onFault(error)
      return 'impossible'
    }
  }
}

/**
 * Asks one server over the system account. `unanswered` when nothing came in time, or the connection ended meanwhile; `absent` when
 * there is no such server, as after it was started again, while others answer. Rejects when the user may not ask, or no server hears
 * it, as outside of the system account.
 */
export async function askServer(
  system: NatsConnection,
  question: `${string}.${string}`,
  body: object,
  timeoutMs: number,
): Promise<Msg | 'unanswered' | 'absent'> {
  try {
    return await system.request(`$SYS.REQ.SERVER.${question}`, JSON.stringify(body), { timeout: timeoutMs })
  } catch (error) {
    if (isSilence(error)) return 'unanswered'
    if (!(error instanceof errors.RequestError && error.isNoResponders())) throw error
    return await absence(system, timeoutMs, error)
  }
}

async function absence(
  system: NatsConnection,
  timeoutMs: number,
  noResponders: unknown,
): Promise<'unanswered' | 'absent'> {
  try {
    await system.request('$SYS.REQ.SERVER.PING.VARZ', '', { timeout: timeoutMs })
    return 'absent'
  } catch (error) {
    if (isSilence(error)) return 'unanswered'
    throw noResponders
  }
}

/** Of a lost connection the link itself tells. The library gives a lost request no class of its own, but a cause to all others. */
function isSilence(error: unknown): boolean {
  if (error instanceof errors.TimeoutError || error instanceof errors.ClosedConnectionError) return true
  return error instanceof errors.RequestError && error.cause === undefined
}
