import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { assertIssuerOptions } from '../../../src/oidc/issuer-options.ts'
import type { IssuerOptions } from '../../../src/oidc/issuer-options.ts'
import { createTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { anIssuer, createSigner, signToken, someClaims } from '../../support/oidc.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

const TEMPLATE = 'https://login.microsoftonline.com/{tenantid}/v2.0'
const [A, B, C] = ['a', 'b', 'c'].map((letter) => `${letter.repeat(8)}-0000-1111-2222-${letter.repeat(12)}`)
const METADATA = 'https://login.microsoftonline.com/organizations/v2.0/.well-known/openid-configuration'

function manyTenants(change: Partial<IssuerOptions> = {}): IssuerOptions {
  return anIssuer({
    id: 'entra',
    issuer: TEMPLATE,
    tenants: [A!, B!],
    keys: { discovery: { url: METADATA } },
    identity: {
      subject: { join: [['tid'], ['oid']], separator: '/' },
      clientId: [['azp']],
      kind: 'user',
      attributes: {},
    },
    ...change,
  })
}

const signer = createSigner()

async function verdict(claims: Record<string, unknown>, metadataIssuer = TEMPLATE, entries = [manyTenants()]) {
  const verifier = createTokenVerifier({
    issuers: entries,
    clock: new ManualClock(),
    events: new RecordedEvents(),
    maxTokenBytes: 16_384,
    fetchDocument: async (url) =>
      Buffer.from(
        JSON.stringify(
          url.href === METADATA
            ? { issuer: metadataIssuer, jwks_uri: 'https://login.microsoftonline.com/keys' }
            : { keys: [signer.publicJwk] },
        ),
      ),
  })
  const verification = await verifier.verify(signToken(signer, someClaims({ oid: 'o-1', ...claims })), 600)
  return verification.accepted
    ? `${verification.identity.issuerId}:${verification.identity.subject}`
    : verification.reason
}

const issuerOf = (tenant: unknown): string => `https://login.microsoftonline.com/${String(tenant)}/v2.0`

suite('an issuer with tenants', () => {
  for (const tenant of [A, B]) {
    test(`takes a token of the listed tenant ${tenant}`, async () => {
      assert.equal(await verdict({ iss: issuerOf(tenant), tid: tenant }), `entra:${tenant}/o-1`)
    })
  }

  for (const [what, claims, reason] of [
    ['of a tenant that is not listed', { iss: issuerOf(C), tid: C }, 'issuer_unknown'],
    ['of one tenant in the name of the other', { iss: issuerOf(A), tid: B }, 'claim_mismatch'],
    ['without a tenant', { iss: issuerOf(A) }, 'claim_mismatch'],
    ['with a list of tenants', { iss: issuerOf(A), tid: [A] }, 'claim_mismatch'],
    ['of the template itself', { iss: TEMPLATE, tid: A }, 'issuer_unknown'],
    ['with the tenant in capitals', { iss: issuerOf(A?.toUpperCase()), tid: A?.toUpperCase() }, 'issuer_unknown'],
    ['with a path in the tenant', { iss: issuerOf(`x/../${A}`), tid: A }, 'issuer_unknown'],
  ] as const) {
    test(`refuses a token ${what}`, async () => assert.equal(await verdict(claims), reason))
  }

  test('does not take the metadata of one tenant for those of all', async () => {
    assert.equal(await verdict({ iss: issuerOf(A), tid: A }, issuerOf(A)), 'issuer_unavailable')
  })

  test('may be split into entries of different tenants', async () => {
    const entries = [manyTenants({ tenants: [A!] }), manyTenants({ id: 'partners', tenants: [B!] })]
    assert.equal(await verdict({ iss: issuerOf(B), tid: B }, TEMPLATE, entries), `partners:${B}/o-1`)
  })

  const { identity } = manyTenants()
  const refused: [what: string, entries: IssuerOptions[], problem: string][] = [
    ['no tenants', [manyTenants({ tenants: [] })], 'tenants must not be empty'],
    ['the place of a tenant and no list', [anIssuer({ issuer: TEMPLATE })], 'an issuer with {tenantid} needs tenants'],
    ['tenants without a place', [manyTenants({ issuer: issuerOf(A) })], 'an issuer with tenants needs {tenantid} once'],
    ['two places', [manyTenants({ issuer: `${TEMPLATE}/{tenantid}` })], 'an issuer with tenants needs {tenantid} once'],
    ['a tenant that is no GUID', [manyTenants({ tenants: ['common'] })], 'tenant "common" is not a GUID in lower case'],
    ['discovery at the template', [manyTenants({ keys: { discovery: {} } })], 'tenants need the url of the discovery'],
    [
      'subjects that tenants may share',
      [manyTenants({ identity: { ...identity, subject: { path: ['oid'] } } })],
      'tenants need a subject that joins tid',
    ],
    [
      'subjects of which the tenant is one that may be taken in place of another',
      [manyTenants({ identity: { ...identity, subject: { firstOf: [['oid'], ['tid']] } } })],
      'tenants need a subject that joins tid',
    ],
    [
      'the same tenant once more alone',
      [manyTenants(), anIssuer({ issuer: issuerOf(A) })],
      'issuers entra and corp have one issuer, once as a tenant of many and once alone',
    ],
    [
      'other keys for other tenants of the same issuer',
      [
        manyTenants({ tenants: [A!] }),
        manyTenants({ id: 'b', tenants: [B!], keys: { jwksUri: 'https://k.example/' } }),
      ],
      'issuers entra and b have one issuer but differ in keys',
    ],
    [
      'the same tenants in an entry that is never reached',
      [manyTenants(), manyTenants({ id: 'b', tenants: [B!] })],
      'every token that fits b goes to entra',
    ],
  ]
  for (const [what, entries, problem] of refused) {
    test(`is refused with ${what}`, () => {
      assert.throws(
        () => assertIssuerOptions(entries),
        (error: Error) => error.message.includes(problem),
      )
    })
  }
})
