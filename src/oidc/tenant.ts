import { isDeepStrictEqual } from 'node:util'
import { subjectPaths } from './identity-rules.ts'
import type { IssuerOptions } from './issuer-options.ts'
import { describeValue, refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { readMember } from './strict-json.ts'
import type { JsonObject } from './strict-json.ts'

/** What stands for the tenant in the `issuer` of the metadata that Microsoft Entra publishes for all tenants. */
const PLACEHOLDER = '{tenantid}'

/** The claim that names the tenant. */
const TENANT_CLAIM = 'tid'

/** A GUID as Entra writes it. Nothing else may take the place of the tenant in an issuer. */
const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

type TenantRules = Pick<IssuerOptions, 'issuer' | 'tenants'>

/** Every `iss` that the entry is for: one for each tenant, or the issuer itself. */
export function issuerNames({ issuer, tenants }: TenantRules): readonly string[] {
  return tenants === undefined ? [issuer] : tenants.map((tenant) => issuerOf(issuer, tenant))
}

/** The tenant must be one of the entry, and the one that the issuer speaks for; undefined where there are no tenants. */
export function checkTenant(claims: JsonObject, { issuer, tenants }: TenantRules): Refusal | undefined {
  if (tenants === undefined) return undefined
  const tenant = readMember(claims, TENANT_CLAIM)
  const isRight =
    typeof tenant === 'string' && tenants.includes(tenant) && issuerOf(issuer, tenant) === readMember(claims, 'iss')
  return isRight
    ? undefined
    : refuse('claim_mismatch', `"${TENANT_CLAIM}" is ${describeValue(tenant)}, not the tenant of this issuer entry`)
}

/** What is wrong with the tenants of an entry, or with an issuer that has the placeholder and no tenants. */
export function tenantProblems({ issuer, tenants, keys, identity }: IssuerOptions): string[] {
  const places = issuer.split(PLACEHOLDER).length - 1
  if (tenants === undefined) return places === 0 ? [] : [`an issuer with ${PLACEHOLDER} needs tenants`]
  const problems: string[] = []
  if (places !== 1) problems.push(`an issuer with tenants needs ${PLACEHOLDER} once`)
  if (tenants.length === 0) problems.push('tenants must not be empty')
  const wrong = tenants.find((tenant) => !GUID.test(tenant))
  if (wrong !== undefined) problems.push(`tenant ${JSON.stringify(wrong)} is not a GUID in lower case`)
  if (keys !== undefined && 'discovery' in keys && keys.discovery.url === undefined)
    problems.push('tenants need the url of the discovery')
  const isJoined = 'join' in identity.subject
  if (!isJoined || !subjectPaths(identity.subject).some((path) => isDeepStrictEqual(path, [TENANT_CLAIM]))) {
    problems.push(`tenants need a subject that joins ${TENANT_CLAIM} with a claim of the user`)
  }
  return problems
}

function issuerOf(template: string, tenant: string): string {
  // A function, for a text could hold patterns of `replace`.
  return template.replace(PLACEHOLDER, () => tenant)
}
