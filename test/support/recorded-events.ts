import type { ChainHead } from '../../src/core/audit-chain.ts'
import type { AuditEntry } from '../../src/core/audit-entry.ts'
import type { CalloutError } from '../../src/core/errors.ts'
import type { AbortCode } from '../../src/core/reasons.ts'
import type { Trouble } from '../../src/service/membership.ts'
import type { CalloutEvents, Delivery, IntrospectionResult, StageDurations } from '../../src/service/events.ts'

export interface DecidedEvent {
  readonly entry: AuditEntry
  readonly durations: StageDurations
  readonly recorded: boolean
  readonly delivery: Delivery
}

/** Keeps what was reported, for tests to look at. */
export class RecordedEvents implements CalloutEvents {
  readonly aborts: AbortCode[] = []
  readonly decisions: DecidedEvent[] = []
  readonly refusedAllows: { decisionId: string; why: string }[] = []
  readonly auditFailures: { outcome: 'allow' | 'deny'; rows: number; error: unknown }[] = []
  unread = 0
  inFlightMax = 0
  waitingMax = 0
  waiting = 0
  readonly batches: { kind: 'grants' | 'audit'; items: number; failure: string | undefined }[] = []
  readonly keySets: { issuerId: string; failure: string | undefined }[] = []
  readonly introspections: { issuerId: string; result: IntrospectionResult; failure: string | undefined }[] = []
  readonly connections: string[] = []
  readonly groupMemberships: boolean[] = []
  readonly memberships: (Trouble | 'in')[] = []
  readonly heartbeats: string[] = []
  readonly evictions: string[] = []
  readonly faults: { operation: string; code: string; detail: string }[] = []
  readonly recoveries: string[] = []
  historyChanges = 0
  readonly historyWriters: boolean[] = []
  readonly historyFailures: CalloutError[] = []
  readonly historyGaps: { from: string; until: string }[] = []
  readonly spoolReplays: number[] = []
  readonly spoolFailures: { rows: number; error: CalloutError }[] = []
  readonly checkpoints: { head: ChainHead; note: string }[] = []
  readonly checkpointFailures: CalloutError[] = []
  readonly unexpectedErrors: { where: string; error: unknown }[] = []

  requestAborted(code: AbortCode): void {
    this.aborts.push(code)
  }

  decided(entry: AuditEntry, durations: StageDurations, recorded: boolean, delivery: Delivery): void {
    this.decisions.push({ entry, durations, recorded, delivery })
  }

  allowRefused(decisionId: string, why: string): void {
    this.refusedAllows.push({ decisionId, why })
  }

  auditFailed(outcome: 'allow' | 'deny', rows: number, error: unknown): void {
    this.auditFailures.push({ outcome, rows, error })
  }

  refusedUnread(): void {
    this.unread += 1
  }

  inFlight(count: number, waiting: number): void {
    this.inFlightMax = Math.max(this.inFlightMax, count)
    this.waitingMax = Math.max(this.waitingMax, waiting)
    this.waiting = waiting
  }

  batchSettled(kind: 'grants' | 'audit', items: number, _durationMs: number, failure: string | undefined): void {
    this.batches.push({ kind, items, failure })
  }

  keySetRefreshed(issuerId: string, failure: string | undefined): void {
    this.keySets.push({ issuerId, failure })
  }

  introspected(issuerId: string, result: IntrospectionResult, failure: string | undefined): void {
    this.introspections.push({ issuerId, result, failure })
  }

  natsConnection(status: 'connected' | 'disconnected' | 'closed'): void {
    this.connections.push(status)
  }

  systemConnection(status: 'connected' | 'disconnected' | 'closed'): void {
    this.connections.push(`system ${status}`)
  }

  groupMember(isMember: boolean): void {
    this.groupMemberships.push(isMember)
  }

  membership(trouble: Trouble | undefined): void {
    this.memberships.push(trouble ?? 'in')
  }

  heartbeat(status: 'heard' | 'unheard'): void {
    this.heartbeats.push(status)
  }

  evicted(memberId: string): void {
    this.evictions.push(memberId)
  }

  storeFault(operation: string, code: string, detail: string): void {
    this.faults.push({ operation, code, detail })
  }

  storeRecovered(operation: string): void {
    this.recoveries.push(operation)
  }

  historyWriter(isWriting: boolean): void {
    this.historyWriters.push(isWriting)
  }

  historyRecorded(changes: number): void {
    this.historyChanges += changes
  }

  historyFailed(error: CalloutError): void {
    this.historyFailures.push(error)
  }

  historyGap(from: string, until: string): void {
    this.historyGaps.push({ from, until })
  }

  spoolReplayed(rows: number): void {
    this.spoolReplays.push(rows)
  }

  spoolKept(rows: number, error: CalloutError): void {
    this.spoolFailures.push({ rows, error })
  }

  checkpointMade(head: ChainHead, note: string): void {
    this.checkpoints.push({ head, note })
  }

  checkpointFailed(error: CalloutError): void {
    this.checkpointFailures.push(error)
  }

  unexpected(where: string, error: unknown): void {
    this.unexpectedErrors.push({ where, error })
  }
}
