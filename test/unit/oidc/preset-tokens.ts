/**
 * A token of an issuer as its documentation or its source shows it, without the dates; a comment beside each says where.
 * A repository is named with the commit that was read.
 */
export interface TokenShape {
  readonly what: string
  /** RS256 when absent. */
  readonly algorithm?: 'ES256' | 'ES384'
  readonly claims: Readonly<Record<string, unknown>>
  /** Members that replace those of an ordinary header; `undefined` removes one. */
  readonly header?: Readonly<Record<string, unknown>>
  readonly principal: string
  /** The client that obtained it, where that is worth a look. */
  readonly clientId?: string
  readonly groups?: readonly string[]
  /** What makes it a token that must not get in, and how it is refused. */
  readonly misses: readonly (readonly [what: string, change: Readonly<Record<string, unknown>>, reason: string])[]
}

export const NO_TYPE = { typ: undefined }

const OKTA = {
  ver: 1,
  jti: 'AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE',
  iss: 'https://example.okta.com/oauth2/default',
  aud: 'api://nats',
  cid: '0oa1web',
}
const COGNITO_USER = {
  iss: 'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Example',
  sub: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
  'cognito:groups': ['traders'],
  origin_jti: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
  jti: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
}
const TENANT = 'aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb'
const OTHER_TENANT = 'cccccccc-0000-1111-2222-dddddddddddd'
const PERSONAL = '9188040d-6c67-4c5b-b112-36a304b66dad'
const PERSONAL_ISSUER = `https://login.microsoftonline.com/${PERSONAL}/v2.0`
const OBJECT = '11112222-bbbb-3333-cccc-4444dddd5555'
const GROUP = '55556666-ffff-7777-aaaa-8888bbbb9999'
const OVERAGE_SOURCE = { src1: { endpoint: `https://graph.windows.net/${TENANT}/users/${OBJECT}/getMemberObjects` } }
const ENTRA = {
  iss: `https://login.microsoftonline.com/${TENANT}/v2.0`,
  aud: '00001111-aaaa-2222-bbbb-3333cccc4444',
  azp: '22223333-cccc-4444-dddd-5555eeee6666',
  azpacr: '1',
  aio: 'opaque',
  oid: OBJECT,
  rh: 'opaque',
  sub: 'pairwise',
  tid: TENANT,
  uti: 'u-1',
  ver: '2.0',
}
const KEYCLOAK = {
  jti: 'b3b3d29c-uuid',
  iss: 'https://sso.example.com/realms/prod',
  aud: ['nats', 'account'],
  sub: 'f3b0c3d2-uuid',
  typ: 'Bearer',
  azp: 'web',
  acr: '1',
  'allowed-origins': ['https://web.example.com'],
  realm_access: { roles: ['trader'] },
  resource_access: { account: { roles: ['view-profile'] } },
  scope: 'openid profile email',
  email_verified: true,
  preferred_username: 'alice',
  email: 'alice@example.com',
}
const AUTH0 = { iss: 'https://example.eu.auth0.com/', scope: 'openid profile read:orders' }
const DEX = {
  iss: 'https://dex.example.com/dex',
  sub: 'CgVhbGljZRIEbGRhcA',
  jti: '1c5f4a37-uuid',
  at_hash: 'cpqKfdQA5eH891Ff5oJr_Q',
}
const HYDRA = {
  iss: 'https://hydra.example.com/',
  aud: ['nats'],
  jti: '7b6c1d3e-uuid',
  scp: ['openid', 'nats'],
}
const CLOUDFLARE = {
  iss: 'https://example.cloudflareaccess.com',
  aud: ['32eafc7626e737136a3f3e9c1d6bd25aexample'],
  type: 'app',
}

/** Issuers of people, and of the services that have clients there, by file of `deploy/issuers`. */
export const PRESET_TOKENS: Readonly<Record<string, readonly TokenShape[]>> = {
  // okta/okta-developer-docs@424da68 packages/@okta/vuepress-site/docs/reference/api/oidc/index.md: "Access token header",
  // "Access token payload", "ID token payload". The keys of the org's access tokens are not public (concepts/key-rotation).
  'okta.yaml': [
    {
      what: 'an access token of a user',
      claims: { ...OKTA, sub: 'alice@example.com', uid: '00u1alice', scp: ['openid', 'nats'], groups: ['Everyone'] },
      header: NO_TYPE,
      principal: 'user:okta:00u1alice',
      groups: ['Everyone'],
      misses: [
        ['for another API', { aud: 'api://default' }, 'audience_mismatch'],
        ['of another authorization server', { iss: 'https://example.okta.com/oauth2/other' }, 'issuer_unknown'],
        ['without the scope', { scp: ['openid'] }, 'claim_mismatch'],
        ['with the scope in a longer name', { scp: ['nats-ro'] }, 'claim_mismatch'],
      ],
    },
    {
      what: 'an access token of a client',
      claims: { ...OKTA, sub: '0oa1web', scp: ['nats'] },
      header: NO_TYPE,
      principal: 'client:okta:0oa1web',
      misses: [['without the scope', { scp: [] }, 'claim_mismatch']],
    },
    {
      what: 'an ID token of the org authorization server',
      claims: {
        ver: 1,
        sub: '00u1alice',
        iss: 'https://example.okta.com',
        aud: '0oa1natsclient',
        amr: ['pwd'],
        idp: '00o1example',
        jti: 'ID.4eAWJOCMB3SX8XewDfVR',
        at_hash: 'cpqKfdQA5eH891Ff5oJr_Q',
        preferred_username: 'alice@example.com',
        groups: ['Everyone'],
      },
      header: NO_TYPE,
      principal: 'user:okta-org:00u1alice',
      groups: ['Everyone'],
      misses: [
        ['for another client', { aud: '0oa1web' }, 'audience_mismatch'],
        [
          'that is an access token of the same server',
          { aud: 'https://example.okta.com', jti: 'AT.x', cid: '0oa1natsclient', scp: ['openid'] },
          'audience_mismatch',
        ],
        ['of another organization', { iss: 'https://other.okta.com' }, 'issuer_unknown'],
      ],
    },
  ],
  // developers.google.com/identity/openid-connect/openid-connect ("An ID token's payload") and …/reference. Of machines, with
  // `format=full`: docs.cloud.google.com/compute/docs/instances/verifying-instance-identity, and a whole token in
  // GoogleCloudPlatform/agentcommunication_client@580f684 cpp/jwt_test.cc.
  'google.yaml': [
    {
      what: 'an ID token of a user',
      claims: {
        iss: 'https://accounts.google.com',
        at_hash: 'HK6E_P6Dh8Y93mRNtsDB1Q',
        email_verified: true,
        sub: '10769150350006150715113082367',
        azp: '1234-nats.apps.googleusercontent.com',
        email: 'alice@example.com',
        aud: '1234-nats.apps.googleusercontent.com',
        nonce: '0394852-3190485-2490358',
        hd: 'example.com',
      },
      principal: 'user:google:10769150350006150715113082367',
      misses: [
        ['of another organization', { hd: 'evil.example' }, 'claim_mismatch'],
        ['without an organization', { hd: undefined }, 'claim_mismatch'],
        ['for another client', { aud: '1234-web.apps.googleusercontent.com' }, 'audience_mismatch'],
        ['that another client obtained', { azp: '1234-web.apps.googleusercontent.com' }, 'claim_invalid'],
        ['under the issuer without scheme', { iss: 'accounts.google.com' }, 'issuer_unknown'],
      ],
    },
    {
      what: 'an ID token of a service account',
      claims: {
        iss: 'https://accounts.google.com',
        aud: 'https://nats.example.com',
        azp: '104857600000000000001',
        sub: '104857600000000000001',
        email: 'api@project.iam.gserviceaccount.com',
        email_verified: true,
      },
      principal: 'client:gcp:104857600000000000001',
      misses: [
        ['that somebody else made for our audience', { sub: '999', azp: '999' }, 'claim_mismatch'],
        ['with the right address but another id', { sub: '999' }, 'claim_mismatch'],
        ['for another service', { aud: 'https://other.example.com' }, 'audience_mismatch'],
      ],
    },
    {
      what: 'an ID token of a virtual machine',
      claims: {
        iss: 'https://accounts.google.com',
        aud: 'https://nats.example.com',
        azp: '104857600000000000001',
        sub: '104857600000000000001',
        email: '1071284184436-compute@developer.gserviceaccount.com',
        email_verified: true,
        google: {
          compute_engine: {
            instance_creation_timestamp: 1_686_491_081,
            instance_id: '4570452845155348778',
            instance_name: 'vm-1',
            project_id: 'example-project',
            project_number: 1_071_284_184_436,
            zone: 'europe-west3-c',
          },
        },
      },
      principal: 'client:gcp:104857600000000000001',
      misses: [['of a machine that runs as another account', { sub: '999', azp: '999' }, 'claim_mismatch']],
    },
  ],
  // awsdocs/amazon-cognito-developer-guide@85b058f doc_source/amazon-cognito-user-pools-using-the-id-token.md and
  // …-using-the-access-token.md: header without `typ`. We found no page with the token of a client.
  'cognito.yaml': [
    {
      what: 'an ID token',
      claims: {
        ...COGNITO_USER,
        aud: '1example23456789',
        email_verified: true,
        token_use: 'id',
        'cognito:username': 'alice',
        given_name: 'Alice',
        email: 'alice@example.com',
      },
      header: NO_TYPE,
      principal: `user:cognito-id:${COGNITO_USER.sub}`,
      groups: ['traders'],
      misses: [
        ['of another app client', { aud: '1other23456789' }, 'audience_mismatch'],
        ['that says to be an access token', { token_use: 'access' }, 'claim_mismatch'],
        ['of another pool', { iss: `${COGNITO_USER.iss}2` }, 'issuer_unknown'],
      ],
    },
    {
      what: 'an access token of a user',
      claims: {
        ...COGNITO_USER,
        device_key: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
        token_use: 'access',
        scope: 'aws.cognito.signin.user.admin',
        client_id: '1example23456789',
        username: 'alice@example.com',
      },
      header: NO_TYPE,
      principal: `user:cognito:${COGNITO_USER.sub}`,
      groups: ['traders'],
      misses: [
        ['of another app client', { client_id: '1other23456789' }, 'claim_invalid'],
        ['without an app client', { client_id: undefined }, 'claim_missing'],
        ['that says to be an ID token', { token_use: 'id' }, 'claim_mismatch'],
        ['that is bound to another resource', { aud: 'https://other.example.com' }, 'audience_mismatch'],
      ],
    },
    {
      what: 'an access token of a client',
      claims: {
        iss: COGNITO_USER.iss,
        sub: '1example23456789',
        token_use: 'access',
        scope: 'nats/connect',
        client_id: '1example23456789',
        jti: COGNITO_USER.jti,
      },
      header: NO_TYPE,
      principal: 'client:cognito:1example23456789',
      misses: [['that says to be a refresh token', { token_use: 'refresh' }, 'claim_mismatch']],
    },
  ],
  // MicrosoftDocs/entra-docs@003f1aa docs/identity-platform/access-token-claims-reference.md, and for `idtyp`, which users
  // have only with `include_user_token`, and the many forms of a v1 `aud` @03376f1 …/optional-claims-reference.md.
  'entra.yaml': [
    {
      what: 'a v2 access token of a user',
      claims: { ...ENTRA, name: 'Alice', preferred_username: 'alice@example.com', scp: 'Connect', roles: ['Trader'] },
      principal: `user:entra:${OBJECT}`,
      groups: ['Trader'],
      misses: [
        ['of the tenant of personal accounts', { iss: PERSONAL_ISSUER, tid: PERSONAL }, 'issuer_unknown'],
        [
          'under the issuer of another',
          { iss: `https://login.microsoftonline.com/${OTHER_TENANT}/v2.0` },
          'claim_mismatch',
        ],
        ['that names another tenant', { tid: OTHER_TENANT }, 'claim_mismatch'],
        ['for Microsoft Graph', { aud: '00000003-0000-0000-c000-000000000000' }, 'audience_mismatch'],
        [
          'with roles left out for their number',
          { roles: undefined, _claim_names: { roles: 'src1' }, _claim_sources: OVERAGE_SOURCE },
          'claim_invalid',
        ],
        ['without an object id', { oid: undefined }, 'claim_missing'],
      ],
    },
    {
      what: 'a v2 access token of an app',
      claims: { ...ENTRA, idtyp: 'app', roles: ['Service'] },
      principal: `client:entra:${ENTRA.azp}`,
      groups: ['Service'],
      misses: [['without an app id', { azp: undefined }, 'claim_missing']],
    },
    {
      what: 'a v2 access token of a user of another tenant that is listed',
      claims: {
        ...ENTRA,
        iss: `https://login.microsoftonline.com/${OTHER_TENANT}/v2.0`,
        tid: OTHER_TENANT,
        scp: 'Connect',
        idtyp: 'user',
      },
      principal: `user:entra-partners:${OTHER_TENANT}/${OBJECT}`,
      misses: [
        ['in the name of ours', { tid: TENANT }, 'claim_mismatch'],
        ['that is v1', { ver: '1.0' }, 'claim_mismatch'],
        ['of the tenant of personal accounts', { iss: PERSONAL_ISSUER, tid: PERSONAL }, 'issuer_unknown'],
      ],
    },
    {
      what: 'a v1 access token of a user',
      claims: {
        aud: 'api://nats',
        iss: `https://sts.windows.net/${TENANT}/`,
        acr: '1',
        aio: 'opaque',
        amr: ['pwd', 'mfa'],
        appid: ENTRA.azp,
        appidacr: '1',
        groups: [GROUP],
        ipaddr: '192.0.2.1',
        name: 'Alice',
        oid: OBJECT,
        rh: 'opaque',
        scp: 'Connect',
        sub: 'pairwise',
        tid: TENANT,
        unique_name: 'alice@example.com',
        uti: 'u-1',
        ver: '1.0',
      },
      header: { x5t: 'rsa' },
      principal: `user:entra-v1:${OBJECT}`,
      groups: [GROUP],
      misses: [
        ['under the issuer without slash', { iss: `https://sts.windows.net/${TENANT}` }, 'issuer_unknown'],
        ['for the same API with a slash', { aud: 'api://nats/' }, 'audience_mismatch'],
        ['that says to be v2', { ver: '2.0' }, 'claim_mismatch'],
        [
          'with groups left out for their number',
          { groups: undefined, _claim_names: { groups: 'src1' }, _claim_sources: OVERAGE_SOURCE },
          'claim_invalid',
        ],
        ['with groups left out of an implicit flow', { groups: undefined, hasgroups: true }, 'claim_invalid'],
      ],
    },
  ],
  // auth0.com/docs/secure/tokens/access-tokens/access-token-profiles: "Auth0 profile sample token", "RFC 9068 profile sample
  // token". `gty` and `…@clients` of a machine are on no page that we found; tokens published by others have both.
  'auth0.yaml': [
    {
      what: 'an access token of a user',
      claims: {
        ...AUTH0,
        sub: 'auth0|123456',
        aud: ['https://nats.example.com', 'https://example.eu.auth0.com/userinfo'],
        azp: 'web',
        permissions: ['read:orders'],
      },
      principal: 'user:auth0:auth0|123456',
      groups: ['read:orders'],
      misses: [
        ['for the user info alone', { aud: ['https://example.eu.auth0.com/userinfo'] }, 'audience_mismatch'],
        ['under the issuer without slash', { iss: 'https://example.eu.auth0.com' }, 'issuer_unknown'],
      ],
    },
    {
      what: 'an access token of a user in the dialect of RFC 9068',
      claims: {
        ...AUTH0,
        sub: 'auth0|123456',
        aud: ['https://nats.example.com', 'https://example.eu.auth0.com/userinfo'],
        client_id: 'web',
        jti: '73WakrfVbNJBaAmhQtEeDv',
        permissions: ['read:orders'],
      },
      header: { typ: 'at+jwt' },
      principal: 'user:auth0:auth0|123456',
      clientId: 'web',
      groups: ['read:orders'],
      misses: [['for another API', { aud: 'https://example.eu.auth0.com/api/v2/' }, 'audience_mismatch']],
    },
    {
      what: 'an access token of a machine',
      claims: {
        iss: AUTH0.iss,
        sub: 'orders@clients',
        aud: 'https://nats.example.com',
        gty: 'client-credentials',
        azp: 'orders',
      },
      principal: 'client:auth0:orders',
      misses: [['for another API', { aud: 'https://example.eu.auth0.com/api/v2/' }, 'audience_mismatch']],
    },
  ],
  // keycloak/keycloak@049a7fa core/src/main/java/org/keycloak/representations/AccessToken.java (and IDToken, JsonWebToken
  // above it); values of `typ` @04a1d81 core/…/util/TokenUtil.java; @60f9f73 common/…/constants/ServiceAccountConstants.java.
  'keycloak.yaml': [
    {
      what: 'an access token of a user',
      claims: KEYCLOAK,
      principal: 'user:keycloak:f3b0c3d2-uuid',
      groups: ['trader'],
      misses: [
        ['that is an ID token', { typ: 'ID' }, 'claim_mismatch'],
        ['that is a refresh token', { typ: 'Refresh' }, 'claim_mismatch'],
        ['that is an offline token', { typ: 'Offline' }, 'claim_mismatch'],
        ['that is a logout token', { typ: 'Logout' }, 'claim_mismatch'],
        ['that is bound to a DPoP key', { typ: 'DPoP', cnf: { jkt: 'thumbprint' } }, 'claim_mismatch'],
        ['without an audience mapper', { aud: 'account' }, 'audience_mismatch'],
        ['of another realm', { iss: 'https://sso.example.com/realms/dev' }, 'issuer_unknown'],
        ['that is lightweight', { sub: undefined }, 'claim_missing'],
      ],
    },
    {
      what: 'an access token of a service account',
      claims: {
        ...KEYCLOAK,
        azp: 'orders',
        email: undefined,
        email_verified: false,
        preferred_username: 'service-account-orders',
        clientId: 'orders',
        clientHost: '192.0.2.1',
        clientAddress: '192.0.2.1',
      },
      principal: 'client:keycloak:orders',
      groups: ['trader'],
      misses: [['without a client', { azp: undefined }, 'claim_missing']],
    },
  ],
  // dexidp/dex@ab64ed7 server/tokens/claims.go and issuer.go; server/signer/utils.go: a header without `typ`. Its access
  // tokens are ID tokens of the same shape. Of a client for itself: server/grants/clientcredentials.go.
  'dex.yaml': [
    {
      what: 'an ID token',
      claims: {
        ...DEX,
        aud: 'nats',
        email: 'alice@example.com',
        email_verified: true,
        groups: ['traders'],
        name: 'Alice',
        preferred_username: 'alice',
        federated_claims: { connector_id: 'ldap', user_id: 'alice' },
      },
      header: NO_TYPE,
      principal: 'user:dex:CgVhbGljZRIEbGRhcA',
      groups: ['traders'],
      misses: [
        ['for another client', { aud: 'grafana' }, 'audience_mismatch'],
        ['that an unknown client got for ours', { aud: ['nats', 'grafana'], azp: 'grafana' }, 'claim_invalid'],
        ['of the host without the path', { iss: 'https://dex.example.com' }, 'issuer_unknown'],
      ],
    },
    {
      what: 'an ID token that a peer got for us',
      claims: { ...DEX, aud: ['nats', 'nats-cli'], azp: 'nats-cli' },
      header: NO_TYPE,
      principal: 'user:dex:CgVhbGljZRIEbGRhcA',
      misses: [['for a third party as well', { aud: ['nats', 'nats-cli', 'grafana'] }, 'audience_mismatch']],
    },
    {
      what: 'an ID token of a client for itself',
      claims: { ...DEX, sub: 'CgRuYXRz', aud: 'nats', groups: ['machines'] },
      header: NO_TYPE,
      principal: 'user:dex:CgRuYXRz',
      groups: ['machines'],
      misses: [['of another client', { sub: 'CgdncmFmYW5h', aud: 'grafana' }, 'audience_mismatch']],
    },
  ],
  // ory/hydra@83127c5 oauth2/session.go (`GetJWTClaims`), fosite/token/jwt/claims_jwt.go and token.go; spec/config.json:
  // scopes are a list and claims are mirrored in `ext` by default. Of a client for itself: oauth2/handler.go.
  'ory-hydra.yaml': [
    {
      what: 'an access token of a user',
      claims: { ...HYDRA, client_id: 'web', sub: 'alice', ext: { groups: ['traders'] } },
      principal: 'user:hydra:alice',
      groups: ['traders'],
      misses: [
        ['for another service', { aud: ['other'] }, 'audience_mismatch'],
        ['without an audience', { aud: [] }, 'audience_mismatch'],
        ['without the scope', { scp: ['openid'] }, 'claim_mismatch'],
        ['with the scopes as one text', { scp: undefined, scope: 'openid nats' }, 'claim_mismatch'],
        ['under the issuer without slash', { iss: 'https://hydra.example.com' }, 'issuer_unknown'],
      ],
    },
    {
      what: 'an access token of a client',
      claims: { ...HYDRA, client_id: 'orders', sub: 'orders', scp: ['nats'], ext: {} },
      principal: 'client:hydra:orders',
      misses: [['for another service', { aud: ['other'] }, 'audience_mismatch']],
    },
  ],
  // cloudflare/cloudflare-docs@0b6e688 src/content/docs/cloudflare-one/access-controls/applications/http-apps/
  // authorization-cookie/application-token.mdx: "Identity-based authentication", "Service token authentication".
  'cloudflare-access.yaml': [
    {
      what: 'a token of a user',
      claims: {
        ...CLOUDFLARE,
        email: 'alice@example.com',
        identity_nonce: '6ei69kawdKzMIAPF',
        sub: '7335d417-61da-459d-899c-0a01c76a2f94',
        country: 'DE',
      },
      principal: 'user:cloudflare:7335d417-61da-459d-899c-0a01c76a2f94',
      misses: [
        ['of another application', { aud: ['other'] }, 'audience_mismatch'],
        ['of the organization', { type: 'org' }, 'claim_mismatch'],
        ['of another team', { iss: 'https://other.cloudflareaccess.com' }, 'issuer_unknown'],
      ],
    },
    {
      what: 'a service token',
      claims: { ...CLOUDFLARE, common_name: 'e367826f93b8d71185e03fe518aff3b4.access', sub: '' },
      principal: 'client:cloudflare-services:e367826f93b8d71185e03fe518aff3b4.access',
      misses: [
        ['without a name', { common_name: undefined }, 'claim_missing'],
        ['with an empty name', { common_name: '' }, 'identity_invalid'],
      ],
    },
  ],
  // firebase/firebase-admin-node@00f917a src/auth/token-verifier.ts (`DecodedIdToken`), and
  // firebase.google.com/docs/auth/admin/verify-id-tokens ("Verify ID tokens using a third-party JWT library").
  'firebase.yaml': [
    {
      what: 'an ID token',
      claims: {
        iss: 'https://securetoken.google.com/example-project',
        aud: 'example-project',
        user_id: 'uid-1',
        sub: 'uid-1',
        email: 'alice@example.com',
        email_verified: true,
        firebase: { identities: { email: ['alice@example.com'] }, sign_in_provider: 'password' },
      },
      principal: 'user:firebase:uid-1',
      misses: [
        [
          'of an anonymous user',
          { email: undefined, firebase: { identities: {}, sign_in_provider: 'anonymous' } },
          'claim_mismatch',
        ],
        [
          'of a sign-in with a custom token',
          { firebase: { identities: {}, sign_in_provider: 'custom' } },
          'claim_mismatch',
        ],
        ['of another project', { iss: 'https://securetoken.google.com/other-project' }, 'issuer_unknown'],
        ['for another project', { aud: 'other-project' }, 'audience_mismatch'],
      ],
    },
  ],
}
