import { z } from 'zod'
import { ISSUER_ID } from '../core/principal.ts'
import { hasSpiffeScheme } from '../core/spiffe-id.ts'
import { claimPaths } from './claim-path.ts'
import { identity } from './identity-schema.ts'
import { introspection } from './introspection-schema.ts'
import { keyHttp, keyOrigin, keyRefresh, urlText } from './issuer-keys-schema.ts'
import { matchRules } from './match-schema.ts'
import { choice, distinctList, duration, evenIfIncomplete, freeText, list, setting, text } from './setting.ts'
import { SIGNATURE_ALGORITHMS } from './signature-algorithms.ts'
import { problemOfIssuer } from './url.ts'

/** Providers name a handful of audiences and parties for one service. */
const NAMES_MAX = 64
/** Customers of a service, listed by hand. */
const TENANTS_MAX = 1024
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

/** One entry of `issuers`. */
export const issuerSchema = z
  .strictObject({
    id: setting(
      text(ISSUER_ID, 'must be lower-case letters, digits and "-", at most 63'),
      'name',
      'Short name, part of every principal (`user:<id>:…`); never change it once grants name it.',
    ),
    issuer: setting(
      urlText(problemOfIssuer),
      'URL',
      'The exact `iss` of its tokens; https, or http on a loopback address. Or `spiffe://<trust domain>`: JWT-SVIDs without `iss`.',
    ),
    tenants: setting(
      distinctList(text(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'must be a GUID in lower case'), {
        min: 1,
        max: TENANTS_MAX,
      }).optional(),
      'list of GUIDs',
      'Entra: tenants that may come in. Then `issuer` holds `{tenantid}` in their place, and the subject joins `tid`.',
    ),
    keys: keyOrigin.optional(),
    algorithms: setting(
      distinctList(choice(SIGNATURE_ALGORITHMS, ' (only algorithms with public keys)'), {
        min: 1,
        max: SIGNATURE_ALGORITHMS.length,
      }).optional(),
      'list of names',
      `Accepted signature algorithms, of ${SIGNATURE_ALGORITHMS.join(', ')}. Stand with \`keys\`.`,
      'required',
    ),
    introspection: introspection.optional(),
    token_types: setting(
      distinctList(text(/^[\x21-\x7e]{0,100}$/, 'must be a media type, such as JWT or at+jwt'), {
        min: 1,
        max: NAMES_MAX,
      }).optional(),
      'list of names',
      'Accepted `typ` headers; an empty text accepts tokens without one. At `rfc9068` `[at+jwt]`, at `id_token` `[JWT]`.',
      '[JWT, at+jwt]',
    ),
    profile: setting(
      choice(['generic', 'rfc9068', 'id_token']).prefault('generic'),
      'generic, rfc9068 or id_token',
      'What kind of token is expected; adds what RFC 9068 asks of access tokens or OpenID Connect of ID tokens.',
    ),
    audiences: setting(
      distinctList(freeText(), { min: 1, max: NAMES_MAX }).optional(),
      'list of texts',
      'A token must be meant for one of these (`aud`).',
      'required',
    ),
    audiences_none_because: setting(
      freeText().optional(),
      'text',
      'In place of `audiences`, for tokens without `aud`: the reason. Needs `authorized_parties` or a `match` with a value.',
    ),
    authorized_parties: setting(
      distinctList(freeText(), { min: 0, max: NAMES_MAX }).prefault([]),
      'list of texts',
      'When set, the client that obtained the token (`identity.client_id`) must be one of these.',
    ),
    match: matchRules.prefault([]),
    clock_skew: setting(
      duration({ minMs: 0, maxMs: 5 * MINUTE_MS }).prefault('30s'),
      'duration',
      'Tolerated difference of the clocks of issuer and service, at most 5m.',
    ),
    max_lifetime: setting(
      duration({ minMs: MINUTE_MS, maxMs: 30 * DAY_MS }).prefault('24h'),
      'duration',
      'Tokens that live longer than this (`exp` − `iat`) are refused.',
    ),
    max_age: setting(
      duration({ minMs: 1_000, maxMs: 30 * DAY_MS }).optional(),
      'duration',
      'Tokens that were issued longer ago than this (`iat`) are refused, whatever their `exp`.',
    ),
    require_claims: setting(
      claimPaths().optional(),
      'claim paths',
      'Claims that must be there, besides `iss`, `exp`, `iat` and the subject.',
    ),
    sender_constraint: setting(
      choice(['if_bound', 'mtls_required']).prefault('if_bound'),
      'if_bound or mtls_required',
      'Tokens bound to a certificate (RFC 8705) need that client certificate; `mtls_required` accepts no others.',
    ),
    http: keyHttp.prefault({}),
    refresh: keyRefresh.prefault({}),
    identity: identity.prefault({}),
  })
  .refine((entry) => entry.keys !== undefined || entry.introspection !== undefined, {
    error: 'needs exactly one of discovery, jwks_uri, jwks_file',
    path: ['keys'],
    when: evenIfIncomplete,
  })
  .refine(
    (entry) => entry.algorithms !== undefined || (entry.keys === undefined && entry.introspection !== undefined),
    {
      error: 'is required',
      path: ['algorithms'],
      when: evenIfIncomplete,
    },
  )
  .refine((entry) => entry.algorithms === undefined || entry.keys !== undefined || entry.introspection === undefined, {
    error: 'stands without keys; one of them is wrong',
    path: ['algorithms'],
    when: evenIfIncomplete,
  })
  .refine((entry) => entry.audiences !== undefined || entry.audiences_none_because !== undefined, {
    error: 'is required',
    path: ['audiences'],
    when: evenIfIncomplete,
  })
  .refine((entry) => entry.audiences === undefined || entry.audiences_none_because === undefined, {
    error: 'stands beside audiences; one of them is wrong',
    path: ['audiences_none_because'],
    when: evenIfIncomplete,
  })
  .refine((entry) => !(isSpiffe(entry.issuer) && entry.keys?.discovery !== undefined), {
    error: 'is not for a SPIFFE trust domain, which needs jwks_uri or jwks_file',
    path: ['keys', 'discovery'],
    when: evenIfIncomplete,
  })
  .refine((entry) => !(isSpiffe(entry.issuer) && entry.introspection !== undefined), {
    error: 'is not for a SPIFFE trust domain, which has no opaque tokens',
    path: ['introspection'],
    when: evenIfIncomplete,
  })
  .refine((entry) => !(isSpiffe(entry.issuer) && ['rfc9068', 'id_token'].includes(entry.profile)), {
    error: 'must be generic for a SPIFFE trust domain',
    path: ['profile'],
    when: evenIfIncomplete,
  })

/** Tolerant, for it also runs on entries that are wrong. */
function isSpiffe(issuer: unknown): boolean {
  return typeof issuer === 'string' && hasSpiffeScheme(issuer)
}

/** Hundreds of issuers are tenants of a provider, not entries that somebody wrote. */
const ISSUERS_MAX = 256

export const issuersSchema = list(issuerSchema, { min: 1, max: ISSUERS_MAX }).refine(
  (entries) => repeatedIds(entries).length === 0,
  {
    error: (issue) => `two entries have the id ${quoted(repeatedIds(issue.input))}`,
    when: evenIfIncomplete,
  },
)

/** Ids that several entries have; tolerant, for it also runs on entries that are wrong. */
function repeatedIds(entries: unknown): string[] {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const entry of Array.isArray(entries) ? entries : []) {
    const value = (entry as Partial<Record<string, unknown>> | null)?.['id']
    if (typeof value !== 'string') continue
    if (seen.has(value)) twice.add(value)
    seen.add(value)
  }
  return [...twice]
}

function quoted(values: readonly string[]): string {
  return values.map((value) => JSON.stringify(value.slice(0, 200))).join(', ')
}
