import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { suite, test } from 'node:test'
import type { IssuerOptions } from '../../../src/oidc/issuer-options.ts'
import { createTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { anIssuer, createSigner, encode, signToken, someClaims, startKeyServer, without } from '../../support/oidc.ts'
import type { KeyServer } from '../../support/oidc.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

/**
 * Modules of the OpenID conformance suite for relying parties, by their names. This service is a resource server: it is
 * given tokens, asks for none and has no session of a browser. Each module is tested for what it means here.
 */

const SIGNER = createSigner('RS256', 'rs-1')
const EC_SIGNER = createSigner('ES256', 'es-1')
const ROTATED = createSigner('RS256', 'rs-2')
const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const { refresh: REFRESH, identity: IDENTITY } = anIssuer()

type Claims = Record<string, unknown>

/** An OpenID provider with discovery, and a verifier that is configured with its name only. */
async function startModule(keys: readonly unknown[] = [SIGNER.publicJwk, EC_SIGNER.publicJwk]) {
  const server = await startKeyServer(keys)
  const clock = new ManualClock()
  const verifierWith = (change: Partial<IssuerOptions> = {}) => {
    const issuer = anIssuer({
      issuer: server.issuer,
      keys: { discovery: {} },
      algorithms: ['RS256', 'ES256'],
      ...change,
    })
    return createTokenVerifier({ issuers: [issuer], clock, events: new RecordedEvents(), maxTokenBytes: 16_384 })
  }
  const verifier = verifierWith()
  return {
    server,
    clock,
    verifierWith,
    claims: (change: Claims = {}): Claims => someClaims({ iss: server.issuer, ...change }),
    async reason(token: string, by = verifier): Promise<string> {
      const verification = await by.verify(token, clock.monotonicMs() + 600)
      return verification.accepted ? 'accepted' : verification.reason
    },
    async [Symbol.asyncDispose]() {
      await verifier.stop()
      await server[Symbol.asyncDispose]()
    },
  }
}

function unsigned(claims: Claims, typ = 'JWT'): string {
  return `${encode(JSON.stringify({ alg: 'none', typ }))}.${encode(JSON.stringify(claims))}.`
}

suite('discovery', () => {
  test('oidcc-client-test-discovery-issuer-mismatch: no key of the document is asked for', async () => {
    await using op = await startModule()
    op.server.metadata = { issuer: 'https://other.example' }
    assert.equal(await op.reason(signToken(SIGNER, op.claims())), 'issuer_unavailable')
    assert.deepEqual(op.server.requests, ['/.well-known/openid-configuration'])
  })

  test('oidcc-client-test-discovery-jwks-uri-keys: keys come from the jwks_uri of the document', async () => {
    await using op = await startModule()
    op.server.metadata = { jwks_uri: `${op.server.issuer}/other-keys` }
    assert.equal(await op.reason(signToken(SIGNER, op.claims())), 'accepted')
    assert.deepEqual(op.server.requests, ['/.well-known/openid-configuration', '/other-keys'])
  })
})

suite('the token of a login', () => {
  test('oidcc-client-test-idtoken-sig-rs256: accepted', async () => {
    await using op = await startModule()
    assert.equal(await op.reason(signToken(SIGNER, op.claims())), 'accepted')
  })

  test('oidcc-client-test-idtoken-sig-none: refused, for no configuration can allow it', async () => {
    await using op = await startModule()
    assert.equal(await op.reason(unsigned(op.claims())), 'token_malformed')
    assert.equal(await op.reason(signToken(SIGNER, op.claims(), { alg: 'none' })), 'algorithm_not_allowed')
    assert.throws(() => op.verifierWith({ algorithms: ['none'] }), { code: 'ERR_CONFIG_INVALID' })
  })

  const wrong: [module: string, claims: (good: Claims) => Claims, reason: string][] = [
    ['invalid-iss', (good) => ({ ...good, iss: 'https://other.example' }), 'issuer_unknown'],
    ['invalid-aud', (good) => ({ ...good, aud: 'another-client' }), 'audience_mismatch'],
    ['missing-aud', (good) => without(good, 'aud'), 'claim_missing'],
    ['missing-iat', (good) => without(good, 'iat'), 'claim_missing'],
    ['missing-sub', (good) => without(good, 'sub'), 'claim_missing'],
  ]
  for (const [module, change, expected] of wrong) {
    test(`oidcc-client-test-${module}: refused`, async () => {
      await using op = await startModule()
      assert.equal(await op.reason(signToken(SIGNER, change(op.claims()))), expected)
    })
  }

  for (const signer of [SIGNER, EC_SIGNER]) {
    test(`oidcc-client-test-invalid-sig-${signer.alg.toLowerCase()}: refused`, async () => {
      await using op = await startModule()
      const stranger = createSigner(signer.alg, signer.kid)
      assert.equal(await op.reason(signToken(stranger, op.claims())), 'signature_invalid')
    })
  }

  test('oidcc-client-test-invalid-sig-hs256: refused like a valid one, for we share no secret', async () => {
    await using op = await startModule()
    const input = unsigned(op.claims())
      .replace(/^[^.]*/, encode('{"alg":"HS256","typ":"JWT"}'))
      .slice(0, -1)
    const signature = createHmac('sha256', 'client secret').update(input).digest('base64url')
    assert.equal(await op.reason(`${input}.${signature}`), 'algorithm_not_allowed')
    assert.throws(() => op.verifierWith({ algorithms: ['HS256'] }), { code: 'ERR_CONFIG_INVALID' })
  })
})

suite('the keys', () => {
  const withoutId = ({ publicJwk }: typeof SIGNER) => without(publicJwk, 'kid')

  test('oidcc-client-test-kid-absent-single-jwks: accepted', async () => {
    await using op = await startModule([withoutId(SIGNER)])
    assert.equal(await op.reason(signToken(SIGNER, op.claims(), { kid: undefined })), 'accepted')
  })

  test('oidcc-client-test-kid-absent-multiple-jwks: refused rather than tried with every key', async () => {
    await using op = await startModule([withoutId(SIGNER), withoutId(ROTATED)])
    assert.equal(await op.reason(signToken(SIGNER, op.claims(), { kid: undefined })), 'key_not_found')
  })

  test('oidcc-client-test-signing-key-rotation: the next key is found, the withdrawn one is not', async () => {
    await using op = await startModule()
    assert.equal(await op.reason(signToken(SIGNER, op.claims())), 'accepted')
    op.server.keys = [ROTATED.publicJwk]
    await op.clock.advance(REFRESH.minIntervalMs)
    assert.equal(await op.reason(signToken(ROTATED, op.claims())), 'accepted')
    assert.equal(await op.reason(signToken(SIGNER, op.claims())), 'key_not_found')
  })

  test('oidcc-client-test-signing-key-rotation-just-before-signing: found after the minimum interval', async () => {
    await using op = await startModule()
    await op.reason(signToken(SIGNER, op.claims()))
    op.server.keys = [SIGNER.publicJwk, ROTATED.publicJwk]
    const token = signToken(ROTATED, op.claims())
    await op.clock.advance(REFRESH.minIntervalMs - 1)
    assert.equal(await op.reason(token), 'key_not_found')
    await op.clock.advance(1)
    assert.equal(await op.reason(token), 'accepted')
  })
})

suite('claims that are elsewhere', () => {
  const elsewhere = (server: KeyServer) => ({
    _claim_names: { groups: 'src1', email: 'src1' },
    _claim_sources: { src1: { endpoint: `${server.issuer}/claims`, access_token: 'secret' } },
  })

  test('oidcc-client-test-distributed-claims: never followed; refused where the groups are among them', async () => {
    await using op = await startModule()
    assert.equal(await op.reason(signToken(SIGNER, op.claims(elsewhere(op.server)))), 'claim_invalid')
    const { groups: _, ...identity } = IDENTITY
    await using withoutGroups = op.verifierWith({ identity })
    assert.equal(await op.reason(signToken(SIGNER, op.claims(elsewhere(op.server))), withoutGroups), 'accepted')
    assert.ok(!op.server.requests.includes('/claims'))
  })

  test('oidcc-client-test-aggregated-claims: a token inside of the token brings in no claim', async () => {
    await using op = await startModule()
    const inner = signToken(SIGNER, op.claims({ sub: 'root', groups: ['admins'], email: 'root@idp.example' }))
    const aggregated = (name: string) =>
      signToken(SIGNER, op.claims({ _claim_names: { [name]: 'src1' }, _claim_sources: { src1: { JWT: inner } } }))
    assert.equal(await op.reason(aggregated('groups')), 'claim_invalid')
    await using verifier = op.verifierWith()
    const verification = await verifier.verify(aggregated('email'), op.clock.monotonicMs() + 600)
    assert.ok(verification.accepted)
    assert.deepEqual([verification.identity.subject, verification.identity.groups], ['alice', []])
  })
})

/** Whatever is wrong or right about a logout token: it logs nobody in, by its type or by its `events` alone. */
suite('a logout token in place of a login token is refused:', () => {
  type Make = (good: Claims, typ: string) => string
  const modules: [suffix: string, make: Make, typedLogout: string, typedJwt: string][] = [
    ['', (good, typ) => signToken(SIGNER, good, { typ }), 'token_type_not_allowed', 'claim_invalid'],
    ['-alg-none', unsigned, 'token_malformed', 'token_malformed'],
    [
      '-with-nonce',
      (good, typ) => signToken(SIGNER, { ...good, nonce: 'n-1' }, { typ }),
      'token_type_not_allowed',
      'claim_invalid',
    ],
    [
      '-wrong-alg',
      (good, typ) => signToken({ ...SIGNER, alg: 'PS256' }, good, { typ }),
      'token_type_not_allowed',
      'algorithm_not_allowed',
    ],
    [
      '-wrong-aud',
      (good, typ) => signToken(SIGNER, { ...good, aud: 'another-client' }, { typ }),
      'token_type_not_allowed',
      'audience_mismatch',
    ],
    [
      '-wrong-event',
      (good, typ) => signToken(SIGNER, { ...good, events: { 'urn:other': {} } }, { typ }),
      'token_type_not_allowed',
      'claim_invalid',
    ],
    [
      '-wrong-iss',
      (good, typ) => signToken(SIGNER, { ...good, iss: 'https://other.example' }, { typ }),
      'issuer_unknown',
      'issuer_unknown',
    ],
  ]
  for (const [suffix, make, ...expected] of modules) {
    test(`oidcc-client-test-rp-backchannel-rpinitlogout${suffix}`, async () => {
      await using op = await startModule()
      const good = op.claims({ sid: 'session-1', events: { [LOGOUT_EVENT]: {} } })
      const reasons = ['logout+jwt', 'JWT'].map((typ) => op.reason(make(good, typ)))
      assert.deepEqual(await Promise.all(reasons), expected)
    })
  }

  test('oidcc-client-test-rp-backchannel-rpinitlogout-no-event, by its type, which is all that tells it apart', async () => {
    await using op = await startModule()
    const token = signToken(SIGNER, op.claims({ sid: 'session-1' }), { typ: 'logout+jwt' })
    assert.equal(await op.reason(token), 'token_type_not_allowed')
  })
})
