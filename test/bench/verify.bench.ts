import { importJWK, jwtVerify } from 'jose'
import { createTokenVerifier } from '../../src/oidc/token-verifier.ts'
import { NOW_MS } from '../support/builders.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { anIssuer, createSigner, ISSUER, signToken, someClaims } from '../support/oidc.ts'
import { RecordedEvents } from '../support/recorded-events.ts'

/** Short enough that both sides of a pair run under the same load of the machine. */
const BATCH = 100
const WARM_UP_PAIRS = 20
const PAIRS = 100

/** Of a token as Keycloak makes them: some 900 bytes, two dozen claims. */
const CLAIMS = someClaims({
  aud: ['nats', 'account'],
  jti: '7d1c6f7e-3c2f-4b2e-9a53-0f1d3a5b7c9e',
  typ: 'Bearer',
  azp: 'nats-cli',
  sid: 'c1f9a3de-2b8f-4b0e-8a0d-64a8f1b7a2c3',
  acr: '1',
  scope: 'openid profile email',
  email: 'alice@example.com',
  email_verified: true,
  name: 'Alice Example',
  preferred_username: 'alice',
  given_name: 'Alice',
  family_name: 'Example',
  groups: ['ops', 'orders', 'telemetry', 'everyone'],
  realm_access: { roles: ['nats-user', 'offline_access', 'uma_authorization'] },
  resource_access: { account: { roles: ['manage-account', 'view-profile'] } },
})

export interface VerifyFigures {
  readonly microseconds: { readonly ours: number; readonly jose: number }
  /** Median of the ratios of pairs: what the checks beyond the signature and the mapping of the identity add. */
  readonly ratio: number
}

/**
 * One verification after the other: everything that `verify` does, from the text to the identity, against `jwtVerify` of
 * jose with issuer, audience and algorithm, which checks and maps less.
 */
export async function benchVerify(alg: string): Promise<VerifyFigures> {
  const signer = createSigner(alg)
  const token = signToken(signer, CLAIMS)
  const verifier = createTokenVerifier({
    issuers: [anIssuer({ keys: { jwksUri: 'https://idp.example/keys' }, algorithms: [alg] })],
    clock: new ManualClock(),
    events: new RecordedEvents(),
    maxTokenBytes: 16_384,
    fetchDocument: async () => Buffer.from(JSON.stringify({ keys: [signer.publicJwk] })),
  })
  const key = await importJWK(signer.publicJwk, alg)
  const rules = { issuer: ISSUER, audience: 'nats', algorithms: [alg], currentDate: new Date(NOW_MS) }
  const ours = async (): Promise<void> => {
    if (!(await verifier.verify(token, 1000)).accepted) throw new Error('the token was refused')
  }
  const theirs = async (): Promise<void> => void (await jwtVerify(token, key, rules))
  await using _ = verifier
  await measurePairs(ours, theirs, WARM_UP_PAIRS)
  return await measurePairs(ours, theirs, PAIRS)
}

async function measurePairs(
  ours: () => Promise<void>,
  theirs: () => Promise<void>,
  count: number,
): Promise<VerifyFigures> {
  const pairs: { ours: number; jose: number }[] = []
  for (let index = 0; index < count; index += 1) {
    // Who comes second profits from a warm cache: they take turns.
    const isOursFirst = index % 2 === 0
    const first = await meanMicroseconds(isOursFirst ? ours : theirs)
    const second = await meanMicroseconds(isOursFirst ? theirs : ours)
    pairs.push(isOursFirst ? { ours: first, jose: second } : { ours: second, jose: first })
  }
  const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
  const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))
  return {
    microseconds: {
      ours: rounded(median(pairs.map((pair) => pair.ours)), 1),
      jose: rounded(median(pairs.map((pair) => pair.jose)), 1),
    },
    ratio: rounded(median(pairs.map((pair) => pair.ours / pair.jose)), 3),
  }
}

async function meanMicroseconds(work: () => Promise<void>): Promise<number> {
  const since = performance.now()
  for (let round = 0; round < BATCH; round += 1) await work()
  return ((performance.now() - since) * 1000) / BATCH
}

if (import.meta.main) {
  const figures: Record<string, VerifyFigures> = {}
  for (const alg of ['RS256', 'ES256']) figures[alg] = await benchVerify(alg)
  process.stdout.write(`${JSON.stringify(figures, undefined, 2)}\n`)
}
