import { randomUUID } from 'node:crypto'
import type { Config } from '../config/config.ts'
import { connectionLike, type ConnectionType, type TlsRequirement } from '../core/connection-condition.ts'
import type { DecisionInput, SessionRules } from '../core/decide.ts'
import type { Identity } from '../core/identity.ts'
import { lockKeys } from '../core/locks.ts'
import { identityNamed } from '../core/principal.ts'
import { systemClock as clock } from '../service/clock.ts'
import { parsePastInstant } from './instant.ts'
import { usageFailure, warn, type CliIo } from './io.ts'
import { readPolicy, type PolicySource } from './policy-reading.ts'
import type { Store } from './store.ts'

/** What is assumed of a client and its connection: everything else is taken as not told. */
export interface ClientOptions extends ConnectionOptions {
  readonly group?: readonly string[]
  readonly attribute?: readonly string[]
}

export interface ConnectionOptions {
  readonly account?: string
  readonly address?: string
  readonly connectionType: ConnectionType
  readonly tls?: TlsRequirement
}

/** The identity that the options describe; nothing is said of its token. Fails with what is wrong. */
export function assumedIdentity(text: string, { group = [], attribute = [] }: ClientOptions): Identity {
  const attributes = attribute.map((pair) => {
    const equals = pair.indexOf('=')
    if (equals < 1) throw usageFailure(`--attribute ${JSON.stringify(pair)}: write name=value`)
    return [pair.slice(0, equals), pair.slice(equals + 1)] as const
  })
  const named = identityNamed(text, { groups: group, attributes: Object.fromEntries(attributes) })
  if ('problem' in named) throw usageFailure(`${JSON.stringify(text)}: ${named.problem}`)
  return named.identity
}

/** The rules of the configuration, without chance. */
export function rulesOf({ callout, session }: Config): SessionRules {
  return { accounts: callout.accounts, maxMs: session.maxMs, jitter: 0, minRemainingMs: session.minRemainingMs }
}

/** Says so when nobody vouches for an identity: its rows can be right, and it still cannot come. */
export function warnOfUnknownIssuer({ issuers }: Config, { issuerId }: Identity, io: CliIo): void {
  if (!issuers.some(({ id }) => id === issuerId)) warn(io, `no issuer of the configuration has the id ${issuerId}`)
}

export interface Assumed {
  readonly input: DecisionInput
  readonly source: PolicySource
}

/**
 * Everything that the service would decide on for this identity on this connection, now or at a past time. Of a token that does not say
 * when it expires is assumed that it lasts as long as any session may.
 */
export async function assumedDecision(
  store: Store,
  identity: Identity,
  options: ConnectionOptions & { readonly at?: string },
): Promise<Assumed> {
  const rules = rulesOf(store.config)
  const startedMs = clock.nowMs()
  const nowMs = options.at === undefined ? startedMs : parsePastInstant(options.at, '--at', startedMs)
  const at = options.at === undefined ? undefined : new Date(nowMs).toISOString()
  const expiresAt = identity.token.expiresAt ?? Math.ceil((nowMs + rules.maxMs) / 1000)
  const { policy, source } = await readPolicy(store, lockKeys(identity, rules.accounts.keys()), at)
  return {
    source,
    input: {
      id: randomUUID(),
      identity: { ...identity, token: { ...identity.token, expiresAt } },
      wantedAccount: options.account,
      connection: connectionLike(options),
      policy,
      rules,
      nowMs,
      random: 0,
    },
  }
}
