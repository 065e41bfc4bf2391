import { blockHolds, parseAddressBlock, parseIpAddress } from './cidr.ts'
import type { AuthorizationRequest } from './request.ts'

/**
 * What a condition can ask for, in the words of nats-io/jwt (`v2/user_claims.go`), as far as an authorization request tells them
 * apart: MQTT and leaf nodes over WebSocket look like those over TCP, so `MQTT` and `LEAFNODE` stand for both.
 */
export const CONNECTION_TYPES = ['STANDARD', 'WEBSOCKET', 'LEAFNODE', 'MQTT'] as const
export type ConnectionType = (typeof CONNECTION_TYPES)[number]

/** `required`: any TLS. `mutual`: TLS with a client certificate that nats-server verified. */
export const TLS_REQUIREMENTS = ['required', 'mutual'] as const
export type TlsRequirement = (typeof TLS_REQUIREMENTS)[number]

/** More than anybody lists by hand; each is looked at for every connection. */
export const SOURCE_CIDRS_MAX = 64

/**
 * What a connection has to be for a grant to apply, or to be let into an account: all that is present has to hold, a list when
 * one of its entries does. Lists are as stored: they may be empty or hold what cannot be read.
 */
export interface ConnectionCondition {
  readonly connectionTypes?: readonly string[]
  readonly sourceCidrs?: readonly string[]
  readonly tls?: TlsRequirement
}

/** What nats-server says of the connection; nothing in it is the client's own word. Behind a proxy, address and TLS are those of the proxy's own connection. */
export type Connection = Pick<
  AuthorizationRequest['client'],
  'kind' | 'connectionType' | 'host' | 'tlsVersion' | 'hasVerifiedCertificate'
>

/** The part of a condition that does not hold, as the audit names it. */
export type UnmetCondition = 'connection_type_unmet' | 'source_address_unmet' | 'tls_unmet'

/**
 * `unknown`: the request does not say enough to tell, or the condition cannot be read. What allows then does not apply, and
 * what denies does, so that nobody wins by being hard to judge.
 */
export type ConditionVerdict =
  { readonly holds: 'yes' } | { readonly holds: 'no' | 'unknown'; readonly why: UnmetCondition }

type Verdict = ConditionVerdict['holds']

/** Judges each part; a part that does not hold outweighs one that cannot be told. Total and pure. */
export function judgeCondition(
  { connectionTypes, sourceCidrs, tls }: ConnectionCondition,
  connection: Connection,
): ConditionVerdict {
  const parts: readonly (readonly [UnmetCondition, Verdict])[] = [
    ['connection_type_unmet', connectionTypes === undefined ? 'yes' : judgeType(connectionTypes, connection)],
    ['source_address_unmet', sourceCidrs === undefined ? 'yes' : judgeAddress(sourceCidrs, connection.host)],
    ['tls_unmet', tls === undefined ? 'yes' : judgeTls(tls, connection)],
  ]
  for (const holds of ['no', 'unknown'] as const) {
    const part = parts.find(([, verdict]) => verdict === holds)
    if (part !== undefined) return { holds, why: part[0] }
  }
  return { holds: 'yes' }
}

function judgeType(wanted: readonly string[], connection: Connection): Verdict {
  const type = connectionTypeOf(connection)
  if (type === undefined) return 'unknown'
  if (wanted.includes(type)) return 'yes'
  return wanted.length > 0 && wanted.every(isConnectionType) ? 'no' : 'unknown'
}

function connectionTypeOf({ kind, connectionType }: Connection): ConnectionType | undefined {
  if (kind === 'Leafnode') return 'LEAFNODE'
  if (kind !== 'Client') return undefined
  if (connectionType === 'nats') return 'STANDARD'
  if (connectionType === 'websocket') return 'WEBSOCKET'
  return connectionType === 'mqtt' ? 'MQTT' : undefined
}

const WIRE_TYPES = { STANDARD: 'nats', WEBSOCKET: 'websocket', MQTT: 'mqtt', LEAFNODE: undefined } as const

/** A connection of which this is known: what nats-server would say of it. Without an address no condition on the address holds. */
export function connectionLike({
  address = '',
  connectionType = 'STANDARD',
  tls,
}: {
  readonly address?: string | undefined
  readonly connectionType?: ConnectionType | undefined
  readonly tls?: TlsRequirement | undefined
}): Connection {
  const wire = WIRE_TYPES[connectionType]
  return {
    kind: connectionType === 'LEAFNODE' ? 'Leafnode' : 'Client',
    host: address,
    ...(wire === undefined ? {} : { connectionType: wire }),
    ...(tls === undefined ? {} : { tlsVersion: '1.3' }),
    ...(tls === 'mutual' ? { hasVerifiedCertificate: true as const } : {}),
  }
}

/** Case counts: rows and configuration are compared as they are written. */
export function isConnectionType(text: string): text is ConnectionType {
  return CONNECTION_TYPES.some((type) => type === text)
}

function judgeAddress(cidrs: readonly string[], host: string): Verdict {
  const address = parseIpAddress(host)
  if (address === undefined) return 'unknown'
  let verdict: Verdict = cidrs.length > 0 ? 'no' : 'unknown'
  for (const cidr of cidrs) {
    const parsed = parseAddressBlock(cidr)
    if ('problem' in parsed) verdict = 'unknown'
    else if (blockHolds(parsed.block, address)) return 'yes'
  }
  return verdict
}

/** Never "no": a deny that asked for TLS would be escaped by leaving TLS out. */
function judgeTls(wanted: TlsRequirement, { tlsVersion, hasVerifiedCertificate }: Connection): Verdict {
  if (tlsVersion === undefined || tlsVersion === '') return 'unknown'
  return wanted === 'required' || hasVerifiedCertificate === true ? 'yes' : 'unknown'
}
