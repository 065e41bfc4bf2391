import { NOW_SECONDS } from '../../support/builders.ts'
import { NO_TYPE } from './preset-tokens.ts'
import type { TokenShape } from './preset-tokens.ts'

const YEAR_SECONDS = 31_536_000

const AWS = {
  iss: 'https://11111111-2222-3333-4444-555555555555.tokens.sts.global.api.aws',
  aud: 'nats',
  sub: 'arn:aws:iam::123456789012:role/orders',
  jti: 'xyz123-def456-ghi789-jkl012',
  'https://sts.amazonaws.com/': {
    aws_account: '123456789012',
    source_region: 'eu-central-1',
    org_id: 'o-abc1234567',
    ou_path: 'o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/',
    principal_tags: { environment: 'production' },
    lambda_source_function_arn: 'arn:aws:lambda:eu-central-1:123456789012:function:orders',
    request_tags: { team: 'orders' },
  },
}
const GITHUB = {
  jti: 'example-id',
  sub: 'repo:octo-org@65/octo-repo@74:ref:refs/heads/main',
  aud: 'nats',
  ref: 'refs/heads/main',
  sha: 'example-sha',
  repository: 'octo-org/octo-repo',
  repository_owner: 'octo-org',
  actor_id: '12',
  repository_visibility: 'private',
  repository_id: '74',
  repository_owner_id: '65',
  run_id: 'example-run-id',
  run_number: '10',
  run_attempt: '2',
  runner_environment: 'github-hosted',
  actor: 'octocat',
  workflow: 'example-workflow',
  head_ref: '',
  base_ref: '',
  event_name: 'push',
  ref_type: 'branch',
  job_workflow_ref: 'octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main',
  iss: 'https://token.actions.githubusercontent.com',
}

function kubernetesShape(id: string, issuer: string): TokenShape {
  return {
    what: `a service account of ${id}`,
    claims: {
      aud: ['nats'],
      iss: issuer,
      'kubernetes.io': {
        namespace: 'orders',
        pod: { name: 'api-0', uid: 'uid-2' },
        serviceaccount: { name: 'api', uid: 'uid-1' },
      },
      sub: 'system:serviceaccount:orders:api',
    },
    header: NO_TYPE,
    principal: `client:${id}:system:serviceaccount:orders:api`,
    misses: [
      ['of another namespace', { 'kubernetes.io': { namespace: 'default' } }, 'claim_mismatch'],
      ['for the API server', { aud: ['https://kubernetes.default.svc'] }, 'audience_mismatch'],
      ['of another cluster', { iss: `${issuer}2` }, 'issuer_unknown'],
      ['that lives a year', { exp: NOW_SECONDS + YEAR_SECONDS }, 'token_lifetime_too_long'],
      [
        'of the kind that Secrets hold',
        {
          aud: undefined,
          exp: undefined,
          iss: 'kubernetes/serviceaccount',
          'kubernetes.io': undefined,
          'kubernetes.io/serviceaccount/namespace': 'orders',
        },
        'issuer_unknown',
      ],
    ],
  }
}

/** Issuers of programs, jobs and machines, by file of `deploy/issuers`. */
export const PRESET_WORKLOAD_TOKENS: Readonly<Record<string, readonly TokenShape[]>> = {
  // docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_outbound_token_claims.html: the sample token. We
  // found no page with its header, so it is taken with `typ` and without.
  'aws-iam.yaml': [
    {
      what: 'a token of a role',
      algorithm: 'ES384',
      claims: AWS,
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
    {
      what: 'a token of a role without a type',
      algorithm: 'ES384',
      claims: AWS,
      header: NO_TYPE,
      principal: 'client:aws:arn:aws:iam::123456789012:role/orders',
      misses: [['for another service', { aud: 'other' }, 'audience_mismatch']],
    },
  ],
  // kubernetes/kubernetes@031075d pkg/serviceaccount/claims.go; @023feb4 …/jwt.go: a header of `alg` and `kid`, RS256 for an
  // RSA key. Issuers: docs.aws.amazon.com/eks/latest/userguide/irsa-fetch-keys.html;
  // docs.cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters.well-known.
  'kubernetes.yaml': [
    kubernetesShape('k8s', 'https://kubernetes.default.svc.cluster.local'),
    kubernetesShape('eks', 'https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE'),
    kubernetesShape('gke', 'https://container.googleapis.com/v1/projects/example/locations/europe-west3/clusters/prod'),
  ],
  // github/docs@0a760a3 content/actions/concepts/security/openid-connect.md: "Understanding the OIDC token"; both forms of
  // `sub` @051718f content/actions/reference/security/oidc.md: "Immutable subject claims".
  'github-actions.yaml': [
    {
      what: 'a job on the main branch',
      claims: GITHUB,
      header: { x5t: 'example-thumbprint' },
      principal: 'client:github:74',
      misses: [
        ['of another repository', { repository_id: '99' }, 'claim_mismatch'],
        ['of a repository that took the name', { repository_id: '99', repository_owner_id: '98' }, 'claim_mismatch'],
        ['of another owner', { repository_owner_id: '66' }, 'claim_mismatch'],
        [
          'of a pull request',
          { ref: 'refs/pull/1/merge', event_name: 'pull_request', head_ref: 'main', base_ref: 'main' },
          'claim_mismatch',
        ],
        ['on a branch whose name starts the same', { ref: 'refs/heads/main-2' }, 'claim_mismatch'],
        ['with the audience of the owner', { aud: 'https://github.com/octo-org' }, 'audience_mismatch'],
        ['with an id that is a number', { repository_id: 74 }, 'claim_mismatch'],
      ],
    },
    {
      what: 'a job with an environment of a repository from before 15 July 2026',
      claims: { ...GITHUB, sub: 'repo:octo-org/octo-repo:environment:prod', environment: 'prod' },
      header: { x5t: 'example-thumbprint' },
      principal: 'client:github:74',
      misses: [['of a repository that took the name', { repository_id: '99' }, 'claim_mismatch']],
    },
  ],
  // gitlabhq/gitlabhq@5b3014a doc/ci/secrets/id_token_authentication.md: "Token payload".
  'gitlab-ci.yaml': [
    {
      what: 'a job on a protected branch',
      claims: {
        namespace_id: '72',
        namespace_path: 'group',
        project_id: '22',
        project_path: 'group/project',
        user_id: '1',
        user_login: 'alice',
        user_email: 'alice@example.com',
        user_access_level: 'developer',
        user_identities: [{ provider: 'github', extern_uid: '2435223452345' }],
        pipeline_id: '574',
        pipeline_source: 'push',
        job_id: '302',
        ref: 'main',
        ref_type: 'branch',
        ref_path: 'refs/heads/main',
        ref_protected: 'true',
        groups_direct: ['group/subgroup'],
        environment: 'production',
        environment_protected: 'false',
        deployment_tier: 'production',
        environment_action: 'start',
        runner_id: 1,
        runner_environment: 'self-hosted',
        sha: '714a629c0b401fdce83e847fc9589983fc6f46bc',
        project_visibility: 'private',
        ci_config_ref_uri: 'gitlab.example.com/group/project//.gitlab-ci.yml@refs/heads/main',
        ci_config_sha: '714a629c0b401fdce83e847fc9589983fc6f46bc',
        jti: '235b3a54-b797-45c7-ae9a-f72d7bc6ef5b',
        iss: 'https://gitlab.example.com',
        sub: 'project_path:group/project:ref_type:branch:ref:main',
        aud: 'https://nats.example.com',
      },
      principal: 'client:gitlab:22',
      misses: [
        ['of another project', { project_id: '23' }, 'claim_mismatch'],
        ['on a branch that is not protected', { ref_protected: 'false' }, 'claim_mismatch'],
        ['on a tag', { ref_type: 'tag', ref_path: 'refs/tags/main' }, 'claim_mismatch'],
        ['for another service', { aud: 'https://vault.example.com' }, 'audience_mismatch'],
        ['of another instance', { iss: 'https://gitlab.com' }, 'issuer_unknown'],
      ],
    },
  ],
  // spiffe/spire@ef8527e pkg/server/credtemplate/builder.go (claims), pkg/server/ca/ca.go (`typ` is JWT),
  // doc/spire_server.md (keys are ec-p256 by default); spiffe/spiffe@665a28f standards/JWT-SVID.md §2.3: JOSE, or no `typ`.
  'spiffe.yaml': [
    {
      what: 'a JWT-SVID of SPIRE',
      algorithm: 'ES256',
      claims: {
        sub: 'spiffe://example.org/orders',
        aud: ['spiffe://example.org/nats'],
        jti: 'a1b2c3d4',
        iss: 'https://oidc.spire.example.org',
      },
      principal: 'client:spire:spiffe://example.org/orders',
      misses: [
        ['of another trust domain', { sub: 'spiffe://evil.example/orders' }, 'claim_mismatch'],
        ['of a trust domain that starts the same', { sub: 'spiffe://example.org.evil/orders' }, 'claim_mismatch'],
        ['for another workload', { aud: ['spiffe://example.org/other'] }, 'audience_mismatch'],
      ],
    },
    {
      what: 'a JWT-SVID of another implementation',
      algorithm: 'ES256',
      claims: {
        sub: 'spiffe://example.org/orders',
        aud: 'spiffe://example.org/nats',
        iss: 'https://oidc.spire.example.org',
      },
      header: { kid: undefined, typ: 'JOSE' },
      principal: 'client:spire:spiffe://example.org/orders',
      misses: [['without an audience', { aud: undefined }, 'claim_missing']],
    },
    {
      what: 'a JWT-SVID without an issuer',
      algorithm: 'ES256',
      claims: { sub: 'spiffe://example.org/orders', aud: ['spiffe://example.org/nats'] },
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
}
