import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decode } from '@nats-io/jwt'
import fc from 'fast-check'
import type { Allow } from '../../../src/core/decision.ts'
import type { Permissions } from '../../../src/core/permissions.ts'
import { createResponseEncoder, createUserJwtIssuer } from '../../../src/nats/authorization-response.ts'
import { operatorSigners, serverConfigurationSigners } from '../../../src/nats/signers.ts'
import { JWT_BYTES_MAX, parseJwt } from '../../../src/nats/jwt.ts'
import { NOW_MS, NOW_SECONDS, aRequest } from '../../support/builders.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { anIssuer } from '../../support/nats.ts'

const first = anIssuer()
const second = anIssuer()
const signers = serverConfigurationSigners([first.key, second.key])
const issuer = createUserJwtIssuer(signers)
const encode = createResponseEncoder(signers, new ManualClock())
const request = aRequest({ issuerKey: first.key.publicKey })

const [app, ops] = [anIssuer(), anIssuer()]
const opsAccount = anIssuer().key.publicKey
const operator = operatorSigners(
  { publicKey: first.key.publicKey, key: second.key },
  new Map([
    ['APP', { publicKey: app.key.publicKey, key: app.key }],
    ['OPS', { publicKey: opsAccount, key: ops.key }],
  ]),
)
const operatorIssuer = createUserJwtIssuer(operator)

const CLOSED = { allow: [], deny: ['>'] }

function anAllow(change: Partial<Allow> = {}): Allow {
  return {
    outcome: 'allow',
    id: '018bcfe5-6800-7000-8000-000000000000',
    decidedAtMs: NOW_MS + 999,
    skippedGrants: [],
    account: 'APP',
    permissions: { publish: { allow: ['orders.new'], deny: ['orders.secret'] }, subscribe: CLOSED },
    expiresAt: NOW_SECONDS + 3600,
    grantIds: ['g1'],
    ...change,
  }
}

function withPermissions(change: Partial<Permissions>): Allow {
  return anAllow({ permissions: { publish: CLOSED, subscribe: CLOSED, ...change } })
}

function claimsOf(jwt: string | Uint8Array) {
  return parseJwt(Buffer.from(jwt))?.claims
}

function pick(claims: unknown, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(claims ?? {}).filter(([name]) => names.includes(name)))
}

suite('a user JWT', () => {
  test('says exactly what was decided', async () => {
    assert.deepEqual(claimsOf(await issuer.issue(anAllow(), request, 'corp:José 東京')), {
      iss: first.key.publicKey,
      jti: '018bcfe5-6800-7000-8000-000000000000',
      sub: request.userNkey,
      aud: 'APP',
      name: 'corp:José 東京',
      iat: NOW_SECONDS,
      exp: NOW_SECONDS + 3600,
      nats: {
        type: 'user',
        version: 2,
        pub: { allow: ['orders.new'], deny: ['orders.secret'] },
        sub: { deny: ['>'] },
        subs: -1,
        data: -1,
        payload: -1,
      },
    })
  })

  test('is signed by the issuer that the request asks for', async () => {
    const jwt = await issuer.issue(anAllow(), aRequest({ issuerKey: second.key.publicKey }), 'alice')
    assert.equal(decode(jwt).iss, second.key.publicKey)
  })

  test('names its account by a key in operator mode, where a key of that account signs', async () => {
    const { iss, nats } = claimsOf(await operatorIssuer.issue(anAllow({ account: 'OPS' }), request, 'alice')) ?? {}
    assert.equal(iss, ops.key.publicKey)
    assert.deepEqual(pick(nats, ['issuer_account']), { issuer_account: opsAccount })
  })

  test('says so as well when the key is that of the account itself, which would be taken for the place otherwise', async () => {
    const { iss, nats } = claimsOf(await operatorIssuer.issue(anAllow(), request, 'alice')) ?? {}
    assert.equal(iss, app.key.publicKey)
    assert.deepEqual(pick(nats, ['issuer_account']), { issuer_account: app.key.publicKey })
  })

  test('always holds permissions, so that nats-server refuses it under a scoped signing key', async () => {
    const { nats } = claimsOf(await operatorIssuer.issue(withPermissions({}), request, 'alice')) ?? {}
    assert.deepEqual({ pub: { deny: ['>'] }, sub: { deny: ['>'] } }, pick(nats, ['pub', 'sub']))
  })

  test('is not made for an account without a key', async () => {
    await assert.rejects(operatorIssuer.issue(anAllow({ account: 'SYS' }), request, 'alice'), TypeError)
  })

  test('keeps the permissions of any decision as they are', async () => {
    const token = fc.string({ unit: fc.constantFrom('a', 'é', '東', '-', '_', '$'), minLength: 1, maxLength: 5 })
    const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'))
    const lists = { allow: fc.array(subject, { minLength: 1 }), deny: fc.array(subject) }
    const side = fc.record(lists, { noNullPrototype: true })
    await fc.assert(
      fc.asyncProperty(side, side, async (publish, subscribe) => {
        const claims = claimsOf(await issuer.issue(anAllow({ permissions: { publish, subscribe } }), request, 'alice'))
        const sides = claims?.['nats'] as Record<string, { allow?: string[]; deny?: string[] }> | undefined
        assert.deepEqual({ deny: [], ...sides?.['pub'] }, publish)
        assert.deepEqual({ deny: [], ...sides?.['sub'] }, subscribe)
      }),
    )
  })

  test('may name a queue on subscribe', async () => {
    await issuer.issue(withPermissions({ subscribe: { allow: ['work.> crew.*'], deny: [] } }), request, 'alice')
  })

  test('says how many answers are permitted, in nanoseconds, and closes publishing all the same', async () => {
    const responses = { max: 3, ttlMs: 86_400_000 }
    const { nats } = claimsOf(await issuer.issue(withPermissions({ responses }), request, 'alice')) ?? {}
    assert.deepEqual(pick(nats, ['pub', 'resp']), {
      pub: { deny: ['>'] },
      resp: { max: 3, ttl: 86_400_000_000_000 },
    })
  })

  test('is refused with answers that nats-server would read otherwise', async () => {
    const good = { max: 1, ttlMs: 1 }
    for (const value of [0, -1, 0.5, NaN, Infinity, 2 ** 53]) {
      for (const responses of [
        { ...good, max: value },
        { ...good, ttlMs: value },
      ])
        await assert.rejects(issuer.issue(withPermissions({ responses }), request, 'alice'), TypeError)
    }
  })

  test('is refused when a side allows nothing and does not deny all, which nats-server takes for full access', async () => {
    for (const side of ['publish', 'subscribe'] as const) {
      for (const deny of [[], ['orders.>'], ['*']]) {
        await assert.rejects(
          issuer.issue(withPermissions({ [side]: { allow: [], deny } }), request, 'alice'),
          TypeError,
        )
      }
    }
  })

  test('is refused when nats-server would drop an entry or read it otherwise', async () => {
    const entries = ['', '.a', 'a.', 'a..b', 'a.>.b', 'a.b*r', 'a b', 'a\tb', 'a\n', 'a.{{name}}', 'a b c', ' a', 'a ']
    for (const entry of entries) {
      for (const effect of ['allow', 'deny'] as const) {
        const publish = { allow: ['x'], deny: [], [effect]: [entry] }
        await assert.rejects(issuer.issue(withPermissions({ publish }), request, 'alice'), TypeError, entry)
      }
    }
  })

  test('is refused with a queue that is none', async () => {
    for (const entry of ['a >b', 'a q q', 'a ', 'a q.']) {
      const subscribe = { allow: [entry], deny: [] }
      await assert.rejects(issuer.issue(withPermissions({ subscribe }), request, 'alice'), TypeError, entry)
    }
  })

  test('is refused without a name, an account or an id, or with one that is not Unicode', async () => {
    for (const text of ['', '\uD800']) {
      await assert.rejects(issuer.issue(anAllow(), request, text), TypeError)
      await assert.rejects(issuer.issue(anAllow({ account: text }), request, 'alice'), TypeError)
      await assert.rejects(issuer.issue(anAllow({ id: text }), request, 'alice'), TypeError)
    }
  })

  test('is refused when it does not end in a whole second after the decision', async () => {
    for (const expiresAt of [NOW_SECONDS, NOW_SECONDS + 0.5, 0, -1, NaN, Infinity]) {
      await assert.rejects(issuer.issue(anAllow({ expiresAt }), request, 'alice'), TypeError, String(expiresAt))
    }
  })

  test('is refused for an issuer whose seed is not loaded', async () => {
    const foreign = aRequest({ issuerKey: anIssuer().key.publicKey })
    await assert.rejects(issuer.issue(anAllow(), foreign, 'alice'), TypeError)
  })

  test('is refused when it is larger than nats-server takes', async () => {
    const allow = Array.from({ length: 2_000 }, (_, i) => `${'x'.repeat(500)}.${i}`)
    const tooLarge = withPermissions({ publish: { allow, deny: [] } })
    await assert.rejects(issuer.issue(tooLarge, request, 'alice'), RangeError)
    assert.ok(JSON.stringify(allow).length < JWT_BYTES_MAX)
  })
})

suite('an authorization response', () => {
  const envelope = { iss: first.key.publicKey, sub: request.userNkey, aud: request.server.id, iat: NOW_SECONDS }

  test('that allows carries the user JWT and no error', async () => {
    assert.deepEqual(claimsOf(await encode(request, { allow: 'user.jwt.here' })), {
      ...envelope,
      nats: { type: 'authorization_response', version: 2, jwt: 'user.jwt.here' },
    })
  })

  test('that denies carries the text and no JWT', async () => {
    assert.deepEqual(claimsOf(await encode(request, { deny: 'no_grants 018bcfe5' })), {
      ...envelope,
      nats: { type: 'authorization_response', version: 2, error: 'no_grants 018bcfe5' },
    })
  })

  test('is signed for the callout account in operator mode', async () => {
    const response = await createResponseEncoder(operator, new ManualClock())(request, { deny: 'no_grants 018bcfe5' })
    assert.deepEqual(claimsOf(response), {
      ...envelope,
      iss: second.key.publicKey,
      nats: {
        type: 'authorization_response',
        version: 2,
        error: 'no_grants 018bcfe5',
        issuer_account: first.key.publicKey,
      },
    })
  })

  test('is not made for another callout account', async () => {
    const elsewhere = aRequest({ issuerKey: opsAccount })
    await assert.rejects(createResponseEncoder(operator, new ManualClock())(elsewhere, { deny: 'x' }), TypeError)
  })

  test('is verified by @nats-io/jwt', async () => {
    const text = Buffer.from(await encode(request, { deny: 'no_grants 018bcfe5' })).toString('latin1')
    assert.deepEqual(decode(text), claimsOf(text))
  })
})
