import { connect, errors } from '@nats-io/transport-node'
import type { NatsConnection } from '@nats-io/transport-node'
import { loginOptions } from './connection.ts'
import type { NatsCredentials, NatsLinkOptions } from './connection.ts'

export interface SingleLoginOptions extends Pick<NatsLinkOptions, 'tls' | 'name'> {
  readonly server: string
  /** Absent: a client that presents nothing. */
  readonly credentials?: NatsCredentials
  readonly withinMs: number
}

/** `refused`: the server said no. `silent`: it said nothing in time. `failed`: anything else, such as TLS. */
export type LoginOutcome =
  | { readonly kind: 'connected'; readonly connection: NatsConnection }
  | { readonly kind: 'refused' | 'silent' | 'failed'; readonly why: string }

/**
 * Logs in at this one server, once: no other server of its cluster, no second attempt. The caller closes the connection.
 * Throws `CalloutError('ERR_KEY_INVALID')` when the seed or the creds are not what they should be.
 */
export async function logInOnce({ server, withinMs, ...options }: SingleLoginOptions): Promise<LoginOutcome> {
  const login = loginOptions({ ...options, servers: [server] })
  try {
    const connection = await connect({
      ...login,
      name: options.name,
      timeout: withinMs,
      reconnect: false,
      ignoreClusterUpdates: true,
    })
    return { kind: 'connected', connection }
  } catch (error) {
    const why = error instanceof Error ? error.message : 'an error without a message'
    if (error instanceof errors.AuthorizationError) return { kind: 'refused', why }
    return { kind: error instanceof errors.TimeoutError ? 'silent' : 'failed', why }
  }
}
