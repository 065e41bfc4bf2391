import assert from 'node:assert/strict'
import path from 'node:path'
import { tmpdir } from 'node:os'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { after, before, suite, test } from 'node:test'
import { connect, headers, type NatsConnection } from '@nats-io/transport-node'
import type { ABORT_CODES } from '../../src/core/reasons.ts'
import { KEYS_CONFIG_FILE } from '../../src/dev/reference-nats-server.ts'
import { startLocalStack, type LocalStack } from '../../src/dev/stack.ts'
import { systemClock as clock } from '../../src/service/clock.ts'
import { DatabaseAdmin } from '../../src/spanner/database-admin.ts'
import { isAdmitted, judged, metric } from '../support/clients.ts'
import { aForge, anIssuer, anXKey, type RequestForge } from '../support/nats.ts'
import { createSigner, encode, signBytes, signToken, type Signer } from '../support/oidc.ts'
import { inMs, until } from '../support/spanner.ts'
import { adding } from '../../src/service/policy-edit.ts'

const SUBJECT = '$SYS.REQ.USER.AUTH'
const ISSUER = 'https://hostile.example'
const PASSWORD = 'password-of-this-test'

let stack: LocalStack
let signer: Signer
let keys: string
/** A user of the callout account, as an attacker who got in there would be: sees requests. */
let insider: NatsConnection
/** What this user of another account publishes on `garbage` arrives as a request; old servers let nobody in AUTH do that. */
let intruder: NatsConnection

before(async () => {
  signer = createSigner('ES256')
  keys = await mkdtemp(path.join(tmpdir(), 'callout-keys-'))
  await writeFile(path.join(keys, 'jwks.json'), JSON.stringify({ keys: [signer.publicJwk] }))
  const issuer = `  - { id: hostile, issuer: '${ISSUER}', keys: { jwks_file: '${keys}/jwks.json' }, algorithms: [ES256], audiences: [nats] }`
  stack = await startLocalStack({
    editConfig: (yaml) => yaml.replace('issuers:\n', `issuers:\n${issuer}\n`),
    editServerConfig: (conf) =>
      conf
        .replace('auth_users: [auth, sys]', 'auth_users: [auth, sys, insider, intruder]')
        .replace(
          /AUTH \{\s+users: \[/,
          `AUTH {
    users: [{ user: insider, password: ${PASSWORD} },`,
        )
        .replace('exports: [', `exports: [{ service: "${SUBJECT}" }, `)
        .replace(
          'accounts {',
          `accounts {
  OUTSIDE {
    users: [{ user: intruder, password: ${PASSWORD} }]
    imports: [{ service: { account: AUTH, subject: "${SUBJECT}" }, to: garbage }]
  }`,
        ),
  })
  insider = await connect({ servers: stack.nats.url, user: 'insider', pass: PASSWORD })
  intruder = await connect({ servers: stack.nats.url, user: 'intruder', pass: PASSWORD })
})
after(async () => {
  await insider?.close()
  await intruder?.close()
  await stack?.[Symbol.asyncDispose]()
  await rm(keys, { recursive: true })
})

function aborts(code: keyof typeof ABORT_CODES): Promise<number> {
  return metric(stack.service, `nats_callout_requests_aborted_total{code="${code}"}`)
}

/** Publishes a message as a request and waits until it is counted; any answer fails the test. */
async function expectAbort(code: keyof typeof ABORT_CODES, body: Uint8Array | string, header?: string): Promise<void> {
  const before = await aborts(code)
  const answers: unknown[] = []
  const inbox = intruder.subscribe(`answers.${code}`, { callback: (_, message) => void answers.push(message.data) })
  const withKey = headers()
  if (header !== undefined) withKey.set('Nats-Server-Xkey', header)
  intruder.publish('garbage', body, { reply: `answers.${code}`, ...(header === undefined ? {} : { headers: withKey }) })
  await intruder.flush()
  await until(`${code} is counted`, 3000, async () => (await aborts(code)) === before + 1)
  await intruder.flush()
  inbox.unsubscribe()
  assert.deepEqual(answers, [])
}

suite('a message that is not a genuine request gets no answer and is counted:', () => {
  test('an empty one', () => expectAbort('request_empty', ''))
  test('one that is too large', () => expectAbort('request_oversized', new Uint8Array(200 * 1024)))
  test('one that is no JWT', () => expectAbort('request_malformed', 'hello'))
  test('one in the clear', () => expectAbort('request_not_sealed', `${encode('{"alg":"none"}')}.${encode('{}')}.`))

  test('one that is sealed to nobody, truncated, or sent again', async () => {
    const { promise, resolve } = Promise.withResolvers<{ data: Uint8Array; xkey: string }>()
    const tap = insider.subscribe(SUBJECT, {
      callback: (_, message) => resolve({ data: message.data, xkey: message.headers?.get('Nats-Server-Xkey') ?? '' }),
    })
    await insider.flush()
    await isAdmitted(stack, { token: await stack.provider.clientCredentials('orders-service') })
    const { data, xkey } = await promise
    tap.unsubscribe()
    await expectAbort('request_replayed', data, xkey)
    await expectAbort('request_seal_invalid', data.slice(0, -1), xkey)
    await expectAbort('request_seal_invalid', data)
    const flipped = Uint8Array.from(data)
    flipped[40] = (flipped[40] ?? 0) ^ 1
    await expectAbort('request_seal_invalid', flipped, xkey)
  })

  const forge = aForge('')
  const now = Math.floor(Date.now() / 1000)
  const timely = { iat: now, exp: now + 2 }
  const forged: [string, keyof typeof ABORT_CODES, (ours: ServerKeys) => Uint8Array][] = [
    ['signed with another key', 'request_signature_invalid', ({ xkey, issuer }) => resealed(forge, xkey, issuer)],
    [
      'for another audience',
      'request_audience_invalid',
      ({ xkey, issuer }) => forge.sealed(xkey, { ...timely, sub: issuer, aud: 'nats' }),
    ],
    [
      'in the name of another server',
      'request_issuer_invalid',
      ({ xkey, issuer }) => forge.sealed(xkey, { ...timely, sub: issuer, nats: { server_id: { id: aForge('').id } } }),
    ],
    [
      'for another issuer',
      'request_subject_unknown',
      ({ xkey }) => forge.sealed(xkey, { ...timely, sub: anIssuer().key.publicKey }),
    ],
    [
      'of an hour ago',
      'request_expired',
      ({ xkey, issuer }) => forge.sealed(xkey, { iat: now - 3600, exp: now - 3598, sub: issuer }),
    ],
    [
      'sealed to another key',
      'request_seal_invalid',
      ({ issuer }) => forge.sealed(anXKey().key.publicKey, { ...timely, sub: issuer }),
    ],
    [
      'that names another xkey than its seal',
      'request_xkey_mismatch',
      ({ xkey, issuer }) =>
        Buffer.from(
          forge.xkey.key.seal(
            forge.request({ ...timely, sub: issuer, nats: { server_id: { xkey: anXKey().key.publicKey } } }),
            xkey,
          ),
        ),
    ],
  ]
  for (const [what, code, body] of forged) {
    test(`one ${what}`, async () => expectAbort(code, body(await serverKeys()), forge.xkey.key.publicKey))
  }

  test('and the service goes on serving', async () => {
    assert.equal(await isAdmitted(stack, { token: await stack.provider.clientCredentials('orders-service') }), true)
  })
})

interface ServerKeys {
  readonly issuer: string
  readonly xkey: string
}

/** The public keys that nats-server has of us, as `callout keys generate` wrote them. */
async function serverKeys(): Promise<ServerKeys> {
  const text = await readFile(path.join(stack.directory, KEYS_CONFIG_FILE), 'utf8')
  const valueOf = (name: string): string => new RegExp(`^${name} = "([^"]+)"`, 'm').exec(text)?.[1] ?? ''
  return { issuer: valueOf('CALLOUT_ISSUER'), xkey: valueOf('CALLOUT_XKEY') }
}

/** A request that is right in everything but one bit of its signature. */
function resealed(forge: RequestForge, xkey: string, issuer: string): Uint8Array {
  const now = Math.floor(Date.now() / 1000)
  const server = { xkey: forge.xkey.key.publicKey }
  const request = forge.request({ iat: now, exp: now + 2, sub: issuer, nats: { server_id: server } }).toString('latin1')
  const signature = Buffer.from(request.slice(request.lastIndexOf('.') + 1), 'base64url')
  signature[7] = (signature[7] ?? 0) ^ 1
  const altered = request.slice(0, request.lastIndexOf('.') + 1) + signature.toString('base64url')
  return Buffer.from(forge.xkey.key.seal(Buffer.from(altered, 'latin1'), xkey))
}

function claims(change: Record<string, unknown> = {}): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000)
  return { iss: ISSUER, aud: 'nats', sub: 'eve', iat: now, exp: now + 300, ...change }
}

/** Signs a payload that is no plain JSON of claims. */
function signRaw(payload: string | Uint8Array): string {
  const input = `${encode(JSON.stringify({ alg: signer.alg, kid: signer.kid, typ: 'JWT' }))}.${encode(payload)}`
  return `${input}.${encode(signBytes(signer, input))}`
}

suite('a token is refused, with its own reason in the row:', () => {
  const cases: [string, () => object, string][] = [
    ['absent', () => ({}), 'token_missing'],
    ['of 17 KiB', () => ({ token: 'a'.repeat(17 * 1024) }), 'token_oversized'],
    ['of three dots', () => ({ token: '...' }), 'token_malformed'],
    ['outside of base64url', () => ({ token: 'a+b.c/d.e=' }), 'token_malformed'],
    ['with an array for claims', () => ({ token: signRaw('[]') }), 'token_malformed'],
    [
      'with a lone surrogate in sub',
      () => ({ token: signRaw(JSON.stringify(claims()).replace('eve', '\\ud800')) }),
      'token_malformed',
    ],
    ['with NUL in sub', () => ({ token: signToken(signer, claims({ sub: 'e\u0000ve' })) }), 'identity_invalid'],
    [
      'with a sub of 300 bytes',
      () => ({ token: signToken(signer, claims({ sub: 'x'.repeat(300) })) }),
      'identity_invalid',
    ],
    [
      'of an issuer nobody configured',
      () => ({ token: signToken(signer, claims({ iss: `${ISSUER}/` })) }),
      'issuer_unknown',
    ],
    ['without an expiry', () => ({ token: signToken(signer, claims({ exp: undefined })) }), 'claim_missing'],
    [
      'with an expiry beyond all numbers',
      () => ({ token: signRaw(JSON.stringify(claims({ exp: 0 })).replace('"exp":0', '"exp":1e400')) }),
      'claim_invalid',
    ],
    [
      'and another one as password',
      () => ({ token: signToken(signer, claims()), user: 'x', pass: 'y' }),
      'token_ambiguous',
    ],
  ]
  for (const [what, attempt, reason] of cases) {
    test(what, async () => {
      const { admitted, rows } = await judged(stack, attempt())
      assert.equal(admitted, false)
      assert.deepEqual(
        rows.map((row) => row.reason),
        [reason],
      )
    })
  }
})

suite('a grant with an impossible subject', () => {
  const grant = {
    id: 'impossible',
    principal: 'client:local:orders-service',
    account: 'APP',
    effect: 'allow',
    action: 'publish',
    subject: 'a.>.b',
    reason: 'a test',
    createdBy: 'a test',
  } as const

  test('that got in all the same is skipped, and the row says so', async () => {
    await using schema = new DatabaseAdmin({ database: stack.database.name, emulatorHost: stack.emulator.host, clock })
    await schema.updateSchema(['ALTER TABLE Grants DROP CONSTRAINT CK_Grants_Subject'], async () => {})
    await stack.admin.edit(adding('grant', grant))
    const token = await stack.provider.clientCredentials('orders-service')
    assert.equal(await isAdmitted(stack, { token, name: 'skipper' }), true)
    const [row] = await stack.database.query(
      "SELECT TO_JSON_STRING(SkippedGrants) FROM Decisions WHERE ClientName = 'skipper'",
      {},
      inMs(5000),
    )
    assert.deepEqual(JSON.parse(row?.[0]?.stringValue ?? ''), [{ id: 'impossible', why: 'subject_invalid' }])
  })
})
