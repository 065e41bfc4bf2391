import { isDeepStrictEqual } from 'node:util'
import type { Allow } from '../core/decision.ts'
import { isResponsePermission, type ResponsePermission } from '../core/grant.ts'
import type { Permissions, SubjectPermission } from '../core/permissions.ts'
import type { AuthorizationRequest } from '../core/request.ts'
import { parseSubjectPattern, problemOfQueue } from '../core/subject.ts'
import type { Answer, Clock, UserJwtIssuer } from '../service/ports.ts'
import { encodeJwt, parseJwt } from './jwt.ts'
import type { JwtClaims } from './jwt.ts'
import type { Signer, Signers } from './signers.ts'

const CLAIMS_VERSION = 2
/** `jwt.NoLimit`; zero would be a limit. nats-server does not enforce these on callout users, other tools read them. */
const NO_LIMIT = -1
const NANOSECONDS_PER_MS = 1_000_000

export type EncodeResponse = (request: AuthorizationRequest, answer: Answer) => Promise<Uint8Array>

/**
 * Makes user JWTs: `jti` is the id of the decision, `iat` its time. The account is named by `aud` in
 * server-configuration mode and by `issuer_account` in operator mode, where nats-server does not look at `aud`. Subjects
 * are checked again, since nats-server drops a deny entry that it cannot parse and takes empty lists for full access;
 * the encoded JWT is read back and compared. Its signature is not verified again: nats-server refuses a bad one. Rejects
 * with `TypeError` on what no correct decision contains, `RangeError` when the JWT is too large.
 *
 * The permissions are always written out. A scoped signing key, which would replace them by its template, is therefore
 * refused by nats-server: the template lies in the account JWT and may change after the decision is on record.
 */
export function createUserJwtIssuer(signers: Signers): UserJwtIssuer {
  return {
    async issue(allow, request, userName) {
      const signer = signers.ofUserJwt(request, allow.account)
      const claims = userClaims(allow, request, userName, signer)
      const userJwt = await encodeJwt(claims, signer.key)
      const readBack = parseJwt(Buffer.from(userJwt, 'latin1'))
      if (!isDeepStrictEqual(readBack?.claims, claims))
        throw new TypeError('the user JWT does not say what was decided')
      return userJwt
    },
  }
}

/**
 * Makes the encoder of authorization responses (nats-io/jwt `v2/authorization_claims.go`). Answers are in the clear;
 * see `Seal`.
 */
export function createResponseEncoder(signers: Signers, clock: Pick<Clock, 'nowMs'>): EncodeResponse {
  return async (request, answer) => {
    const { key, issuerAccount } = signers.ofResponse(request)
    const claims = {
      sub: request.userNkey,
      aud: request.server.id,
      iat: Math.floor(clock.nowMs() / 1000),
      nats: {
        ...('allow' in answer ? { jwt: answer.allow } : { error: answer.deny }),
        ...issuerAccountClaim(issuerAccount),
        type: 'authorization_response',
        version: CLAIMS_VERSION,
      },
    }
    return Buffer.from(await encodeJwt(claims, key), 'latin1')
  }
}

function issuerAccountClaim(issuerAccount: string | undefined): { readonly issuer_account?: string } {
  return issuerAccount === undefined ? {} : { issuer_account: issuerAccount }
}

function userClaims(allow: Allow, request: AuthorizationRequest, userName: string, signer: Signer): JwtClaims {
  const iat = Math.floor(allow.decidedAtMs / 1000)
  requireText('user name', userName)
  requireText('account', allow.account)
  requireText('decision id', allow.id)
  if (!Number.isSafeInteger(allow.expiresAt) || allow.expiresAt <= iat) {
    throw new TypeError('the expiry of an allow is not a whole second after the decision')
  }
  const { publish, subscribe, responses } = checkedPermissions(allow.permissions)
  return {
    iss: signer.key.publicKey,
    jti: allow.id,
    sub: request.userNkey,
    aud: allow.account,
    name: userName,
    iat,
    exp: allow.expiresAt,
    nats: {
      type: 'user',
      version: CLAIMS_VERSION,
      pub: wirePermission(publish),
      sub: wirePermission(subscribe),
      ...(responses === undefined ? {} : { resp: wireResponse(responses) }),
      subs: NO_LIMIT,
      data: NO_LIMIT,
      payload: NO_LIMIT,
      ...issuerAccountClaim(signer.issuerAccount),
    },
  }
}

function requireText(what: string, text: string): void {
  if (text === '' || !text.isWellFormed()) throw new TypeError(`the ${what} of a user JWT is empty or not Unicode`)
}

type Side = 'publish' | 'subscribe'

function checkedPermissions(permissions: Permissions): Permissions {
  const { responses } = permissions
  if (responses !== undefined && !isResponsePermission(responses)) throw new TypeError('a response out of its bounds')
  for (const side of ['publish', 'subscribe'] satisfies Side[]) {
    const { allow, deny } = permissions[side]
    if (allow.length === 0 && !deny.includes('>')) throw new TypeError(`${side} allows nothing and does not deny ">"`)
    for (const entry of [...allow, ...deny]) {
      if (!isEntry(entry, side))
        throw new TypeError(`${side} holds an entry that nats-server does not take as it is meant`)
    }
  }
  return permissions
}

function isEntry(entry: string, side: Side): boolean {
  const [subject = '', queue, ...more] = entry.split(' ', 3)
  const parsed = parseSubjectPattern(subject)
  if ('problem' in parsed || parsed.pattern.tokens.some((token) => token.kind === 'variable')) return false
  if (queue === undefined) return true
  return side === 'subscribe' && more.length === 0 && problemOfQueue(queue) === undefined
}

/** An empty list is left out, as Go does. */
function wirePermission({ allow, deny }: SubjectPermission): { allow?: readonly string[]; deny?: readonly string[] } {
  return { ...(allow.length > 0 && { allow }), ...(deny.length > 0 && { deny }) }
}

/** Both are always written: nats-server takes zero for its own default (`server/const.go`). */
function wireResponse({ max, ttlMs }: ResponsePermission): { readonly max: number; readonly ttl: number } {
  return { max, ttl: ttlMs * NANOSECONDS_PER_MS }
}
