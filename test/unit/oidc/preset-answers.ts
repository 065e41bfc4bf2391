import { hash } from 'node:crypto'
import { NOW_SECONDS } from '../../support/builders.ts'

type Answer = Readonly<Record<string, unknown>>

/**
 * What an issuer says about an access token as its documentation or its source shows it; a comment beside each says where.
 * A repository is named with the commit that was read.
 */
export interface AnswerShape {
  readonly what: string
  /** A token of the form that the issuer gives out, another for each number. */
  readonly token: (number: number) => string
  readonly answer: Answer
  readonly principal: string
  readonly groups?: readonly string[]
  /** What it says about tokens that must not get in, and how these are refused. */
  readonly misses: readonly (readonly [what: string, answer: Answer, reason: string])[]
}

const ISSUED = { iat: NOW_SECONDS - 10 }
const EXPIRES = { exp: NOW_SECONDS + 290 }
const INACTIVE = { active: false }

const OKTA_ORG = 'https://example.okta.com'
const OKTA_CLIENT = {
  active: true,
  token_type: 'Bearer',
  scope: 'openid profile',
  client_id: '0oa1natsclient',
  ...ISSUED,
  ...EXPIRES,
  sub: '0oa1natsclient',
  aud: OKTA_ORG,
  iss: OKTA_ORG,
  jti: 'AT.7P4KlczBYVcWLkxduEuKeZfeiNYkZIC9uGJ28Cc-YaI',
}
const OKTA_USER = { ...OKTA_CLIENT, username: 'alice@example.com', sub: 'alice@example.com', uid: '00u1alice' }

const HYDRA_USER = {
  active: true,
  scope: 'openid nats',
  client_id: 'web',
  sub: 'alice',
  ...EXPIRES,
  ...ISSUED,
  nbf: ISSUED.iat,
  aud: ['nats'],
  iss: 'https://hydra.example.com/',
  token_type: 'Bearer',
  token_use: 'access_token',
  ext: { groups: ['traders'] },
}

/** A JWT in all but its signature, which nobody but Okta can check. */
function oktaToken(number: number): string {
  const header = { kid: '45js03w0djwedsw', alg: 'RS256' }
  const claims = { ver: 1, jti: `AT.${number}`, iss: OKTA_ORG, aud: OKTA_ORG, sub: 'alice@example.com', ...EXPIRES }
  const parts = [JSON.stringify(header), JSON.stringify(claims), Buffer.alloc(256, number)]
  return parts.map((part) => Buffer.from(part).toString('base64url')).join('.')
}

/** 32 random bytes and their HMAC-SHA-512/256, in base64url. */
function hydraToken(number: number): string {
  return `ory_at_${hash('sha256', `key ${number}`, 'base64url')}.${hash('sha256', `mac ${number}`, 'base64url')}`
}

/** By file of `deploy/issuers`. */
export const PRESET_ANSWERS: Readonly<Record<string, readonly AnswerShape[]>> = {
  // okta/okta-developer-docs@424da68 packages/@okta/vuepress-site/docs/reference/api/oidc/index.md, "/introspect": response
  // properties and the examples for access, refresh and inactive tokens. There `uid` is only of users, `token_type` always
  // Bearer. Issuer and audience of the org: @468de9c …/docs/concepts/auth-servers; its tokens "opaque strings":
  // …/guides/validate-access-tokens; device secrets: …/guides/configure-native-sso.
  'okta-org.yaml': [
    {
      what: 'an access token of a user',
      token: oktaToken,
      answer: OKTA_USER,
      principal: 'user:okta-org:00u1alice',
      misses: [
        ['of another client', { ...OKTA_USER, client_id: '0oa1web' }, 'claim_invalid'],
        ['of another organization', { ...OKTA_USER, iss: 'https://other.okta.com' }, 'claim_invalid'],
        ['of a custom authorization server', { ...OKTA_USER, iss: `${OKTA_ORG}/oauth2/default` }, 'claim_invalid'],
        [
          'that is a refresh token',
          {
            active: true,
            token_type: 'Bearer',
            scope: 'openid profile email',
            client_id: '0oa1natsclient',
            username: 'alice@example.com',
            ...EXPIRES,
            sub: 'alice@example.com',
            device_id: 'q4SZgrA9sOeHkfst5uaa',
          },
          'claim_missing',
        ],
        [
          'that is an ID token',
          {
            active: true,
            token_type: 'Bearer',
            ...ISSUED,
            ...EXPIRES,
            sub: '00u1alice',
            aud: '0oa1natsclient',
            iss: OKTA_ORG,
          },
          'audience_mismatch',
        ],
        [
          'that is a device secret',
          {
            active: true,
            sid: '102oRgEWx5lRTWHilEoGfed4w',
            token_type: 'urn:x-oath:params:oauth:token-type:device-secret',
            ...EXPIRES,
          },
          'token_type_not_allowed',
        ],
        ['that was revoked', INACTIVE, 'token_inactive'],
      ],
    },
    {
      what: 'an access token of a client',
      token: oktaToken,
      answer: OKTA_CLIENT,
      principal: 'client:okta-org:0oa1natsclient',
      misses: [['of another client', { ...OKTA_CLIENT, client_id: '0oa1web', sub: '0oa1web' }, 'claim_invalid']],
    },
    {
      what: 'an access token in a form that says nothing',
      token: (number) => hash('sha256', `token ${number}`, 'base64url'),
      answer: OKTA_USER,
      principal: 'user:okta-org:00u1alice',
      misses: [['that was revoked', INACTIVE, 'token_inactive']],
    },
  ],
  // ory/hydra@83127c5 oauth2/introspector.go and `introspectOAuth2Token` of oauth2/handler.go: `aud` is never null, `ext` is
  // left out when empty, `token_type` is Bearer for refresh tokens too. Tokens: fosite/handler/oauth2/
  // strategy_hmacsha_prefixed.go and fosite/token/hmac/hmacsha.go. Inactive: fosite/introspection_response_writer.go.
  // Of a client for itself: oauth2/oauth2_client_credentials_test.go.
  'ory-hydra-opaque.yaml': [
    {
      what: 'an access token of a user',
      token: hydraToken,
      answer: HYDRA_USER,
      principal: 'user:hydra:alice',
      groups: ['traders'],
      misses: [
        ['for another service', { ...HYDRA_USER, aud: ['other'] }, 'audience_mismatch'],
        ['without an audience', { ...HYDRA_USER, aud: [] }, 'audience_mismatch'],
        ['of another issuer', { ...HYDRA_USER, iss: 'https://hydra.example.com' }, 'claim_invalid'],
        ['that is a refresh token', { ...HYDRA_USER, token_use: 'refresh_token' }, 'token_type_not_allowed'],
        ['that was revoked', INACTIVE, 'token_inactive'],
      ],
    },
    {
      what: 'an access token of a client',
      token: hydraToken,
      answer: { ...HYDRA_USER, scope: 'nats', client_id: 'orders', sub: 'orders', ext: undefined },
      principal: 'client:hydra:orders',
      misses: [['that was revoked', INACTIVE, 'token_inactive']],
    },
  ],
}
