import { hash, randomUUID } from 'node:crypto'
import { assertNever, CalloutError } from '../core/errors.ts'
import type { TokenFacts } from '../core/identity.ts'
import type { CalloutEvents, ReadinessProbe } from '../service/events.ts'
import type { Clock, ConnectionFacts, DeadlineMs, TokenVerifier, Verification } from '../service/ports.ts'
import { checkClaims } from './claims.ts'
import { parseCompactJws } from './compact-jws.ts'
import type { CompactJws } from './compact-jws.ts'
import { fetchHttpDocument } from './document-fetch.ts'
import type { FetchDocument } from './document-fetch.ts'
import { createFormClient } from './form-post.ts'
import type { FormClient } from './form-post.ts'
import { mapIdentity } from './identity.ts'
import { checkIntrospected } from './introspected-claims.ts'
import { createIntrospectionEndpoint } from './introspection-endpoint.ts'
import { Introspector } from './introspection.ts'
import { describeIssuerName, readIssuerName } from './issuer-name.ts'
import { assertIssuerOptions } from './issuer-options.ts'
import type { IssuerOptions } from './issuer-options.ts'
import { KeySet } from './key-set.ts'
import { createKeySource } from './key-source.ts'
import { checkOpaqueToken, looksSigned } from './opaque-token.ts'
import { describeValue, refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { chooseEntry } from './rule-sets.ts'
import type { VerificationKey } from './signature-algorithm.ts'
import { readMember } from './strict-json.ts'
import type { JsonObject } from './strict-json.ts'
import { issuerNames } from './tenant.ts'
import { readTokenFacts } from './token-facts.ts'
import { checkTokenType } from './token-type.ts'

export interface TokenVerifierOptions {
  readonly issuers: readonly IssuerOptions[]
  readonly clock: Clock
  readonly events: Pick<CalloutEvents, 'keySetRefreshed' | 'introspected'>
  readonly maxTokenBytes: number
  /** Told of every group of checks that a token passes, in order, for people who want to see why. Values are bounded and escaped. */
  readonly passed?: (check: string, detail: string) => void
  /** A number from 0 to below 1, so that replicas do not fetch keys in step; without it they may. */
  readonly random?: () => number
  /** How discovery documents and key sets are fetched; over node's HTTP client when absent. */
  readonly fetchDocument?: FetchDocument
  /** Makes ids that are unguessable and never the same twice; random UUIDs when absent. */
  readonly newId?: () => string
}

export interface OidcTokenVerifier extends TokenVerifier, AsyncDisposable {
  /**
   * Begins to fetch the keys of every issuer, and to probe introspection. Resolves when each was tried once, however it
   * went; tokens are verified before as well, as far as the keys are there.
   */
  start(): Promise<void>
  /** Checks for each issuer, after the id of its first entry: `issuer:<id>` for keys, `introspection:<id>`. */
  readonly readiness: ReadinessProbe
  /** Age of the keys of each issuer that has some, by id of its first entry, in seconds. */
  keySetAges(): ReadonlyMap<string, number>
  stop(): Promise<void>
}

/** What is trusted in the name of one `iss`: keys or answers to questions, and the entries that judge these, at least one. */
interface TrustedIssuer {
  readonly entries: readonly [IssuerOptions, ...IssuerOptions[]]
  /** Without one every token of the issuer is introspected, a JWT like any other. */
  readonly keySet?: KeySet
  readonly introspector?: Introspector
}

/**
 * Verifies OIDC tokens against configured issuers. The unverified `iss` (of a JWT-SVID without one, the trust domain in
 * `sub`) chooses the keys; from there on only these and the entries of that issuer count, so that no issuer can vouch in
 * the name of another. Among several entries the first that the token fits judges it, alone.
 * A token that names no issuer goes to the one issuer whose opaque tokens look like it, if it has introspection.
 * No verified token is ever cached: a check costs a fraction of a millisecond, and such caches have served expired
 * tokens and other people's claims. What an issuer says about a token is, for seconds, and judged anew each time.
 * Throws `CalloutError('ERR_CONFIG_INVALID')` for options that cannot be safe.
 */
export function createTokenVerifier(options: TokenVerifierOptions): OidcTokenVerifier {
  const { clock, maxTokenBytes, passed } = options
  assertIssuerOptions(options.issuers)
  const { issuers, formClients } = trustIssuers(options)
  const byIssuer = new Map(
    issuers.flatMap((issuer) => issuer.entries.flatMap(issuerNames).map((name) => [name, issuer] as const)),
  )
  const keySets = issuers.flatMap(({ keySet }) => keySet ?? [])
  const introspectors = issuers.flatMap(({ introspector }) => introspector ?? [])
  const keepers = issuers.filter(({ introspector }) => introspector !== undefined)

  const stop = async (): Promise<void> => {
    await Promise.all([...keySets, ...introspectors].map((part) => part[Symbol.asyncDispose]()))
    for (const client of formClients) client[Symbol.dispose]()
  }

  return {
    async verify(token, deadlineMs, connection = {}) {
      const jws = parseCompactJws(token, maxTokenBytes)
      const keeper = keeperOfOpaque(token, jws, keepers)
      if (keeper !== undefined) {
        const malformed = checkOpaqueToken(token)
        if (malformed) return refused(malformed, {})
        passed?.('form', `an opaque token of ${token.length} bytes`)
        passed?.('issuer', `opaque tokens of this form belong to ${keeper.entries[0].issuer}`)
        const sha256 = hash('sha256', token, 'hex')
        return judgeIntrospected(token, { sha256 }, keeper, deadlineMs, { clock, connection, passed })
      }
      if (!jws.wellFormed) return refused(jws.refusal, jws.facts)
      passed?.('form', `a strict compact JWS of ${token.length} bytes`)
      const issuer = chooseIssuer(jws.claims, byIssuer)
      if ('reason' in issuer) return refused(issuer, jws.facts)
      passed?.('issuer', describeIssuerName(jws.claims))
      const { keySet } = issuer
      if (keySet === undefined) {
        return judgeIntrospected(token, jws.facts, issuer, deadlineMs, { clock, connection, passed })
      }
      const key = await findKey(jws.header, { ...issuer, keySet }, deadlineMs).catch(explainUnavailable)
      if ('reason' in key) return refused(key, jws.facts, issuer.entries[0].id)
      if (!(await key.verifies(...signatureOf(token)))) {
        const forged = refuse('signature_invalid', 'the signature does not verify')
        return refused(forged, jws.facts, issuer.entries[0].id)
      }
      passed?.(
        'signature',
        `${describeValue(readMember(jws.header, 'alg'))}, "kid" ${describeValue(readMember(jws.header, 'kid'))}`,
      )
      return judge(jws, issuer.entries, { clock, connection, passed })
    },
    async start() {
      await Promise.all([...keySets, ...introspectors].map((part) => part.start()))
    },
    readiness: () => [...keySets, ...introspectors].map((part) => part.readiness()),
    keySetAges() {
      const ages = issuers.map(({ entries, keySet }) => [entries[0].id, keySet?.ageSeconds()] as const)
      return new Map(ages.filter((entry): entry is [string, number] => entry[1] !== undefined))
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** The parts that find out about the tokens of each issuer. */
function trustIssuers(options: TokenVerifierOptions): {
  readonly issuers: readonly TrustedIssuer[]
  readonly formClients: readonly FormClient[]
} {
  const { clock, events, random = () => 0, fetchDocument = fetchHttpDocument, newId = randomUUID } = options
  const formClients: FormClient[] = []
  const issuers: TrustedIssuer[] = []
  for (const [first, ...others] of Map.groupBy(options.issuers, (entry) => entry.issuer).values()) {
    if (first === undefined) throw new TypeError('an issuer has no entry')
    const { id: issuerId, keys, introspection, refresh } = first
    const parts: { keySet?: KeySet; introspector?: Introspector } = {}
    if (keys !== undefined) {
      const source = createKeySource({ ...first, keys }, clock, fetchDocument)
      parts.keySet = new KeySet({ issuerId, source, clock, events, random })
    }
    if (introspection !== undefined) {
      // One connection more than there are questions, for the probe.
      const formClient = createFormClient(introspection.maxInFlight + 1)
      formClients.push(formClient)
      const owner = { ...first, introspection }
      const endpoint = createIntrospectionEndpoint({ owner, clock, formClient, fetchDocument, newId })
      parts.introspector = new Introspector({
        issuerId,
        introspection,
        refresh,
        endpoint,
        clock,
        events,
        random,
        newId,
      })
    }
    issuers.push({ entries: [first, ...others], ...parts })
  }
  return { issuers, formClients }
}

interface Judging {
  readonly clock: Clock
  readonly connection: ConnectionFacts
  readonly passed?: TokenVerifierOptions['passed']
}

interface ProvedClaims {
  /** Absent where the issuer itself told the claims. */
  readonly header?: JsonObject
  readonly claims: JsonObject
  readonly facts: TokenFacts
}

/** Everything that the claims decide which the issuer has signed or told. */
function judge(
  { header, claims, facts }: ProvedClaims,
  entries: readonly IssuerOptions[],
  { clock, connection, passed }: Judging,
): Verification {
  const { entry, refusal: misfit } = chooseEntry(header, claims, entries)
  if (misfit) return refused(misfit, facts, entry.id)
  passed?.('entry', `${entry.id}: token type, audience, authorized party and match rules`)
  const refusal = checkClaims(claims, entry, clock.nowMs(), connection)
  if (refusal) return refused(refusal, facts, entry.id)
  passed?.('claims', 'validity, lifetime, required claims, profile, binding to a certificate')
  const mapped = mapIdentity(claims, entry.id, entry.identity, facts)
  if ('refusal' in mapped) return refused(mapped.refusal, facts, entry.id)
  passed?.('identity', 'subject, client, groups and attributes hold nothing that a principal may not')
  return { accepted: true, identity: mapped.identity }
}

/**
 * The issuer that is asked about a token which names none and can be checked with no key; undefined for every other token.
 * It is the one whose prefix fits, or the one without a prefix, and never a second one.
 */
function keeperOfOpaque(token: string, jws: CompactJws, keepers: readonly TrustedIssuer[]): TrustedIssuer | undefined {
  if (keepers.length === 0 || !isOpaque(token, jws)) return undefined
  const prefixOf = ({ entries }: TrustedIssuer): string | undefined => entries[0].introspection?.tokenPrefix
  const named = keepers.find((keeper) => {
    const prefix = prefixOf(keeper)
    return prefix !== undefined && token.startsWith(prefix)
  })
  return named ?? keepers.find((keeper) => prefixOf(keeper) === undefined)
}

function isOpaque(token: string, jws: CompactJws): boolean {
  if (!jws.wellFormed) return jws.refusal.reason === 'token_malformed' && !looksSigned(token)
  const name = readIssuerName(jws.claims)
  return typeof name === 'object' && name.reason === 'claim_missing'
}

/** Asks the issuer, and judges what it says as if it were signed. */
async function judgeIntrospected(
  token: string,
  facts: TokenFacts,
  { entries, introspector }: TrustedIssuer,
  deadlineMs: DeadlineMs,
  judging: Judging,
): Promise<Verification> {
  const [{ id, issuer }] = entries
  if (introspector === undefined) throw new TypeError('an issuer has neither keys nor introspection')
  const status = await introspector.introspect(token, deadlineMs).catch(explainUnavailable)
  if ('reason' in status) return refused(status, facts, id)
  const source = status.fromCache ? 'remembered' : 'asked just now'
  if (!status.active) return refused(refuse('token_inactive', `the issuer says so (${source})`), facts, id)
  const { claims } = status
  const told = readTokenFacts({}, claims, facts.sha256 ?? '')
  judging.passed?.('introspection', `the issuer says that the token is active (${source})`)
  const refusal = checkIntrospected(claims, issuer)
  if (refusal) return refused(refusal, told, id)
  return judge({ claims, facts: told }, entries, judging)
}

function chooseIssuer(claims: JsonObject, byIssuer: ReadonlyMap<string, TrustedIssuer>): TrustedIssuer | Refusal {
  const name = readIssuerName(claims)
  if (typeof name !== 'string') return name
  return byIssuer.get(name) ?? refuse('issuer_unknown', describeIssuerName(claims))
}

/** Everything that the header decides: which key has to have signed the token, and how. */
async function findKey(
  header: JsonObject,
  { entries, keySet }: TrustedIssuer & { readonly keySet: KeySet },
  deadlineMs: DeadlineMs,
): Promise<VerificationKey | Refusal> {
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
      return match.key
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

/** The issuer could not be asked: said with everything that the audit may know about the token, which is not judged. */
function explainUnavailable(error: unknown): Refusal {
  if (error instanceof CalloutError && error.code === 'ERR_OVERLOADED') return refuse('overloaded', error.message)
  if (error instanceof CalloutError && error.code === 'ERR_ISSUER_UNAVAILABLE') {
    return refuse('issuer_unavailable', error.message)
  }
  throw error
}

/** What was signed (RFC 7515 §5.1, JWS Signing Input) and the signature, of a token whose form was checked. */
function signatureOf(token: string): [signed: Buffer, signature: Buffer] {
  const dot = token.lastIndexOf('.')
  return [Buffer.from(token.slice(0, dot), 'latin1'), Buffer.from(token.slice(dot + 1), 'base64url')]
}

function refused({ reason, detail }: Refusal, token: TokenFacts, issuerId?: string): Verification {
  return { accepted: false, reason, detail, token, ...(issuerId === undefined ? {} : { issuerId }) }
}
