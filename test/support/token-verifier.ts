import type { IssuerOptions } from '../../src/oidc/issuer-options.ts'
import { createTokenVerifier } from '../../src/oidc/token-verifier.ts'
import type { OidcTokenVerifier } from '../../src/oidc/token-verifier.ts'
import type { Clock, Verification } from '../../src/service/ports.ts'
import { ManualClock } from './manual-clock.ts'
import { anIssuer } from './oidc.ts'
import { RecordedEvents } from './recorded-events.ts'

/** What the service leaves to verification: 40 % of the default deadline of a request. */
export const BUDGET_MS = 600

export const KEYS_URL = 'https://idp.example/keys'

/** The whole verifier at `NOW_MS`; its issuers publish what `keys` says, by address of the key set. */
export function verifierOf(
  keys: Readonly<Record<string, readonly unknown[]>>,
  issuers: readonly IssuerOptions[],
  clock: Clock = new ManualClock(),
): OidcTokenVerifier {
  return createTokenVerifier({
    issuers,
    clock,
    events: new RecordedEvents(),
    maxTokenBytes: 16_384,
    fetchDocument: async (url) => Buffer.from(JSON.stringify({ keys: keys[url.href] })),
  })
}

/** A verifier with one issuer, `anIssuer()` with ES256 and RS256, which publishes these keys. */
export function corpVerifier(keys: readonly unknown[], change: Partial<IssuerOptions> = {}): OidcTokenVerifier {
  const issuer = anIssuer({ keys: { jwksUri: KEYS_URL }, algorithms: ['ES256', 'RS256'], ...change })
  return verifierOf({ [KEYS_URL]: keys }, [issuer])
}

/** 'accepted', or reason and detail of the refusal. */
export async function verdictOf(verifier: OidcTokenVerifier, token: string): Promise<string> {
  const verification = await verifier.verify(token, BUDGET_MS)
  return verification.accepted ? 'accepted' : `${verification.reason}: ${verification.detail}`
}

export async function reasonOf(verifier: OidcTokenVerifier, token: string): Promise<string> {
  const verification: Verification = await verifier.verify(token, BUDGET_MS)
  return verification.accepted ? 'accepted' : verification.reason
}
