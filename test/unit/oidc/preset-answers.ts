/** What an issuer says about an access token as its documentation shows it, without the dates. */
export interface AnswerShape {
  /** How such a token begins, long enough to be one. */
  readonly token: string
  readonly answer: Readonly<Record<string, unknown>>
  readonly principal: string
  readonly groups?: readonly string[]
  /** What makes it a token that must not get in, and how it is refused. */
  readonly misses: readonly (readonly [what: string, change: Readonly<Record<string, unknown>>, reason: string])[]
}

export const PRESET_ANSWERS: Readonly<Record<string, AnswerShape>> = {
  'okta-org.yaml': {
    token: 'an-access-token-of-okta-',
    answer: {
      token_type: 'Bearer',
      scope: 'openid profile',
      client_id: '0oa1natsclient',
      username: 'alice@example.com',
      sub: 'alice@example.com',
      uid: '00u1alice',
      aud: 'https://example.okta.com',
      iss: 'https://example.okta.com',
      jti: 'AT.x',
    },
    principal: 'user:okta-org:00u1alice',
    misses: [
      ['of another client', { client_id: '0oa1web' }, 'claim_invalid'],
      ['of another organization', { iss: 'https://other.okta.com' }, 'claim_invalid'],
      ['that was revoked', { active: false }, 'token_inactive'],
    ],
  },
  'ory-hydra-opaque.yaml': {
    token: 'ory_at_0123456789abcdefghij.',
    answer: {
      scope: 'openid nats',
      client_id: 'web',
      sub: 'alice',
      aud: ['nats'],
      iss: 'https://hydra.example.com/',
      token_type: 'Bearer',
      token_use: 'access_token',
      ext: { groups: ['traders'] },
    },
    principal: 'user:hydra:alice',
    groups: ['traders'],
    misses: [
      ['for another service', { aud: ['other'] }, 'audience_mismatch'],
      ['without an audience', { aud: [] }, 'audience_mismatch'],
      ['that is a refresh token', { token_use: 'refresh_token', token_type: undefined }, 'token_type_not_allowed'],
    ],
  },
}
