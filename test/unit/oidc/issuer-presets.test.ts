import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import { readConfig } from '../../../src/config/read-config.ts'
import type { IssuerConfig } from '../../../src/config/config.ts'
import { principalOf } from '../../../src/core/principal.ts'
import { wellKnownUrl } from '../../../src/oidc/key-url.ts'
import { createTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import type { OidcTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import { NOW_SECONDS } from '../../support/builders.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { createSigner, signToken } from '../../support/oidc.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'
import { configWith } from '../config/config-text.ts'
import { PRESET_ANSWERS } from './preset-answers.ts'
import { PRESET_TOKENS } from './preset-tokens.ts'
import { PRESET_WORKLOAD_TOKENS } from './preset-workload-tokens.ts'

const FOLDER = path.resolve(import.meta.dirname, '../../../deploy/issuers')
const SHAPES = { ...PRESET_TOKENS, ...PRESET_WORKLOAD_TOKENS }
const SIGNERS = [createSigner('RS256', 'rsa'), createSigner('ES256', 'p-256'), createSigner('ES384', 'p-384')]

function issuersOf(name: string): readonly IssuerConfig[] {
  const rest = configWith({ issuers: undefined })
  const reading = readConfig(`${rest}\n${readFileSync(path.join(FOLDER, name), 'utf8')}`, { baseDir: FOLDER })
  return 'config' in reading ? reading.config.issuers : assert.fail(JSON.stringify(reading.problems))
}

/** A verifier that gets the keys of the signers from wherever the entries look for them. */
function verifierOf(issuers: readonly IssuerConfig[]): OidcTokenVerifier {
  const metadata = new Map<string, string>()
  for (const { issuer, keys } of issuers) {
    if (keys !== undefined && 'discovery' in keys) metadata.set(keys.discovery.url ?? wellKnownUrl(issuer), issuer)
  }
  return createTokenVerifier({
    // Without the files of `http`, which only a machine has that runs the preset.
    issuers: issuers.map(({ http: { timeoutMs, maxBytes }, ...entry }) => ({
      ...entry,
      http: { timeoutMs, maxBytes },
    })),
    clock: new ManualClock(),
    events: new RecordedEvents(),
    maxTokenBytes: 16_384,
    fetchDocument: async (url) => {
      const issuer = metadata.get(url.href)
      const keys = SIGNERS.map(({ publicJwk }) => publicJwk)
      return Buffer.from(JSON.stringify(issuer === undefined ? { keys } : { issuer, jwks_uri: 'https://k.example/' }))
    },
  })
}

/** The claims of one shape, signed with the algorithm that the issuer uses; a claim that is undefined is left out. */
function sign(claims: object, header: object, algorithm: string): string {
  const signer = SIGNERS.find(({ alg }) => alg === algorithm) ?? assert.fail(algorithm)
  return signToken(signer, { iat: NOW_SECONDS - 10, exp: NOW_SECONDS + 290, ...claims }, { ...header })
}

for (const [name, shapes] of Object.entries(SHAPES)) {
  suite(`the preset ${name}`, () => {
    const issuers = issuersOf(name)
    const verifier = verifierOf(issuers)

    for (const { what, algorithm = 'RS256', claims, header = {}, principal, clientId, groups = [], misses } of shapes) {
      test(`takes ${what} for ${principal}`, async () => {
        const verification = await verifier.verify(sign(claims, header, algorithm), 600)
        assert.ok(verification.accepted, verification.accepted ? '' : verification.detail)
        assert.equal(principalOf(verification.identity), principal)
        assert.deepEqual(verification.identity.groups, groups)
        if (clientId !== undefined) assert.equal(verification.identity.clientId, clientId)
      })

      for (const [miss, change, reason] of misses) {
        test(`refuses ${what} ${miss}`, async () => {
          const verification = await verifier.verify(sign({ ...claims, ...change }, header, algorithm), 600)
          assert.equal(verification.accepted ? 'accepted' : verification.reason, reason)
        })
      }
    }

    test('has an entry for each shape that is tested, and no other', () => {
      const principals = shapes.map(({ principal }) => principal.split(':')[1])
      assert.deepEqual(new Set(principals), new Set(issuers.map(({ id }) => id)))
    })
  })
}

test('every preset is tested', () => {
  const tested = [...Object.keys(SHAPES), ...Object.keys(PRESET_ANSWERS)]
  assert.deepEqual(readdirSync(FOLDER).sort(), tested.sort())
})
