import { errors } from '@nats-io/transport-node'
import type { NatsConnection } from '@nats-io/transport-node'
import { CALLOUT_SUBJECT } from './callout-endpoint.ts'
import { AUTH_ERROR_SUBJECT } from './refused-allows.ts'

/** What the user of a connection may do, as nats-server judged it. */
export interface TriedPermissions {
  /** Absent when it was not tried. */
  readonly mayJoinQueue?: boolean
  /** Subscribe to authorization requests outside the queue group, and so get a copy of each. */
  readonly mayListenAside: boolean
  /** Hear that nats-server did not admit a client although the service allowed it. */
  readonly mayHearRefusals: boolean
  /** Publish somewhere that nobody asked for an answer on. */
  readonly mayPublishAnywhere: boolean
}

export interface PermissionTrialOptions {
  readonly connection: NatsConnection
  readonly queue: string
  /** Whether to try the queue group itself: a request that comes in that instant would be lost. */
  readonly joinQueue: boolean
  /** A subject that nobody else uses. */
  readonly unusedSubject: string
}

/**
 * Tries by doing: nats-server tells a user its permissions only when it may ask for them, which the user of the service may
 * not. Each subscription is taken back in the same write, so the server holds it for some microseconds.
 */
export async function tryPermissions(options: PermissionTrialOptions): Promise<TriedPermissions> {
  const { connection, queue, joinQueue, unusedSubject } = options
  const violations: InstanceType<typeof errors.PermissionViolationError>[] = []
  const statuses = connection.status()
  const watching = (async () => {
    for await (const status of statuses) {
      if (status.type === 'error' && status.error instanceof errors.PermissionViolationError) {
        violations.push(status.error)
      }
    }
  })()
  const listenTo = (subject: string, group: { readonly queue?: string } = {}): void =>
    connection.subscribe(subject, { ...group, callback: () => {} }).unsubscribe()
  if (joinQueue) listenTo(CALLOUT_SUBJECT, { queue })
  listenTo(CALLOUT_SUBJECT)
  listenTo(AUTH_ERROR_SUBJECT)
  connection.publish(unusedSubject)
  await connection.flush()
  // The server answers in order, so its refusals are here; one turn lets the loop above see them.
  await new Promise(setImmediate)
  void watching
  const isRefused = (subject: string, group?: string): boolean =>
    violations.some((violation) => violation.subject === subject && violation.queue === group)
  return {
    ...(joinQueue ? { mayJoinQueue: !isRefused(CALLOUT_SUBJECT, queue) } : {}),
    mayListenAside: !isRefused(CALLOUT_SUBJECT),
    mayHearRefusals: !isRefused(AUTH_ERROR_SUBJECT),
    mayPublishAnywhere: !isRefused(unusedSubject),
  }
}
