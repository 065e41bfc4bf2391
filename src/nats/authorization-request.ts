import type { KeyObject } from 'node:crypto'
import type { AbortCode } from '../core/reasons.ts'
import type { AuthorizationRequest } from '../core/request.ts'
import type { Clock } from '../service/ports.ts'
import { isAuthorizationClaims, toAuthorizationRequest } from './authorization-claims.ts'
import type { AuthorizationClaims } from './authorization-claims.ts'
import { createBoundedCache } from './bounded-cache.ts'
import { isSignedBy, parseJwt } from './jwt.ts'
import type { ParsedJwt } from './jwt.ts'
import { isSealed } from './keys.ts'
import type { XKey } from './keys.ts'
import { createServerKeys } from './nkey.ts'
import { createReplayGuard } from './replay-guard.ts'
import type { Signers } from './signers.ts'

/** The header in which a server names the curve key that it sealed the request with (`server/auth_callout.go`). */
export const SERVER_XKEY_HEADER = 'Nats-Server-Xkey'

/**
 * The largest message that is looked at. A request is about 1.1 KB and credentials; nats-server copies an MQTT password
 * twice, so a token of 16 KiB makes 44 KB in base64url, and an mTLS chain of ten certificates 30 KB.
 */
export const REQUEST_BYTES_MAX = 128 * 1024

/**
 * How far the clocks of a server and ours may differ. A server that is further off is told apart by `request_expired`.
 */
export const CLOCK_TOLERANCE_SECONDS = 60

/** `client_info.type` of an MQTT client, over WebSocket too (`server/client.go` clientTypeString). */
const MQTT = 'mqtt'

const REQUEST_AUDIENCE = 'nats-authorization-request'

/** A request may be accepted from one tolerance before its `iat` until one tolerance after it. */
const REPLAY_WINDOW_MS = 2 * CLOCK_TOLERANCE_SECONDS * 1000

/** As many as shared keys are remembered. */
const SEALERS_MAX = 1024

/** Seals an answer for the server that sent the request. */
export type Seal = (response: Uint8Array) => Uint8Array

export type DecodedRequest =
  { readonly aborted: AbortCode } | { readonly request: AuthorizationRequest; readonly seal?: Seal }

/**
 * `serverXKey` is the content of the `Nats-Server-Xkey` header, if the message has one. A request that will be refused
 * whatever it says may be taken on the word of its seal; see `createRequestDecoder`.
 */
export type DecodeRequest = (
  data: Uint8Array,
  serverXKey: string | undefined,
  purpose?: Purpose,
) => Promise<DecodedRequest>

export type Purpose = 'judge' | 'refuse'

export interface RequestDecoderOptions {
  readonly signers: Pick<Signers, 'mode' | 'issuerKeys'>
  /** When there is one, requests in the clear are refused; without one, sealed requests. Several during a rotation. */
  readonly xkeys: readonly XKey[]
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>
}

/**
 * Makes the decoder of messages on `$SYS.REQ.USER.AUTH`. It answers with a request that a server signed for us just now
 * and that was not seen before, or with the code of the first check that failed; it never rejects on any input.
 *
 * The signature is checked when all else is in order: what cannot be a request does not get that far. Only what
 * verified is remembered, so that of two copies one is a replay, and nobody can make a replay of a request that is still
 * to come.
 *
 * The key of a server is made by the server itself and vouched for by nobody: that only servers can publish on the
 * subject is the doing of nats-server. Source of the checks: nats-server `server/auth_callout.go`, ADR-26.
 *
 * The signature of a request that is to be refused is not verified if it was sealed with the curve key that the same
 * server named in a verified request: a NaCl box can only be made with the secret key of its sender or of ours. That
 * saves most of the time, in an overload, where it matters.
 */
export function createRequestDecoder(options: RequestDecoderOptions): DecodeRequest {
  const { signers, xkeys, clock } = options
  const serverKeys = createServerKeys()
  const replays = createReplayGuard({ windowMs: REPLAY_WINDOW_MS, monotonicMs: () => clock.monotonicMs() })

  /** Server ids by their curve keys, from requests that were sealed and verified. */
  const sealers = createBoundedCache<string>(SEALERS_MAX)

  function read(data: Uint8Array, serverXKey: string | undefined): { readonly aborted: AbortCode } | Unverified {
    if (data.length === 0) return { aborted: 'request_empty' }
    if (data.length > REQUEST_BYTES_MAX) return { aborted: 'request_oversized' }
    const opened = openRequest(data, serverXKey, xkeys)
    if ('aborted' in opened) return opened
    const jwt = parseJwt(opened.plain)
    if (jwt === undefined || !isAuthorizationClaims(jwt.claims)) return { aborted: 'request_malformed' }
    const { claims } = jwt
    const aborted = firstFailure(claims, serverXKey, signers, clock.nowMs() / 1000)
    if (aborted !== undefined) return { aborted }
    const isDoubtful = signers.mode !== 'operator' && looksLikeOperatorMode(claims)
    if (isDoubtful && claims.nats.client_info.type !== MQTT) return { aborted: 'request_operator_mode' }
    const key = serverKeys(claims.iss)
    if (key === undefined) return { aborted: 'request_issuer_invalid' }
    return { jwt, claims, key, isDoubtful, ...(opened.seal === undefined ? {} : { seal: opened.seal }) }
  }

  return async (data, serverXKey, purpose = 'judge') => {
    const unverified = read(data, serverXKey)
    if ('aborted' in unverified) return unverified
    const { jwt, claims, key, isDoubtful, seal } = unverified
    const sealer = seal === undefined || serverXKey === undefined ? undefined : sealers.get(serverXKey)
    const isVouchedFor = purpose === 'refuse' && sealer === claims.iss
    if (!isVouchedFor && !isSignedBy(key, jwt)) return { aborted: 'request_signature_invalid' }
    const genuine = toAuthorizationRequest(claims)
    const request = isDoubtful ? { ...genuine, credentials: {} } : genuine
    if (!replays.admit(`${request.server.id} ${request.userNkey}`)) return { aborted: 'request_replayed' }
    if (seal === undefined || serverXKey === undefined) return { request }
    sealers.set(serverXKey, request.server.id)
    return { request, seal }
  }
}

/** A request in which everything is in order but perhaps the signature. */
interface Unverified {
  readonly jwt: ParsedJwt
  readonly claims: AuthorizationClaims
  readonly key: KeyObject
  /** Whether it may be of operator mode: it is handed on without credentials then, so that nothing can allow it. */
  readonly isDoubtful: boolean
  readonly seal?: Seal
}

function openRequest(
  data: Uint8Array,
  serverXKey: string | undefined,
  xkeys: readonly XKey[],
): { aborted: AbortCode } | { plain: Uint8Array; seal?: Seal } {
  if (!isSealed(data)) {
    if (xkeys.length === 0) return { plain: data }
    return { aborted: looksLikeJwt(data) ? 'request_not_sealed' : 'request_malformed' }
  }
  if (xkeys.length === 0) return { aborted: 'request_sealed' }
  if (serverXKey === undefined) return { aborted: 'request_seal_invalid' }
  for (const xkey of xkeys) {
    const plain = xkey.open(data, serverXKey)
    if (plain !== undefined) return { plain, seal: (response) => xkey.seal(response, serverXKey) }
  }
  return { aborted: 'request_seal_invalid' }
}

/** `eyJ` is `{"` in base64url; nats-server tells sealed answers apart by it as well. */
function looksLikeJwt(data: Uint8Array): boolean {
  return data[0] === 0x65 && data[1] === 0x79 && data[2] === 0x4a
}

function firstFailure(
  claims: AuthorizationClaims,
  serverXKey: string | undefined,
  { issuerKeys }: Pick<Signers, 'issuerKeys'>,
  nowSeconds: number,
): AbortCode | undefined {
  if (claims.iss !== claims.nats.server_id.id) return 'request_issuer_invalid'
  if (claims.aud !== REQUEST_AUDIENCE) return 'request_audience_invalid'
  if (!issuerKeys.has(claims.sub)) return 'request_subject_unknown'
  if (claims.nats.server_id.xkey !== serverXKey) return 'request_xkey_mismatch'
  if (!isTimely(claims, nowSeconds)) return 'request_expired'
  return undefined
}

/**
 * In operator mode a client is a user of the callout account, its sentinel, until we have answered. A user JWT without
 * `issuer_account`, as server-configuration mode wants it, would leave the client in that account, where the requests
 * of all others arrive. In server-configuration mode only an MQTT client can have a JWT here, which it made up itself: it is
 * refused, which is safe in either mode, and says nothing about the server.
 */
function looksLikeOperatorMode({ sub, nats }: AuthorizationClaims): boolean {
  const { jwt } = nats.connect_opts
  if (jwt === undefined) return false
  const sentinel = parseJwt(Buffer.from(jwt, 'utf8'))?.claims
  if (sentinel === undefined) return true
  const { issuer_account: account = sentinel['iss'] } = (sentinel['nats'] ?? {}) as { issuer_account?: unknown }
  return account === sub
}

/**
 * `exp` is the end of the server's patience cut to whole seconds, and may equal `iat`; how long a server is willing to
 * wait is not our concern, so the age of the request counts, and `exp` only has to make sense.
 */
function isTimely({ iat, exp }: AuthorizationClaims, nowSeconds: number): boolean {
  return Math.abs(nowSeconds - iat) <= CLOCK_TOLERANCE_SECONDS && exp >= iat
}
