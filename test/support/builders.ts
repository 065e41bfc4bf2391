import type { DecisionInput, SessionRules } from '../../src/core/decide.ts'
import type { Grant, Policy } from '../../src/core/grant.ts'
import type { Identity } from '../../src/core/identity.ts'
import type { AuthorizationRequest } from '../../src/core/request.ts'

/** 2023-11-14T22:13:20Z; every fixed instant of the tests hangs on it. */
export const NOW_MS = 1_700_000_000_000
export const NOW_SECONDS = NOW_MS / 1000

export function aRequest(change: Partial<AuthorizationRequest> = {}): AuthorizationRequest {
  return {
    userNkey: 'UBDEK5GYLLPUSRM34DGWZM2SNGBRTPVN75DQIAFEMBPJEYQ5EOAFTCVI',
    issuerKey: 'AAFNEJZ7XLBKW3FUMEKOBOUNUQD4IKPOKDYBO2NBJ3BNY7VGHFNNIL4U',
    server: { id: 'NBQXOTPYGNLH7QS5TBA6BXHO3QBZ6FQEUZAIEK2PSRHWCFWGLVCV2CRL', name: 'n1', version: '2.15.1' },
    client: { connectionId: 7, host: '127.0.0.1', kind: 'Client', connectionType: 'nats' },
    credentials: { authToken: 'a.b.c' },
    ...change,
  }
}

export function anIdentity(change: Partial<Identity> = {}): Identity {
  return {
    issuerId: 'corp',
    kind: 'user',
    subject: 'alice',
    groups: [],
    attributes: {},
    token: { expiresAt: NOW_SECONDS + 7200 },
    ...change,
  }
}

export function aGrant(change: Partial<Grant> = {}): Grant {
  return {
    id: 'g1',
    principal: 'user:corp:alice',
    account: 'APP',
    effect: 'allow',
    action: 'publish',
    subject: 'orders.new',
    ...change,
  }
}

export function aPolicy(change: Partial<Policy> = {}): Policy {
  return { grants: [], bindings: [], locks: [], roles: [], readTimestamp: '2023-11-14T22:13:20.000000Z', ...change }
}

export function sessionRules(change: Partial<SessionRules> = {}): SessionRules {
  const accounts = new Map([
    ['APP', {}],
    ['OPS', {}],
  ])
  return { accounts, maxMs: 3_600_000, jitter: 0, minRemainingMs: 30_000, ...change }
}

export function aDecisionInput(change: Partial<DecisionInput> = {}): DecisionInput {
  return {
    id: '018bcfe5-6800-7000-8000-000000000000',
    identity: anIdentity(),
    wantedAccount: undefined,
    connection: aRequest().client,
    policy: aPolicy({ grants: [aGrant()] }),
    rules: sessionRules(),
    nowMs: NOW_MS,
    random: 0,
    ...change,
  }
}
