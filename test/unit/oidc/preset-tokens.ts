/** A token of an issuer as its documentation shows it, without the dates. */
export interface TokenShape {
  readonly what: string
  readonly claims: Readonly<Record<string, unknown>>
  /** Members that replace those of an ordinary header; `undefined` removes one. */
  readonly header?: Readonly<Record<string, unknown>>
  readonly principal: string
  readonly groups?: readonly string[]
  /** What makes it a token that must not get in, and how it is refused. */
  readonly misses: readonly (readonly [what: string, change: Readonly<Record<string, unknown>>, reason: string])[]
}

const NO_TYPE = { typ: undefined }

const OKTA = { iss: 'https://example.okta.com/oauth2/default', aud: 'api://nats', ver: 1, jti: 'AT.x', cid: '0oa1web' }
const COGNITO = { iss: 'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Example', jti: 'j-1' }
const TENANT = 'aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb'
const OTHER_TENANT = 'cccccccc-0000-1111-2222-dddddddddddd'
const PERSONAL = '9188040d-6c67-4c5b-b112-36a304b66dad'
const PERSONAL_ISSUER = `https://login.microsoftonline.com/${PERSONAL}/v2.0`
const OBJECT = '11112222-bbbb-3333-cccc-4444dddd5555'
const ENTRA = {
  iss: `https://login.microsoftonline.com/${TENANT}/v2.0`,
  aud: '00001111-aaaa-2222-bbbb-3333cccc4444',
  azp: '22223333-cccc-4444-dddd-5555eeee6666',
  azpacr: '1',
  oid: OBJECT,
  sub: 'pairwise',
  tid: TENANT,
  uti: 'u-1',
  ver: '2.0',
}
const KEYCLOAK = {
  iss: 'https://sso.example.com/realms/prod',
  aud: ['nats', 'account'],
  azp: 'web',
  typ: 'Bearer',
  sub: 'f3b0c3d2-uuid',
  preferred_username: 'alice',
  realm_access: { roles: ['trader'] },
}
const CLOUDFLARE = {
  iss: 'https://example.cloudflareaccess.com',
  aud: ['32eafc7626e737136a3f3e9c1d6bd25aexample'],
  type: 'app',
}

function serviceAccount(issuer: string): Record<string, unknown> {
  return {
    iss: issuer,
    aud: ['nats'],
    sub: 'system:serviceaccount:orders:api',
    'kubernetes.io': { namespace: 'orders', serviceaccount: { name: 'api', uid: 'uid-1' }, pod: { name: 'api-0' } },
  }
}

function kubernetesShape(id: string, issuer: string): TokenShape {
  return {
    what: `a service account of ${id}`,
    claims: serviceAccount(issuer),
    header: NO_TYPE,
    principal: `client:${id}:system:serviceaccount:orders:api`,
    misses: [
      ['of another namespace', { 'kubernetes.io': { namespace: 'default' } }, 'claim_mismatch'],
      ['for the API server', { aud: ['https://kubernetes.default.svc'] }, 'audience_mismatch'],
      ['of another cluster', { iss: `${issuer}2` }, 'issuer_unknown'],
      ['that lives a year, as those of before 1.24', { exp: 1_700_000_000 + 31_536_000 }, 'token_lifetime_too_long'],
    ],
  }
}

/** By file of `deploy/issuers`. */
export const PRESET_TOKENS: Readonly<Record<string, readonly TokenShape[]>> = {
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
        iss: 'https://example.okta.com',
        aud: '0oa1natsclient',
        sub: '00u1alice',
        ver: 1,
        groups: ['Everyone'],
      },
      header: NO_TYPE,
      principal: 'user:okta-org:00u1alice',
      groups: ['Everyone'],
      misses: [
        ['for another client', { aud: '0oa1web' }, 'audience_mismatch'],
        ['of another organization', { iss: 'https://other.okta.com' }, 'issuer_unknown'],
      ],
    },
  ],
  'google.yaml': [
    {
      what: 'an ID token of a user',
      claims: {
        iss: 'https://accounts.google.com',
        aud: '1234-nats.apps.googleusercontent.com',
        azp: '1234-nats.apps.googleusercontent.com',
        sub: '10769150350006150715113082367',
        hd: 'example.com',
        email: 'alice@example.com',
        email_verified: true,
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
  ],
  'aws-iam.yaml': [
    {
      what: 'a token of a role',
      claims: {
        iss: 'https://11111111-2222-3333-4444-555555555555.tokens.sts.global.api.aws',
        aud: 'nats',
        sub: 'arn:aws:iam::123456789012:role/orders',
        jti: 'j-1',
        'https://sts.amazonaws.com/': {
          aws_account: '123456789012',
          org_id: 'o-example',
          request_tags: { team: 'orders' },
        },
      },
      principal: 'client:aws:arn:aws:iam::123456789012:role/orders',
      misses: [
        ['of another account', { 'https://sts.amazonaws.com/': { aws_account: '999999999999' } }, 'claim_mismatch'],
        [
          'that only says in its tags to be of the account',
          { 'https://sts.amazonaws.com/': { request_tags: { aws_account: '123456789012' } } },
          'claim_mismatch',
        ],
        ['of a user', { sub: 'arn:aws:iam::123456789012:user/orders' }, 'claim_mismatch'],
        ['for another service', { aud: 'other' }, 'audience_mismatch'],
        [
          'of the issuer of another account',
          { iss: 'https://99999999-2222-3333-4444-555555555555.tokens.sts.global.api.aws' },
          'issuer_unknown',
        ],
      ],
    },
  ],
  'cognito.yaml': [
    {
      what: 'an ID token',
      claims: {
        ...COGNITO,
        sub: 'uuid-1',
        aud: '1example23456789',
        token_use: 'id',
        'cognito:username': 'alice',
        'cognito:groups': ['traders'],
      },
      header: NO_TYPE,
      principal: 'user:cognito-id:uuid-1',
      groups: ['traders'],
      misses: [
        ['of another app client', { aud: '1other23456789' }, 'audience_mismatch'],
        ['that says to be an access token', { token_use: 'access' }, 'claim_mismatch'],
        ['of another pool', { iss: `${COGNITO.iss}2` }, 'issuer_unknown'],
      ],
    },
    {
      what: 'an access token of a user',
      claims: {
        ...COGNITO,
        sub: 'uuid-1',
        client_id: '1example23456789',
        token_use: 'access',
        scope: 'openid',
        'cognito:groups': ['traders'],
      },
      header: NO_TYPE,
      principal: 'user:cognito:uuid-1',
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
      claims: { ...COGNITO, sub: '1example23456789', client_id: '1example23456789', token_use: 'access' },
      header: NO_TYPE,
      principal: 'client:cognito:1example23456789',
      misses: [['that says to be a refresh token', { token_use: 'refresh' }, 'claim_mismatch']],
    },
  ],
  'entra.yaml': [
    {
      what: 'a v2 access token of a user',
      claims: { ...ENTRA, scp: 'Connect', roles: ['Trader'], idtyp: 'user' },
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
        ['with roles left out for their number', { _claim_names: { roles: 'src1' } }, 'claim_invalid'],
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
      claims: { ...ENTRA, iss: `https://login.microsoftonline.com/${OTHER_TENANT}/v2.0`, tid: OTHER_TENANT },
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
        iss: `https://sts.windows.net/${TENANT}/`,
        aud: 'api://nats',
        appid: ENTRA.azp,
        appidacr: '1',
        oid: OBJECT,
        sub: 'pairwise',
        tid: TENANT,
        ver: '1.0',
        groups: ['g-1'],
      },
      principal: `user:entra-v1:${OBJECT}`,
      groups: ['g-1'],
      misses: [
        ['under the issuer without slash', { iss: `https://sts.windows.net/${TENANT}` }, 'issuer_unknown'],
        ['that says to be v2', { ver: '2.0' }, 'claim_mismatch'],
        [
          'with groups left out for their number',
          { groups: undefined, _claim_names: { groups: 'src1' } },
          'claim_invalid',
        ],
        ['with groups left out of an implicit flow', { groups: undefined, hasgroups: true }, 'claim_invalid'],
      ],
    },
  ],
  'auth0.yaml': [
    {
      what: 'an access token of a user',
      claims: {
        iss: 'https://example.eu.auth0.com/',
        aud: ['https://nats.example.com', 'https://example.eu.auth0.com/userinfo'],
        azp: 'web',
        sub: 'auth0|123',
        scope: 'openid',
        permissions: ['read:orders'],
      },
      principal: 'user:auth0:auth0|123',
      groups: ['read:orders'],
      misses: [
        ['for the user info alone', { aud: ['https://example.eu.auth0.com/userinfo'] }, 'audience_mismatch'],
        ['under the issuer without slash', { iss: 'https://example.eu.auth0.com' }, 'issuer_unknown'],
      ],
    },
    {
      what: 'an access token of a machine',
      claims: {
        iss: 'https://example.eu.auth0.com/',
        aud: 'https://nats.example.com',
        azp: 'orders',
        sub: 'orders@clients',
        gty: 'client-credentials',
      },
      principal: 'client:auth0:orders',
      misses: [['for another API', { aud: 'https://example.eu.auth0.com/api/v2/' }, 'audience_mismatch']],
    },
  ],
  'keycloak.yaml': [
    {
      what: 'an access token of a user',
      claims: KEYCLOAK,
      principal: 'user:keycloak:f3b0c3d2-uuid',
      groups: ['trader'],
      misses: [
        ['that is an ID token', { typ: 'ID' }, 'claim_mismatch'],
        ['that is a refresh token', { typ: 'Refresh' }, 'claim_mismatch'],
        ['without an audience mapper', { aud: 'account' }, 'audience_mismatch'],
        ['of another realm', { iss: 'https://sso.example.com/realms/dev' }, 'issuer_unknown'],
        ['that is lightweight', { sub: undefined }, 'claim_missing'],
      ],
    },
    {
      what: 'an access token of a service account',
      claims: { ...KEYCLOAK, azp: 'orders', client_id: 'orders', preferred_username: 'service-account-orders' },
      principal: 'client:keycloak:orders',
      groups: ['trader'],
      misses: [['without a client', { azp: undefined }, 'claim_missing']],
    },
  ],
  'kubernetes.yaml': [
    kubernetesShape('k8s', 'https://kubernetes.default.svc.cluster.local'),
    kubernetesShape('eks', 'https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE'),
    kubernetesShape('gke', 'https://container.googleapis.com/v1/projects/example/locations/europe-west3/clusters/prod'),
  ],
  'github-actions.yaml': [
    {
      what: 'a job on the main branch',
      claims: {
        iss: 'https://token.actions.githubusercontent.com',
        aud: 'nats',
        sub: 'repo:octo-org@65/octo-repo@74:ref:refs/heads/main',
        repository: 'octo-org/octo-repo',
        repository_id: '74',
        repository_owner_id: '65',
        ref: 'refs/heads/main',
        runner_environment: 'github-hosted',
      },
      principal: 'client:github:74',
      misses: [
        ['of another repository', { repository_id: '99' }, 'claim_mismatch'],
        ['of a repository that took the name', { repository_id: '99', repository_owner_id: '98' }, 'claim_mismatch'],
        ['of another owner', { repository_owner_id: '66' }, 'claim_mismatch'],
        ['of a pull request', { ref: 'refs/pull/1/merge' }, 'claim_mismatch'],
        ['on a branch whose name starts the same', { ref: 'refs/heads/main-2' }, 'claim_mismatch'],
        ['with the audience of the owner', { aud: 'https://github.com/octo-org' }, 'audience_mismatch'],
        ['with an id that is a number', { repository_id: 74 }, 'claim_mismatch'],
      ],
    },
  ],
  'gitlab-ci.yaml': [
    {
      what: 'a job on a protected branch',
      claims: {
        iss: 'https://gitlab.example.com',
        aud: 'https://nats.example.com',
        sub: 'project_path:group/project:ref_type:branch:ref:main',
        project_id: '22',
        project_path: 'group/project',
        namespace_id: '72',
        ref: 'main',
        ref_type: 'branch',
        ref_protected: 'true',
        user_login: 'alice',
      },
      principal: 'client:gitlab:22',
      misses: [
        ['of another project', { project_id: '23' }, 'claim_mismatch'],
        ['on a branch that is not protected', { ref_protected: 'false' }, 'claim_mismatch'],
        ['on a tag', { ref_type: 'tag' }, 'claim_mismatch'],
        ['for another service', { aud: 'https://vault.example.com' }, 'audience_mismatch'],
        ['of another instance', { iss: 'https://gitlab.com' }, 'issuer_unknown'],
      ],
    },
  ],
  'spiffe.yaml': [
    {
      what: 'a JWT-SVID',
      claims: {
        iss: 'https://oidc.spire.example.org',
        aud: ['spiffe://example.org/nats'],
        sub: 'spiffe://example.org/orders',
      },
      header: { typ: 'JOSE' },
      principal: 'client:spire:spiffe://example.org/orders',
      misses: [
        ['of another trust domain', { sub: 'spiffe://evil.example/orders' }, 'claim_mismatch'],
        ['of a trust domain that starts the same', { sub: 'spiffe://example.org.evil/orders' }, 'claim_mismatch'],
        ['for another workload', { aud: ['spiffe://example.org/other'] }, 'audience_mismatch'],
      ],
    },
    {
      what: 'a JWT-SVID without an issuer',
      claims: { aud: ['spiffe://example.org/nats'], sub: 'spiffe://example.org/orders' },
      header: { typ: 'JOSE' },
      principal: 'client:trust-domain:spiffe://example.org/orders',
      misses: [
        ['of another trust domain', { sub: 'spiffe://evil.example/orders' }, 'issuer_unknown'],
        ['of a trust domain that starts the same', { sub: 'spiffe://example.org.evil/orders' }, 'issuer_unknown'],
        ['of no workload', { sub: 'spiffe://example.org' }, 'claim_invalid'],
        ['for another workload', { aud: ['spiffe://example.org/other'] }, 'audience_mismatch'],
        ['and without a SPIFFE ID', { sub: 'orders' }, 'claim_missing'],
      ],
    },
  ],
  'dex.yaml': [
    {
      what: 'an ID token',
      claims: {
        iss: 'https://dex.example.com/dex',
        aud: 'nats',
        sub: 'CgVhbGljZRIEbGRhcA',
        groups: ['traders'],
        federated_claims: { connector_id: 'ldap', user_id: 'alice' },
        email: 'alice@example.com',
        email_verified: true,
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
      claims: {
        iss: 'https://dex.example.com/dex',
        aud: ['nats', 'nats-cli'],
        azp: 'nats-cli',
        sub: 'CgVhbGljZRIEbGRhcA',
      },
      header: NO_TYPE,
      principal: 'user:dex:CgVhbGljZRIEbGRhcA',
      misses: [['for a third party as well', { aud: ['nats', 'nats-cli', 'grafana'] }, 'audience_mismatch']],
    },
  ],
  'ory-hydra.yaml': [
    {
      what: 'an access token of a user',
      claims: {
        iss: 'https://hydra.example.com/',
        aud: ['nats'],
        client_id: 'web',
        sub: 'alice',
        scp: ['openid', 'nats'],
        ext: { groups: ['traders'] },
      },
      principal: 'user:hydra:alice',
      groups: ['traders'],
      misses: [
        ['for another service', { aud: ['other'] }, 'audience_mismatch'],
        ['without an audience', { aud: [] }, 'audience_mismatch'],
        ['without the scope', { scp: ['openid'] }, 'claim_mismatch'],
        ['with the scope in one text', { scp: 'openid nats' }, 'claim_mismatch'],
        ['under the issuer without slash', { iss: 'https://hydra.example.com' }, 'issuer_unknown'],
      ],
    },
  ],
  'cloudflare-access.yaml': [
    {
      what: 'a token of a user',
      claims: { ...CLOUDFLARE, sub: 'uuid-1', email: 'alice@example.com', identity_nonce: 'n', country: 'DE' },
      principal: 'user:cloudflare:uuid-1',
      misses: [
        ['of another application', { aud: ['other'] }, 'audience_mismatch'],
        ['of the organization', { type: 'org' }, 'claim_mismatch'],
        ['of another team', { iss: 'https://other.cloudflareaccess.com' }, 'issuer_unknown'],
      ],
    },
    {
      what: 'a service token',
      claims: { ...CLOUDFLARE, sub: '', common_name: 'e367826f93b8.access' },
      principal: 'client:cloudflare-services:e367826f93b8.access',
      misses: [
        ['without a name', { common_name: undefined }, 'claim_missing'],
        ['with an empty name', { common_name: '' }, 'identity_invalid'],
      ],
    },
  ],
  'firebase.yaml': [
    {
      what: 'an ID token',
      claims: {
        iss: 'https://securetoken.google.com/example-project',
        aud: 'example-project',
        sub: 'uid-1',
        user_id: 'uid-1',
        firebase: { identities: {}, sign_in_provider: 'password' },
      },
      principal: 'user:firebase:uid-1',
      misses: [
        ['of an anonymous user', { firebase: { sign_in_provider: 'anonymous' } }, 'claim_mismatch'],
        ['of another project', { iss: 'https://securetoken.google.com/other-project' }, 'issuer_unknown'],
        ['for another project', { aud: 'other-project' }, 'audience_mismatch'],
      ],
    },
  ],
}
