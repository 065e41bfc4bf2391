import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { IssuerOptions } from '../../../src/oidc/issuer-options.ts'
import { chooseEntry, ruleSetProblems } from '../../../src/oidc/rule-sets.ts'
import { createTokenVerifier } from '../../../src/oidc/token-verifier.ts'
import { NOW_SECONDS } from '../../support/builders.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { anIssuer, createSigner, signToken, someClaims } from '../../support/oidc.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

const USERS = anIssuer({ id: 'users', audiences: ['nats'], match: [{ path: ['typ'], equals: 'Bearer' }] })
const JOBS = anIssuer({ id: 'jobs', audiences: ['jobs'], maxLifetimeMs: 60_000 })
const REST = anIssuer({ id: 'rest', audiences: ['nats', 'jobs'] })

function choice(claims: Record<string, unknown>, entries = [USERS, JOBS], typ = 'JWT'): string {
  const { entry, refusal } = chooseEntry({ typ }, someClaims(claims), entries)
  return refusal ? `${entry.id} ${refusal.reason}: ${refusal.detail}` : entry.id
}

suite('among the entries of one issuer', () => {
  test('the first that fits is chosen', () => {
    assert.equal(choice({ typ: 'Bearer' }, [USERS, REST]), 'users')
    assert.equal(choice({ typ: 'ID' }, [USERS, REST]), 'rest')
  })

  test('the audience tells', () => {
    assert.equal(choice({ aud: 'jobs' }), 'jobs')
  })

  test('the type tells', () => {
    const access = anIssuer({ id: 'access', tokenTypes: ['at+jwt'] })
    assert.equal(choice({}, [access, REST], 'at+jwt'), 'access')
    assert.equal(choice({}, [access, REST], 'JWT'), 'rest')
  })

  test('the authorized party tells', () => {
    const web = anIssuer({ id: 'web', authorizedParties: ['web'] })
    assert.equal(choice({ azp: 'web' }, [web, REST]), 'web')
    assert.equal(choice({ azp: 'cli' }, [web, REST]), 'rest')
  })

  test('none fits, and the one that comes nearest says why', () => {
    assert.equal(
      choice({ typ: 'ID' }),
      'users claim_mismatch: "typ" is "ID", and the match rule asks for equals "Bearer" (none of 2 entries fits, users comes nearest)',
    )
  })

  test('the first says why when none comes near', () => {
    assert.match(choice({ aud: 'other' }), /^users audience_mismatch: "aud" is "other" \(none of 2/)
  })
})

suite('a verifier with two entries for one issuer', () => {
  const signer = createSigner()
  const fetched: string[] = []
  const verifierOf = (...issuers: IssuerOptions[]) =>
    createTokenVerifier({
      issuers,
      clock: new ManualClock(),
      events: new RecordedEvents(),
      maxTokenBytes: 16_384,
      fetchDocument: async (url) => {
        fetched.push(url.href)
        return Buffer.from(JSON.stringify({ keys: [signer.publicJwk] }))
      },
    })

  test('fetches their keys once', async () => {
    fetched.length = 0
    const verifier = verifierOf(USERS, JOBS)
    for (const claims of [{ typ: 'Bearer' }, { aud: 'jobs', exp: NOW_SECONDS - 1 }]) {
      const verification = await verifier.verify(signToken(signer, someClaims(claims)), 600)
      assert.ok(verification.accepted)
    }
    assert.equal(fetched.length, 1)
    assert.deepEqual(
      [verifier.readiness().map(({ part }) => part), [...verifier.keySetAges().keys()]],
      [['issuer:users'], ['users']],
    )
  })

  test('gives each its own principals', async () => {
    const verification = await verifierOf(USERS, REST).verify(signToken(signer, someClaims({ aud: 'jobs' })), 600)
    assert.ok(verification.accepted)
    assert.equal(verification.identity.issuerId, 'rest')
  })

  test('does not try a token that the fitting entry refuses on a laxer one', async () => {
    const verification = await verifierOf(JOBS, REST).verify(
      signToken(signer, someClaims({ aud: ['jobs', 'nats'] })),
      600,
    )
    assert.ok(!verification.accepted)
    assert.deepEqual([verification.reason, verification.issuerId], ['token_lifetime_too_long', 'jobs'])
  })

  test('does not let the type of one entry into the other', async () => {
    const access = anIssuer({ id: 'access', tokenTypes: ['at+jwt'], audiences: ['api'] })
    const verifier = verifierOf(access, anIssuer({ id: 'login', tokenTypes: ['JWT'] }))
    const verification = await verifier.verify(signToken(signer, someClaims(), { typ: 'at+jwt' }), 600)
    assert.ok(!verification.accepted)
    assert.equal(verification.reason, 'audience_mismatch')
  })
})

suite('entries of one issuer', () => {
  test('are fine when tokens can tell them apart', () => {
    assert.deepEqual(ruleSetProblems([USERS, JOBS, REST]), [])
  })

  test('may have different match rules, which may overlap', () => {
    const other = anIssuer({ id: 'other', match: [{ path: ['typ'], equals: 'ID' }] })
    assert.deepEqual(ruleSetProblems([USERS, other]), [])
  })

  test('are fine when only the later one takes every party', () => {
    assert.deepEqual(ruleSetProblems([anIssuer({ authorizedParties: ['a'] }), anIssuer({ id: 'b' })]), [])
  })

  const unreachable: [what: string, earlier: Partial<IssuerOptions>, later: Partial<IssuerOptions>][] = [
    ['nothing tells them apart', {}, {}],
    ['the earlier one has no match', {}, { match: [{ path: ['a'], equals: 'x' }] }],
    ['both have the same match', { match: [{ path: ['a'], equals: 'x' }] }, { match: [{ path: ['a'], equals: 'x' }] }],
    ['the earlier one has more audiences', { audiences: ['a', 'b'] }, { audiences: ['b'] }],
    ['types differ in spelling only', { tokenTypes: ['at+jwt'] }, { tokenTypes: ['application/AT+JWT'] }],
    ['the earlier one authorizes more', { authorizedParties: ['a', 'b'] }, { authorizedParties: ['a'] }],
  ]
  for (const [what, earlier, later] of unreachable) {
    test(`are refused when ${what}`, () => {
      assert.deepEqual(ruleSetProblems([anIssuer(earlier), anIssuer({ id: 'b', ...later })]), [
        'issuers corp and b have one issuer, and every token that fits b goes to corp',
      ])
    })
  }

  for (const [what, change] of [
    ['keys', { keys: { jwksUri: 'https://idp.example/other' } }],
    ['algorithms', { algorithms: ['ES256', 'RS256'] }],
    ['a time limit', { http: { ...USERS.http, timeoutMs: 5 } }],
    ['a refresh', { refresh: { ...USERS.refresh, maxStaleMs: 1e9 } }],
  ] as const) {
    test(`are refused with ${what} of their own`, () => {
      assert.deepEqual(ruleSetProblems([USERS, { ...JOBS, ...change }]), [
        'issuers users and jobs have one issuer but differ in keys, introspection, algorithms, http or refresh',
      ])
    })
  }
})
