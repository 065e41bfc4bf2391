import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { IssuerConfig } from '../../../src/config/config.ts'
import { readConfig } from '../../../src/config/read-config.ts'
import { principalOf } from '../../../src/core/principal.ts'
import type { Verification } from '../../../src/service/ports.ts'
import { privateDirectory } from '../../../src/dev/child-process.ts'
import { createTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import type { OidcTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import { startIntrospectionServer } from '../../support/introspection-server.ts'
import type { IntrospectionServer } from '../../support/introspection-server.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'
import { configWith } from '../../unit/config/config-text.ts'
import { PRESET_ANSWERS } from '../../unit/oidc/preset-answers.ts'
import type { AnswerShape } from '../../unit/oidc/preset-answers.ts'

const FOLDER = path.resolve(import.meta.dirname, '../../../deploy/issuers')
const home = privateDirectory('callout-presets')
const secretFile = path.join(home.path, 'client.secret')
let server: IntrospectionServer

before(async () => {
  await writeFile(secretFile, 'secret')
  server = await startIntrospectionServer()
})
after(async () => {
  await server[Symbol.asyncDispose]()
  home.remove()
})

/** The entry of a preset, asking the server instead of the real issuer. */
function issuerOf(name: string): IssuerConfig {
  const rest = configWith({ issuers: undefined })
  const reading = readConfig(`${rest}\n${readFileSync(path.join(FOLDER, name), 'utf8')}`, { baseDir: FOLDER })
  const [issuer] = 'config' in reading ? reading.config.issuers : assert.fail(JSON.stringify(reading.problems))
  assert.ok(issuer?.introspection)
  const client = { ...issuer.introspection.client, method: 'client_secret_basic' as const, secretFile }
  return {
    ...issuer,
    introspection: { ...issuer.introspection, endpoint: server.endpoint, client, negativeCacheMs: 0 },
  }
}

for (const [name, shapes] of Object.entries(PRESET_ANSWERS)) {
  suite(`the preset ${name}`, () => {
    let verifier: OidcTokenVerifier
    let tokens = 0

    before(() => {
      verifier = createTokenVerifier({
        issuers: [{ ...issuerOf(name) }],
        clock: new ManualClock(),
        events: new RecordedEvents(),
        maxTokenBytes: 16_384,
      })
    })
    after(() => verifier.stop())

    async function ask(shape: AnswerShape, answer: unknown): Promise<Verification> {
      tokens += 1
      const token = shape.token(tokens)
      server.answers.set(token, answer)
      return verifier.verify(token, 600)
    }

    for (const shape of shapes) {
      const { what, answer, principal, groups = [], misses } = shape

      test(`takes ${what} for ${principal}`, async () => {
        const verification = await ask(shape, answer)
        assert.ok(verification.accepted, verification.accepted ? '' : verification.detail)
        assert.deepEqual([principalOf(verification.identity), verification.identity.groups], [principal, groups])
      })

      for (const [miss, said, reason] of misses) {
        test(`refuses ${what} ${miss}`, async () => {
          const verification = await ask(shape, said)
          assert.equal(verification.accepted ? 'accepted' : verification.reason, reason)
        })
      }
    }
  })
}
