import type { ChainHead } from '../core/audit-chain.ts'
import type { AuditEntry } from '../core/audit-entry.ts'
import type { CalloutError, CalloutErrorCode } from '../core/errors.ts'
import type { AbortCode } from '../core/reasons.ts'
import type { Trouble } from './membership.ts'

/** Steps of one request, in order; the label of the stage histogram. */
export const STAGES = ['wait', 'open', 'verify', 'grants', 'decide', 'sign', 'audit', 'respond'] as const
export type Stage = (typeof STAGES)[number]

/** Milliseconds spent in each step that the request reached. */
export type StageDurations = Partial<Record<Stage, number>>

/**
 * What became of the answer: `late` was not sent because the deadline had passed, `dropped` is a refusal that is not
 * sent by choice, `disconnected` is a client whose connection was ended in place of a refusal.
 */
export type Delivery = 'sent' | 'dropped' | 'disconnected' | 'late' | 'failed'

/**
 * What became of a question to an issuer about a token. `cached` was answered before, `probed` is a question about a
 * made-up token that was answered as it should be.
 */
export type IntrospectionResult = 'active' | 'inactive' | 'cached' | 'failed' | 'probed'

/**
 * One function per business event; the implementation in `telemetry/` feeds metric and log line together, so the two
 * cannot drift. Implementations never throw and never block.
 */
export interface CalloutEvents {
  /** A message that was not a genuine authorization request, or was read too late; it got no answer. */
  requestAborted(code: AbortCode): void
  /** A decision was made, and recorded if `recorded`; called once for each genuine request. */
  decided(entry: AuditEntry, durations: StageDurations, recorded: boolean, delivery: Delivery): void
  /**
   * nats-server did not admit a client that was allowed; `why` is its own text, empty when it had given up before.
   */
  allowRefused(decisionId: string, why: string): void
  /** The row of a denial is lost, or the row of an allow could not be confirmed (which made it a denial). */
  auditFailed(outcome: 'allow' | 'deny', rows: number, error: unknown): void
  /** Requests that are being worked on right now, and that wait for it. */
  inFlight(count: number, waiting: number): void
  /** A message was refused unread, for overload; nothing is known of it, so there is no row. */
  refusedUnread(): void
  /** One round trip of a natural batch ended. */
  batchSettled(kind: 'grants' | 'audit', items: number, durationMs: number, failure: CalloutErrorCode | undefined): void
  /** The keys of an issuer were fetched, or not. */
  keySetRefreshed(issuerId: string, failure: string | undefined): void
  /** An issuer was asked about a token, or not because the answer was known; `failure` says why it failed. */
  introspected(issuerId: string, result: IntrospectionResult, failure: string | undefined): void
  /** The connection to nats-server changed. */
  natsConnection(status: 'connected' | 'disconnected' | 'closed', detail: string): void
  /** The connection to the system account changed. */
  systemConnection(status: 'connected' | 'disconnected' | 'closed', detail: string): void
  /** New requests may come to this member from now on, or do not any more. */
  groupMember(isMember: boolean): void
  /** This member left the queue group because of a trouble, or came back (undefined). */
  membership(trouble: Trouble | undefined): void
  /** Own heartbeats come back on this connection, or none did from its beginning. */
  heartbeat(status: 'heard' | 'unheard'): void
  /** The connection of a frozen peer was ended. */
  evicted(memberId: string): void
  /** A call to Spanner failed; `recovered` reports the first success after failures. */
  storeFault(operation: string, code: CalloutErrorCode, detail: string): void
  storeRecovered(operation: string, downMs: number): void
  /** This member writes the history of policy from now on, or another does. */
  historyWriter(isWriting: boolean): void
  /** Changes of policy were added to the history. */
  historyRecorded(changes: number): void
  /** The history could not be gone on with for now; it is tried again. */
  historyFailed(error: CalloutError): void
  /** What was changed between the two timestamps was not kept long enough to be recorded. */
  historyGap(from: string, until: string): void
  /** Rows that had been kept on the disk are in the database. */
  spoolReplayed(rows: number): void
  /** So many rows stay on the disk for now; it is tried again. */
  spoolKept(rows: number, error: CalloutError): void
  /** The chain of the audit was signed as far as the head says; `note` is what was signed. */
  checkpointMade(head: ChainHead, note: string): void
  /** A checkpoint could not be stored or copied for now; it is tried again. */
  checkpointFailed(error: CalloutError): void
  /** A bug was caught; the request it belongs to was denied with `internal`. */
  unexpected(where: string, error: unknown): void
}

/** One line of `/readyz`: a part of the service and, when it is not ready, why and since when. */
export interface ReadinessCheck {
  readonly part: string
  readonly ready: boolean
  readonly why?: string
}

/** Asked at each `/readyz`; answers from memory, never waits. */
export type ReadinessProbe = () => readonly ReadinessCheck[]
