import type { AuditEntry } from '../core/audit-entry.ts'
import type { Delivery, StageDurations } from '../service/events.ts'
import { bounded } from './bounded.ts'

/** The fields of the one log line of a decision, named as in the audit; undefined ones are left out by the logger. */
export function decisionFields(
  entry: AuditEntry,
  durations: StageDurations,
  recorded: boolean,
  delivery: Delivery,
): Record<string, unknown> {
  const { decision, request, token } = entry
  const { server, client } = request
  return {
    event: 'decision',
    decisionId: decision.id,
    outcome: decision.outcome,
    ...outcomeFields(entry),
    principal: maybe(entry.principal),
    issuerId: entry.issuerId,
    clientId: maybe(entry.clientId),
    tokenIssuer: maybe(token.issuer),
    tokenSubject: entry.principal === undefined ? maybe(token.subject) : undefined,
    tokenId: maybe(token.id),
    keyId: maybe(token.keyId),
    serverId: bounded(server.id),
    serverName: bounded(server.name),
    connectionId: client.connectionId,
    clientHost: bounded(client.host),
    clientName: maybe(client.name),
    connectionType: maybe(client.connectionType),
    userNkey: bounded(request.userNkey),
    grantsReadTimestamp: entry.grantsReadTimestamp,
    skippedGrants: decision.skippedGrants.length,
    recorded,
    delivery,
    elapsedMs: round(totalMs(entry, durations)),
    stagesMs: Object.fromEntries(Object.entries(durations).map(([stage, ms]) => [stage, round(ms)])),
  }
}

/** From receipt to answer: the entry is made before it is recorded and answered. */
export function totalMs(entry: AuditEntry, durations: StageDurations): number {
  return entry.elapsedMicros / 1000 + (durations.audit ?? 0) + (durations.respond ?? 0)
}

function outcomeFields({ decision }: AuditEntry): Record<string, unknown> {
  if (decision.outcome === 'allow') {
    const { account, expiresAt, grantIds } = decision
    return { account: bounded(account), expiresAt, grants: grantIds.length }
  }
  const { reason, detail, lockIds } = decision
  return {
    reason,
    detail: maybe(detail),
    ...(lockIds.length === 0 ? {} : { lockIds: lockIds.slice(0, 8).map(bounded) }),
  }
}

function maybe(text: string | undefined): string | undefined {
  return text === undefined ? undefined : bounded(text)
}

/** Microseconds are as fine as anybody reads. */
function round(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
