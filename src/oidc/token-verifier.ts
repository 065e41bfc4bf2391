import { compactVerify, errors } from 'jose'
import type { CryptoKey } from 'jose'
import { assertNever, CalloutError } from '../core/errors.ts'
import type { TokenFacts } from '../core/identity.ts'
import type { CalloutEvents, ReadinessProbe } from '../service/events.ts'
import type { Clock, ConnectionFacts, DeadlineMs, TokenVerifier, Verification } from '../service/ports.ts'
import { checkClaims } from './claims.ts'
import { parseCompactJws } from './compact-jws.ts'
import type { CompactJws } from './compact-jws.ts'
import { fetchHttpDocument } from './document-fetch.ts'
import type { FetchDocument } from './document-fetch.ts'
import { mapIdentity } from './identity.ts'
import { readIssuerName } from './issuer-name.ts'
import { assertIssuerOptions } from './issuer-options.ts'
import type { IssuerOptions } from './issuer-options.ts'
import { KeySet } from './key-set.ts'
import { createKeySource } from './key-source.ts'
import { describeValue, refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { chooseEntry } from './rule-sets.ts'
import { readMember } from './strict-json.ts'
import type { JsonObject } from './strict-json.ts'
import { issuerNames } from './tenant.ts'
import { checkTokenType } from './token-type.ts'

export interface TokenVerifierOptions {
  readonly issuers: readonly IssuerOptions[]
  readonly clock: Clock
  readonly events: Pick<CalloutEvents, 'keySetRefreshed'>
  readonly maxTokenBytes: number
  /** Told of every group of checks that a token passes, in order, for people who want to see why. Values are bounded and escaped. */
  readonly passed?: (check: string, detail: string) => void
  /** A number from 0 to below 1, so that replicas do not fetch keys in step; without it they may. */
  readonly random?: () => number
  /** How discovery documents and key sets are fetched; over node's HTTP client when absent. */
  readonly fetchDocument?: FetchDocument
}

export interface OidcTokenVerifier extends TokenVerifier, AsyncDisposable {
  /** Begins to fetch the keys of every issuer in the background; does not wait for any. */
  start(): void
  /** One check for each issuer, named `issuer:<id>` after its first entry. */
  readonly readiness: ReadinessProbe
  /** Age of the keys of each issuer that has some, by id of its first entry, in seconds. */
  keySetAges(): ReadonlyMap<string, number>
  stop(): Promise<void>
}

/** What is trusted in the name of one `iss`: the keys, and the entries that judge what they signed, at least one. */
interface TrustedIssuer {
  readonly entries: readonly [IssuerOptions, ...IssuerOptions[]]
  readonly keySet: KeySet
}

/**
 * Verifies OIDC tokens against configured issuers. The unverified `iss` (of a JWT-SVID without one, the trust domain in
 * `sub`) chooses the keys; from there on only these and the entries of that issuer count, so that no issuer can vouch in
 * the name of another. Among several entries the first that the token fits judges it, alone.
 * No verified token is ever cached: a check costs a fraction of a millisecond, and such caches have served expired
 * tokens and other people's claims.
 * Throws `CalloutError('ERR_CONFIG_INVALID')` for options that cannot be safe.
 */
export function createTokenVerifier(options: TokenVerifierOptions): OidcTokenVerifier {
  const {
    clock,
    events,
    maxTokenBytes,
    passed = () => {},
    random = () => 0,
    fetchDocument = fetchHttpDocument,
  } = options
  assertIssuerOptions(options.issuers)
  const issuers = Map.groupBy(options.issuers, (entry) => entry.issuer)
    .values()
    .map(([first, ...others]): TrustedIssuer => {
      if (first === undefined) throw new TypeError('an issuer has no entry')
      const source = createKeySource(first, clock, fetchDocument)
      return { entries: [first, ...others], keySet: new KeySet({ issuerId: first.id, source, clock, events, random }) }
    })
    .toArray()
  const byIssuer = new Map(
    issuers.flatMap((issuer) => issuer.entries.flatMap(issuerNames).map((name) => [name, issuer] as const)),
  )

  const stop = async (): Promise<void> => {
    await Promise.all(issuers.map(({ keySet }) => keySet[Symbol.asyncDispose]()))
  }

  return {
    async verify(token, deadlineMs, connection = {}) {
      const jws = parseCompactJws(token, maxTokenBytes)
      if (!jws.wellFormed) return refused(jws.refusal, jws.facts)
      passed('form', `a strict compact JWS of ${token.length} bytes`)
      const issuer = chooseIssuer(jws.claims, byIssuer)
      if ('reason' in issuer) return refused(issuer, jws.facts)
      const naming = Object.hasOwn(jws.claims, 'iss') ? 'iss' : 'sub'
      passed('issuer', `"${naming}" is ${describeValue(readMember(jws.claims, naming))}`)
      const unsigned = await checkSignature(token, jws.header, issuer, deadlineMs).catch(explainUnavailable)
      if (unsigned) return refused(unsigned, jws.facts, issuer.entries[0].id)
      passed(
        'signature',
        `${describeValue(readMember(jws.header, 'alg'))}, "kid" ${describeValue(readMember(jws.header, 'kid'))}`,
      )
      return judge(jws, issuer.entries, { nowMs: clock.nowMs(), connection, passed })
    },
    start() {
      for (const { keySet } of issuers) keySet.start()
    },
    readiness: () => issuers.map(({ keySet }) => keySet.readiness()),
    keySetAges() {
      const ages = issuers.map(({ entries, keySet }) => [entries[0].id, keySet.ageSeconds()] as const)
      return new Map(ages.filter((entry): entry is [string, number] => entry[1] !== undefined))
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

interface Judging {
  readonly nowMs: number
  readonly connection: ConnectionFacts
  readonly passed: (check: string, detail: string) => void
}

/** Everything that the claims of a signed token decide. */
function judge(
  { header, claims, facts }: Extract<CompactJws, { wellFormed: true }>,
  entries: readonly IssuerOptions[],
  { nowMs, connection, passed }: Judging,
): Verification {
  const { entry, refusal: misfit } = chooseEntry(header, claims, entries)
  if (misfit) return refused(misfit, facts, entry.id)
  passed('entry', `${entry.id}: token type, audience, authorized party and match rules`)
  const refusal = checkClaims(claims, entry, nowMs, connection)
  if (refusal) return refused(refusal, facts, entry.id)
  passed('claims', 'validity, lifetime, required claims, profile, binding to a certificate')
  const mapped = mapIdentity(claims, entry.id, entry.identity, facts)
  if ('refusal' in mapped) return refused(mapped.refusal, facts, entry.id)
  passed('identity', 'subject, client, groups and attributes hold nothing that a principal may not')
  return { accepted: true, identity: mapped.identity }
}

function chooseIssuer(claims: JsonObject, byIssuer: ReadonlyMap<string, TrustedIssuer>): TrustedIssuer | Refusal {
  const name = readIssuerName(claims)
  if (typeof name !== 'string') return name
  return byIssuer.get(name) ?? refuse('issuer_unknown', `no issuer entry is for ${describeValue(name)}`)
}

/** Everything that the header decides, and the signature itself. */
async function checkSignature(
  token: string,
  header: JsonObject,
  { entries, keySet }: TrustedIssuer,
  deadlineMs: DeadlineMs,
): Promise<Refusal | undefined> {
  const tokenTypes = entries.flatMap((entry) => entry.tokenTypes)
  const typeRefusal = checkTokenType(readMember(header, 'typ'), tokenTypes)
  if (typeRefusal) return typeRefusal
  const algorithm = readMember(header, 'alg')
  if (typeof algorithm !== 'string' || !entries[0].algorithms.includes(algorithm)) {
    return refuse('algorithm_not_allowed', `the "alg" header is ${describeValue(algorithm)}`)
  }
  const keyId = readMember(header, 'kid')
  const match = await keySet.find(typeof keyId === 'string' ? keyId : undefined, algorithm, deadlineMs)
  switch (match.kind) {
    case 'found':
      return verifySignature(token, match.key, algorithm)
    case 'absent':
      return refuse('key_not_found', `no ${algorithm} key fits "kid" ${describeValue(keyId)}`)
    case 'ambiguous':
      return refuse('key_not_found', `several ${algorithm} keys fit "kid" ${describeValue(keyId)}`)
    case 'refused':
      return refuse('key_invalid', match.why)
    default:
      return assertNever(match)
  }
}

/** The keys could not be had: said with everything that the audit may know about the token, which is not judged. */
function explainUnavailable(error: unknown): Refusal {
  if (error instanceof CalloutError && error.code === 'ERR_ISSUER_UNAVAILABLE') {
    return refuse('issuer_unavailable', error.message)
  }
  throw error
}

async function verifySignature(token: string, key: CryptoKey, algorithm: string): Promise<Refusal | undefined> {
  try {
    await compactVerify(token, key, { algorithms: [algorithm] })
    return undefined
  } catch (error) {
    return explainJoseFailure(error)
  }
}

/**
 * jose throws its own errors for what is wrong with a token, and `TypeError` or `DOMException` for what is wrong with a
 * key: length, curve, usage.
 */
function explainJoseFailure(error: unknown): Refusal {
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return refuse('signature_invalid', 'the signature does not verify')
  }
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported) {
    return refuse('algorithm_not_allowed', `jose refuses the algorithm (${error.code})`)
  }
  if (error instanceof errors.JOSEError) return refuse('token_malformed', `jose refuses the token (${error.code})`)
  return refuse('key_invalid', `jose refuses the key (${error instanceof Error ? error.name : 'unknown error'})`)
}

function refused({ reason, detail }: Refusal, token: TokenFacts, issuerId?: string): Verification {
  return { accepted: false, reason, detail, token, ...(issuerId === undefined ? {} : { issuerId }) }
}
