import type { AuditEntry } from '../../../src/core/audit-entry.ts'
import type { Decision } from '../../../src/core/decision.ts'
import { createLogger, type Logger } from '../../../src/telemetry/logger.ts'

export type LogRecord = Readonly<Record<string, unknown>>

/** A logger whose lines can be looked at, as text and parsed. */
export function recordingLogger(): { logger: Logger; text: () => string; records: () => LogRecord[] } {
  const lines: string[] = []
  const logger = createLogger({
    level: 'trace',
    fields: { instanceId: 'test' },
    stream: { write: (line) => void lines.push(line) },
  })
  return { logger, text: () => lines.join(''), records: () => lines.map((line) => JSON.parse(line) as LogRecord) }
}

export const DECISION_ID = '018bcfe5-687b-7000-8000-000000000001'

export function anAllow(): Decision {
  return {
    id: DECISION_ID,
    decidedAtMs: 1_700_000_000_000,
    skippedGrants: [],
    outcome: 'allow',
    account: 'APP',
    permissions: { publish: { allow: ['orders.>'], deny: [] }, subscribe: { allow: [], deny: ['>'] } },
    expiresAt: 1_700_003_600,
    grantIds: ['g1', 'g2'],
  }
}

export function aDenial(reason: Extract<Decision, { outcome: 'deny' }>['reason'], detail?: string): Decision {
  return {
    id: DECISION_ID,
    decidedAtMs: 1_700_000_000_000,
    skippedGrants: [],
    outcome: 'deny',
    reason,
    ...(detail === undefined ? {} : { detail }),
    lockIds: [],
  }
}

export function anEntry(decision: Decision, changes: Partial<AuditEntry> = {}): AuditEntry {
  return {
    decision,
    request: {
      userNkey: 'UAXXX',
      server: { id: 'NAXXX', name: 'nats-0' },
      client: { connectionId: 7, host: '10.0.0.1', kind: 'Client', connectionType: 'nats', name: 'app' },
    },
    principal: 'user:corp:alice',
    issuerId: 'corp',
    groups: [],
    token: { issuer: 'https://idp.example', subject: 'alice', id: 'jti-1', keyId: 'k1' },
    grantsReadTimestamp: '2023-11-14T22:13:20.000000Z',
    instanceId: 'i-1',
    serviceVersion: '0.1.0',
    elapsedMicros: 2_500,
    stageMicros: {},
    ...changes,
  }
}
