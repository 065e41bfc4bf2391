import type { AuditEntry } from '../../src/core/audit-entry.ts'
import { auditedRequest } from '../../src/core/audit-entry.ts'
import type { Allow, Deny } from '../../src/core/decision.ts'
import type { GrantRow } from '../../src/core/policy-row.ts'
import { aGrant, aRequest, NOW_MS, NOW_SECONDS } from '../support/builders.ts'

export function aNewGrant(change: Partial<GrantRow> = {}): GrantRow {
  return { ...aGrant(), reason: 'ticket OPS-1', createdBy: 'ann', ...change }
}

/** A UUIDv7 that ends in `suffix`, up to twelve hex digits. */
export function anId(suffix: string): string {
  return `018bcfe5-6800-7000-8000-${suffix.padStart(12, '0')}`
}

export function anAllow(change: Partial<Allow> = {}): Allow {
  return {
    outcome: 'allow',
    id: anId('1'),
    decidedAtMs: NOW_MS,
    account: 'APP',
    permissions: { publish: { allow: ['orders.new'], deny: [] }, subscribe: { allow: [], deny: ['>'] } },
    expiresAt: NOW_SECONDS + 3600,
    grantIds: ['g1'],
    skippedGrants: [{ id: 'g2', why: 'expired' }],
    ...change,
  }
}

export function aDeny(change: Partial<Deny> = {}): Deny {
  return {
    outcome: 'deny',
    id: anId('2'),
    decidedAtMs: NOW_MS,
    reason: 'locked',
    detail: 'lock l1 names user:corp:alice',
    lockIds: ['l1'],
    skippedGrants: [],
    ...change,
  }
}

export function anEntry(decision: Allow | Deny = anAllow(), change: Partial<AuditEntry> = {}): AuditEntry {
  return {
    decision,
    request: auditedRequest(aRequest()),
    principal: 'user:corp:alice',
    displayName: 'Alice Example',
    actors: [{ subject: 'agent-7', issuer: 'https://agents.example', clientId: 'app' }, { subject: 'agent-1' }],
    issuerId: 'corp',
    clientId: 'web',
    groups: ['ops', 'dev'],
    attributes: { team: 'blue' },
    wantedAccount: 'APP',
    token: {
      issuer: 'https://idp.example/realms/prod',
      subject: 'alice',
      id: 'token-1',
      keyId: 'key-1',
      algorithm: 'RS256',
      audience: ['nats'],
      issuedAt: NOW_SECONDS - 10,
      expiresAt: NOW_SECONDS + 3600,
      sha256: 'a'.repeat(64),
    },
    grantsReadTimestamp: '2023-11-14T22:13:20.000001Z',
    instanceId: 'instance-1',
    serviceVersion: '0.1.0',
    elapsedMicros: 1234,
    stageMicros: { wait: 10, grants: 800 },
    ...change,
  }
}
