import type { GrantRow } from '../core/policy-row.ts'
import type { ExpectedDecision } from './audit-table.ts'
import { forgeSignature } from './forged-token.ts'
import { DEFAULT_CLIENTS, type OpenIdProvider } from './openid-provider.ts'
import { LOCAL_ISSUER_ID } from './sample-policy.ts'

/** A client of the demo that may listen to everything in its account, to tell what really goes through. */
const OBSERVER = 'observer'

/** The longest of those below. */
const NAME_WIDTH = 'orders-service-2'.length

/** Who may ask the provider for tokens in the demo. */
export const DEMO_PROVIDER = { clients: [...DEFAULT_CLIENTS, OBSERVER] } as const

export const OBSERVER_GRANT: GrantRow = {
  id: 'demo-observer',
  principal: `client:${LOCAL_ISSUER_ID}:${OBSERVER}`,
  account: 'APP',
  effect: 'allow',
  action: 'subscribe',
  subject: '>',
  reason: 'sees what really goes through',
  createdBy: 'demo',
}

/** Somebody who tries to connect. */
export interface Guest {
  /** In plain words: who, and with what. */
  readonly description: string
  /** Absent: connects without any. */
  readonly token?: (provider: OpenIdProvider) => Promise<string>
  readonly expected: ExpectedDecision
}

/** They hold grants and valid tokens. */
export const WELCOME_GUESTS = {
  observer: allowedService(OBSERVER, 'observer', 'another program, to see what really arrives'),
  service: allowedService('orders-service', 'orders-service', 'a program, with its id and secret (client credentials)'),
  replica: allowedService('orders-service', 'orders-service-2', 'a second copy of the same program'),
  person: {
    description: `${'alice'.padEnd(NAME_WIDTH)}  a person of the group engineering, on a web page (device flow)`,
    token: (provider) => provider.deviceLogin('alice'),
    expected: { client: 'alice', outcome: 'ALLOW', principal: `user:${LOCAL_ISSUER_ID}:alice`, account: 'APP' },
  },
} as const satisfies Record<string, Guest>

/** Each lacks one thing. */
export const REFUSED_GUESTS: readonly Guest[] = [
  {
    description: 'a token that has expired',
    token: (provider) => provider.clientCredentials('orders-service', { expired: true }),
    expected: { client: 'expired', outcome: 'DENY', reason: 'token_expired' },
  },
  {
    description: 'a token that is meant for another system (audience)',
    token: (provider) => provider.clientCredentials('orders-service', { audience: 'billing' }),
    expected: { client: 'other-audience', outcome: 'DENY', reason: 'audience_mismatch' },
  },
  {
    description: 'a token with a forged signature',
    token: async (provider) => forgeSignature(await provider.clientCredentials('orders-service')),
    expected: { client: 'forged', outcome: 'DENY', reason: 'signature_invalid' },
  },
  {
    description: 'no token',
    expected: { client: 'no-token', outcome: 'DENY', reason: 'token_missing' },
  },
  {
    description: 'bob, who has a valid token and no grants',
    token: (provider) => provider.deviceLogin('bob'),
    expected: { client: 'bob', outcome: 'DENY', reason: 'no_grants', principal: `user:${LOCAL_ISSUER_ID}:bob` },
  },
  {
    description: 'mallory, who has a valid token and a grant, but is locked',
    token: (provider) => provider.deviceLogin('mallory'),
    expected: { client: 'mallory', outcome: 'DENY', reason: 'locked', principal: `user:${LOCAL_ISSUER_ID}:mallory` },
  },
]

function allowedService(clientId: string, client: string, description: string): Guest {
  return {
    description: `${client.padEnd(NAME_WIDTH)}  ${description}`,
    token: (provider) => provider.clientCredentials(clientId),
    expected: { client, outcome: 'ALLOW', principal: `client:${LOCAL_ISSUER_ID}:${clientId}`, account: 'APP' },
  }
}
