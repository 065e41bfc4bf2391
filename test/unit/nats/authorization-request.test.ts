import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createAccount, createServer } from '@nats-io/nkeys'
import type { KeyPair } from '@nats-io/nkeys'
import fc from 'fast-check'
import { ABORT_CODES } from '../../../src/core/reasons.ts'
import type { AbortCode } from '../../../src/core/reasons.ts'
import {
  CLOCK_TOLERANCE_SECONDS,
  REQUEST_BYTES_MAX,
  createRequestDecoder,
} from '../../../src/nats/authorization-request.ts'
import type { DecodedRequest, DecodeRequest } from '../../../src/nats/authorization-request.ts'
import type { JwtClaims } from '../../../src/nats/jwt.ts'
import type { XKey } from '../../../src/nats/keys.ts'
import { operatorSigners, serverConfigurationSigners } from '../../../src/nats/signers.ts'
import { NOW_SECONDS } from '../../support/builders.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { aForge, aUserNkey, anIssuer, anXKey, forgeJwt, signNow } from '../../support/nats.ts'
import type { ClaimsChange, Seeded } from '../../support/nats.ts'

const issuer = anIssuer()
const forge = aForge(issuer.key.publicKey)
const ours = anXKey()

function aDecoder(xkeys: readonly XKey[] = [], clock = new ManualClock()) {
  return createRequestDecoder({ signers: serverConfigurationSigners([issuer.key]), xkeys, clock })
}

function decode(data: Uint8Array, header?: string, xkeys: readonly XKey[] = []): Promise<DecodedRequest> {
  return aDecoder(xkeys)(data, header)
}

async function assertAborted(decoding: Promise<DecodedRequest>, code: AbortCode, message?: string): Promise<void> {
  assert.deepEqual(await decoding, { aborted: code }, message)
}

async function requestOf(decoding: Promise<DecodedRequest>) {
  const decoded = await decoding
  assert.ok('request' in decoded, 'aborted' in decoded ? decoded.aborted : '')
  return decoded.request
}

/** A valid public nkey of a server, for y = 2 has no x (RFC 8032 §5.1.3). */
const NOT_ON_THE_CURVE = 'NABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA6KG'

/** As it is, under another signature. */
function withSignatureOf(pair: KeyPair, jwt: Buffer): Buffer {
  const signed = jwt.toString('latin1').split('.', 2).join('.')
  return Buffer.from(`${signed}.${signNow(signed, pair).toString('base64url')}`, 'latin1')
}

/** In the name of whomever the claims say. */
function signedBy(pair: KeyPair, claims: JwtClaims): Buffer {
  const [header] = forge.request().toString('latin1').split('.')
  return withSignatureOf(pair, Buffer.from(`${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`))
}

suite('a genuine request', () => {
  test('is mapped field by field', async () => {
    const userNkey = aUserNkey()
    const decoded = await decode(
      forge.request({
        nats: {
          user_nkey: userNkey,
          connect_opts: { user: 'ÄPP', pass: 'pässword\u0000' },
          client_tls: { version: '1.3', cipher: 'TLS_AES_128_GCM_SHA256', verified_chains: [['-----BEGIN']] },
        },
      }),
    )
    assert.deepEqual(decoded, {
      request: {
        userNkey,
        issuerKey: issuer.key.publicKey,
        server: { id: forge.id, name: 'n1', version: '2.15.1', cluster: 'east' },
        client: {
          connectionId: 8,
          host: '127.0.0.1',
          kind: 'Client',
          connectionType: 'nats',
          name: 'José 東京',
          lang: 'nats.js',
          version: '3.4.0',
          tlsVersion: '1.3',
          hasVerifiedCertificate: true,
        },
        credentials: { authToken: 'a.b.c', user: 'ÄPP', password: 'pässword\u0000' },
      },
    })
  })

  test('tells a certificate that the server verified from one that it did not', async () => {
    const cases: [object, true | undefined][] = [
      [{ verified_chains: [['leaf', 'root'], ['leaf']] }, true],
      [{ certs: ['leaf'] }, undefined],
      [{ certs: ['leaf'], verified_chains: [] }, undefined],
      [{ verified_chains: [[]] }, undefined],
      [{}, undefined],
    ]
    for (const [tls, expected] of cases) {
      const { client } = await requestOf(decode(forge.request({ nats: { client_tls: { version: '1.3', ...tls } } })))
      assert.equal(client.hasVerifiedCertificate, expected, JSON.stringify(tls))
    }
  })

  test('may lack everything that a client need not have', async () => {
    const absent: ClaimsChange = {
      nats: {
        server_id: { version: undefined, cluster: undefined },
        client_info: { host: undefined, name: undefined, type: undefined, user: undefined, kind: 'Leafnode' },
        connect_opts: { auth_token: undefined, name: undefined, lang: undefined, version: undefined },
      },
    }
    const request = await requestOf(decode(forge.request(absent)))
    assert.deepEqual(request.client, { connectionId: 8, host: '', kind: 'Leafnode' })
    assert.deepEqual(request.credentials, {})
    assert.deepEqual(request.server, { id: forge.id, name: 'n1' })
  })

  test('never brings "client_info.user" along, where servers have put the raw token', async () => {
    const request = await requestOf(decode(forge.request({ nats: { client_info: { user: 'raw-token' } } })))
    assert.ok(!JSON.stringify(request).includes('raw-token'))
  })

  test('may carry a token of 16 KiB twice, as an MQTT password does', async () => {
    const token = 'x'.repeat(16_384)
    const decoded = decode(forge.request({ nats: { connect_opts: { auth_token: token, pass: token } } }))
    assert.equal((await requestOf(decoded)).credentials.password, token)
  })

  test('may equal "exp" and "iat", as a short patience does', async () => {
    await requestOf(decode(forge.request({ exp: NOW_SECONDS })))
  })

  test('is accepted from a server whose clock is off by up to the tolerance', async () => {
    for (const off of [-CLOCK_TOLERANCE_SECONDS, CLOCK_TOLERANCE_SECONDS]) {
      await requestOf(decode(forge.request({ iat: NOW_SECONDS + off, exp: NOW_SECONDS + off + 2 })))
    }
  })

  test('is accepted for each issuer whose seed is loaded', async () => {
    const other = anIssuer().key
    const signers = serverConfigurationSigners([issuer.key, other])
    const decoder = createRequestDecoder({ signers, xkeys: [], clock: new ManualClock() })
    assert.equal(
      (await requestOf(decoder(forge.request({ sub: other.publicKey }), undefined))).issuerKey,
      other.publicKey,
    )
    assert.equal((await requestOf(decoder(forge.request(), undefined))).issuerKey, issuer.key.publicKey)
  })
})

suite('a request with a NATS JWT of the client', () => {
  const sentinelOf = (issuedBy: KeyPair, nats: object): ClaimsChange => ({
    nats: { connect_opts: { jwt: forgeJwt({ sub: aUserNkey(), nats: { type: 'user', ...nats } }, issuedBy) } },
  })
  const inOperatorMode: [string, ClaimsChange][] = [
    ['issued by the callout account itself', sentinelOf(issuer.pair, {})],
    ['issued by a signing key of it', sentinelOf(anIssuer().pair, { issuer_account: issuer.key.publicKey })],
    ['that cannot be read', { nats: { connect_opts: { jwt: 'a.b.c' } } }],
  ]
  const byMqtt = ({ nats }: ClaimsChange): ClaimsChange => ({
    nats: {
      ...(nats as object),
      client_info: { type: 'mqtt' },
      connect_opts: {
        user: 'APP',
        auth_token: 'a.b.c',
        pass: 'a.b.c',
        ...((nats as JwtClaims)['connect_opts'] as object),
      },
    },
  })
  for (const [what, change] of inOperatorMode) {
    test(`${what} is handed on without credentials when it is of an MQTT client, who can make one up`, async () => {
      const { client, credentials } = await requestOf(decode(forge.request(byMqtt(change))))
      assert.deepEqual([client.connectionType, credentials], ['mqtt', {}])
    })

    test(`${what} of an MQTT client is no request under the signature of another server`, async () => {
      const forged = withSignatureOf(createServer(), forge.request(byMqtt(change)))
      await assertAborted(decode(forged), 'request_signature_invalid')
    })

    test(`${what} of an MQTT client keeps its credentials in operator mode`, async () => {
      const signers = operatorSigners({ publicKey: issuer.key.publicKey, key: anIssuer().key }, new Map())
      const decoder = createRequestDecoder({ signers, xkeys: [], clock: new ManualClock() })
      const { credentials } = await requestOf(decoder(forge.request(byMqtt(change)), undefined))
      assert.deepEqual(credentials, { user: 'APP', authToken: 'a.b.c', password: 'a.b.c' })
    })

    test(`${what} is not answered in server-configuration mode, which would place it in that account`, async () => {
      await assertAborted(decode(forge.request(change)), 'request_operator_mode')
    })

    test(`${what} is accepted in operator mode`, async () => {
      const signers = operatorSigners({ publicKey: issuer.key.publicKey, key: anIssuer().key }, new Map())
      const decoder = createRequestDecoder({ signers, xkeys: [], clock: new ManualClock() })
      await requestOf(decoder(forge.request(change), undefined))
    })
  }

  test('of another account is the password of an MQTT client, and judged as that', async () => {
    await requestOf(decode(forge.request(sentinelOf(anIssuer().pair, {}))))
  })
})

suite('a sealed request', () => {
  const header = forge.xkey.key.publicKey

  test('is opened, and its answer is sealed for the server with the key that opened it', async () => {
    const older = anXKey()
    const decoded = await decode(forge.sealed(older.key.publicKey), header, [ours.key, older.key])
    assert.ok('request' in decoded && decoded.seal !== undefined)
    const answer = decoded.seal(Buffer.from('answer'))
    assert.equal(Buffer.from(forge.xkey.pair.open(answer, older.key.publicKey) ?? []).toString(), 'answer')
  })

  test('is aborted when no xkey is configured', async () => {
    await assertAborted(decode(forge.sealed(ours.key.publicKey), header), 'request_sealed')
  })

  test('is aborted when it is sealed for another key', async () => {
    await assertAborted(decode(forge.sealed(anXKey().key.publicKey), header, [ours.key]), 'request_seal_invalid')
  })

  test('is aborted when the header is absent, doubled or not a curve key', async () => {
    for (const wrong of [undefined, '', `${header}, ${header}`, forge.id]) {
      await assertAborted(decode(forge.sealed(ours.key.publicKey), wrong, [ours.key]), 'request_seal_invalid', wrong)
    }
  })

  test('is aborted when the header names another server than the request', async () => {
    const change = { nats: { server_id: { xkey: anXKey().key.publicKey } } }
    await assertAborted(decode(forge.sealed(ours.key.publicKey, change), header, [ours.key]), 'request_xkey_mismatch')
  })

  test('is aborted when the request names no xkey', async () => {
    const change = { nats: { server_id: { xkey: undefined } } }
    await assertAborted(decode(forge.sealed(ours.key.publicKey, change), header, [ours.key]), 'request_xkey_mismatch')
  })

  test('is aborted when it is cut off at any length', async () => {
    const decoder = aDecoder([ours.key])
    const sealed = forge.sealed(ours.key.publicKey)
    for (let length = 4; length < sealed.length; length += 7) {
      await assertAborted(decoder(sealed.subarray(0, length), header), 'request_seal_invalid', `length ${length}`)
    }
  })

  test('is aborted when something else than a request is inside', async () => {
    const decoder = aDecoder([ours.key])
    const inside = (text: string) => forge.xkey.key.seal(Buffer.from(text), ours.key.publicKey)
    await assertAborted(decoder(inside(''), header), 'request_malformed')
    await assertAborted(decoder(inside('{}'), header), 'request_malformed')
    await assertAborted(decoder(forge.xkey.key.seal(inside('{}'), ours.key.publicKey), header), 'request_malformed')
  })
})

suite('a request in the clear', () => {
  test('is aborted when an xkey is configured', async () => {
    await assertAborted(decode(forge.request(), undefined, [ours.key]), 'request_not_sealed')
    await assertAborted(decode(forge.request(), forge.xkey.key.publicKey, [ours.key]), 'request_not_sealed')
  })

  test('is aborted when header and claims disagree about the xkey of the server', async () => {
    const xkey = forge.xkey.key.publicKey
    await assertAborted(decode(forge.request(), xkey), 'request_xkey_mismatch')
    await assertAborted(decode(forge.request({ nats: { server_id: { xkey } } })), 'request_xkey_mismatch')
  })
})

suite('a message that is no genuine request is aborted', () => {
  test('when it is empty', async () => {
    await assertAborted(decode(new Uint8Array()), 'request_empty')
  })

  test('when it is one byte larger than any request, and not for its size alone before that', async () => {
    await assertAborted(decode(Buffer.alloc(REQUEST_BYTES_MAX + 1, 0x41)), 'request_oversized')
    await assertAborted(decode(Buffer.alloc(REQUEST_BYTES_MAX, 0x41)), 'request_malformed')
  })

  test('when it is cut off at any length', async () => {
    const decoder = aDecoder()
    const request = forge.request()
    for (let length = 1; length < request.length; length++) {
      await assertAborted(decoder(request.subarray(0, length), undefined), 'request_malformed', `length ${length}`)
    }
  })

  test('when it is not a JWT, sealed or not', async () => {
    for (const xkeys of [[], [ours.key]]) {
      for (const text of ['hello', '{"nats":{}}', '+PING', '\u0000', 'xkv', '...']) {
        await assertAborted(decode(Buffer.from(text), undefined, xkeys), 'request_malformed', text)
      }
    }
  })

  test('when any one byte of it is another', async () => {
    const decoder = aDecoder()
    const request = forge.request()
    await fc.assert(
      fc.asyncProperty(fc.nat(request.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = Buffer.from(request)
        changed[at] = (changed[at] ?? 0) ^ change
        assert.ok('aborted' in (await decoder(changed, undefined)))
      }),
      { numRuns: 1000 },
    )
  })

  test('when another key signed it than the one it names', async () => {
    await assertAborted(decode(withSignatureOf(createServer(), forge.request())), 'request_signature_invalid')
  })

  test('when the key that it names is no point of the curve', async () => {
    const claims = forge.claims({ iss: NOT_ON_THE_CURVE, nats: { server_id: { id: NOT_ON_THE_CURVE } } })
    await assertAborted(decode(signedBy(createServer(), claims)), 'request_signature_invalid')
  })

  test('when it names no issuer', async () => {
    for (const iss of [undefined, '', null, [forge.id]])
      await assertAborted(
        decode(signedBy(createServer(), forge.claims({ iss }))),
        iss === '' ? 'request_issuer_invalid' : 'request_malformed',
      )
  })

  test('when a server signed it in the name of another', async () => {
    const change = { nats: { server_id: { id: createServer().getPublicKey() } } }
    await assertAborted(decode(forge.request(change)), 'request_issuer_invalid')
  })

  test('when the signer is an account, even the issuer itself', async () => {
    for (const pair of [issuer.pair, createAccount()]) {
      const claims = forge.claims({ nats: { server_id: { id: pair.getPublicKey() } } })
      await assertAborted(decode(Buffer.from(forgeJwt(claims, pair))), 'request_issuer_invalid')
    }
  })

  test('when it is meant for another audience', async () => {
    for (const aud of ['', 'nats-authorization-response', 'NATS', forge.id]) {
      await assertAborted(decode(forge.request({ aud })), 'request_audience_invalid', aud)
    }
  })

  test('when it is meant for another issuer', async () => {
    for (const sub of ['', createAccount().getPublicKey(), forge.id]) {
      await assertAborted(decode(forge.request({ sub })), 'request_subject_unknown', sub)
    }
  })

  test('when it is too old, too young, or ends before it begins', async () => {
    const off = CLOCK_TOLERANCE_SECONDS + 1
    const windows = [
      { iat: NOW_SECONDS - off, exp: NOW_SECONDS + 2 },
      { iat: NOW_SECONDS + off, exp: NOW_SECONDS + off + 2 },
      { iat: NOW_SECONDS, exp: NOW_SECONDS - 1 },
      { iat: 0, exp: Number.MAX_SAFE_INTEGER },
      { iat: Number.MAX_SAFE_INTEGER, exp: Number.MAX_SAFE_INTEGER },
    ]
    for (const window of windows)
      await assertAborted(decode(forge.request(window)), 'request_expired', JSON.stringify(window))
  })

  const malformed: Readonly<Record<string, ClaimsChange>> = {
    'a time that is absent': { iat: undefined },
    'a time that is a string': { exp: String(NOW_SECONDS) },
    'a time with a fraction': { iat: NOW_SECONDS + 0.5 },
    'a time beyond whole numbers': { exp: 1e300 },
    'a negative time': { iat: -1 },
    'an audience list': { aud: ['nats-authorization-request'] },
    'no subject': { sub: undefined },
    'no "nats" claims': { nats: undefined },
    '"nats" claims that are a list': { nats: [] },
    'the type of another JWT': { nats: { type: 'user' } },
    'the version of another age': { nats: { version: 1 } },
    'the version as a string': { nats: { version: '2' } },
    'no user nkey': { nats: { user_nkey: undefined } },
    'an account for a user nkey': { nats: { user_nkey: issuer.key.publicKey } },
    'a user nkey with a wrong checksum': { nats: { user_nkey: `U${'A'.repeat(55)}` } },
    'no server': { nats: { server_id: undefined } },
    'a server without id': { nats: { server_id: { id: undefined } } },
    'a server without name': { nats: { server_id: { name: undefined } } },
    'a server version that is a number': { nats: { server_id: { version: 2 } } },
    'no client': { nats: { client_info: undefined } },
    'a client without connection id': { nats: { client_info: { id: undefined } } },
    'a connection id beyond whole numbers': { nats: { client_info: { id: 2 ** 60 } } },
    'a negative connection id': { nats: { client_info: { id: -1 } } },
    'a client of no kind': { nats: { client_info: { kind: undefined } } },
    'a client name that is an object': { nats: { client_info: { name: {} } } },
    'no connect options': { nats: { connect_opts: null } },
    'a token that is a list': { nats: { connect_opts: { auth_token: ['a.b.c'] } } },
    'a token that is null': { nats: { connect_opts: { auth_token: null } } },
    'a password that is a number': { nats: { connect_opts: { pass: 1 } } },
    'a user with an unpaired surrogate': { nats: { connect_opts: { user: '\uD800' } } },
    'TLS facts that are a string': { nats: { client_tls: '1.3' } },
    'a TLS version that is a number': { nats: { client_tls: { version: 1.3 } } },
  }
  for (const [title, change] of Object.entries(malformed)) {
    test(`when it holds ${title}`, async () => {
      await assertAborted(decode(forge.request(change)), 'request_malformed')
    })
  }
})

suite('a replayed request', () => {
  test('is aborted as long as its time would let it in', async () => {
    const clock = new ManualClock()
    const decoder = aDecoder([], clock)
    const request = forge.request({ iat: NOW_SECONDS + CLOCK_TOLERANCE_SECONDS, exp: NOW_SECONDS + 3600 })
    await requestOf(decoder(request, undefined))
    for (let waited = 0; waited <= 2 * CLOCK_TOLERANCE_SECONDS; waited += 10) {
      await assertAborted(decoder(request, undefined), 'request_replayed', `after ${waited} s`)
      await clock.advance(10_000)
    }
    await assertAborted(decoder(request, undefined), 'request_expired')
  })

  test('is aborted although the server signed it again with another id', async () => {
    const decoder = aDecoder()
    const claims = forge.claims()
    await requestOf(decoder(forge.encode(claims), undefined))
    await assertAborted(decoder(forge.encode({ ...claims, jti: 'other' }), undefined), 'request_replayed')
  })

  test('is aborted while the first one is still being verified', async () => {
    const decoder = aDecoder()
    const request = forge.request()
    const decoded = await Promise.all([decoder(request, undefined), decoder(request, undefined)])
    assert.deepEqual(decoded.map((one) => ('aborted' in one ? one.aborted : 'accepted')).toSorted(), [
      'accepted',
      'request_replayed',
    ])
  })

  test('is one of the same server only', async () => {
    const decoder = aDecoder()
    const change = { nats: { user_nkey: aUserNkey() } }
    await requestOf(decoder(forge.request(change), undefined))
    await requestOf(decoder(aForge(issuer.key.publicKey).request(change), undefined))
  })

  test('does not count when the first one was refused', async () => {
    const decoder = aDecoder()
    const change = { nats: { user_nkey: aUserNkey() } }
    await assertAborted(decoder(forge.request({ ...change, aud: 'other' }), undefined), 'request_audience_invalid')
    await requestOf(decoder(forge.request(change), undefined))
  })

  test('does not count when the first one was forged in the name of the server', async () => {
    const decoder = aDecoder()
    const request = forge.request()
    await assertAborted(decoder(withSignatureOf(createServer(), request), undefined), 'request_signature_invalid')
    await requestOf(decoder(request, undefined))
  })
})

test('no message makes the decoder reject', async () => {
  const decoder = aDecoder([ours.key])
  const anything = fc.oneof(
    fc.uint8Array(),
    fc.uint8Array().map((bytes) => Buffer.concat([Buffer.from('xkv1'), bytes])),
    fc.uint8Array().map((bytes) => forge.xkey.key.seal(bytes, ours.key.publicKey)),
    fc.jsonValue().map((nats) => forge.xkey.key.seal(forge.encode({ nats }), ours.key.publicKey)),
  )
  const headers = fc.option(fc.oneof(fc.string(), fc.constant(forge.xkey.key.publicKey)), { nil: undefined })
  await fc.assert(
    fc.asyncProperty(anything, headers, async (data, header) => {
      const decoded = await decoder(data, header)
      assert.ok('aborted' in decoded && decoded.aborted in ABORT_CODES)
    }),
    { numRuns: 200 },
  )
})

suite('a request that will be refused', () => {
  const header = forge.xkey.key.publicKey
  const sealedBy = (sender: Seeded<XKey>, plain: Buffer): Buffer =>
    Buffer.from(sender.key.seal(plain, ours.key.publicKey))
  const badlySigned = (change: ClaimsChange = {}): Buffer => {
    const request = forge.request({ nats: { server_id: { xkey: header }, user_nkey: aUserNkey() }, ...change })
    request[request.length - 5] = request[request.length - 5] === 0x41 ? 0x42 : 0x41
    return request
  }
  const knowing = async (): Promise<DecodeRequest> => {
    const decoder = aDecoder([ours.key])
    await requestOf(decoder(forge.sealed(ours.key.publicKey), header))
    return decoder
  }

  test('is taken on the word of a seal by a server that was verified before', async () => {
    const decoded = (await knowing())(sealedBy(forge.xkey, badlySigned()), header, 'refuse')
    assert.equal((await requestOf(decoded)).server.id, forge.id)
  })

  test('is not when it could be admitted', async () => {
    await assertAborted(
      (await knowing())(sealedBy(forge.xkey, badlySigned()), header, 'judge'),
      'request_signature_invalid',
    )
    await assertAborted((await knowing())(sealedBy(forge.xkey, badlySigned()), header), 'request_signature_invalid')
  })

  test('is verified when its sealer is not known', async () => {
    const decoded = aDecoder([ours.key])(sealedBy(forge.xkey, badlySigned()), header, 'refuse')
    await assertAborted(decoded, 'request_signature_invalid')
  })

  test('is verified when it speaks for another server than the one that sealed it', async () => {
    const other = createServer().getPublicKey()
    const forged = forge.encode(forge.claims({ nats: { server_id: { id: other, xkey: header } } }))
    const [head, , signature] = forged.toString().split('.')
    const claims = { ...forge.claims({ nats: { server_id: { id: other, xkey: header } } }), iss: other }
    const text = `${head}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature}`
    await assertAborted(
      (await knowing())(sealedBy(forge.xkey, Buffer.from(text)), header, 'refuse'),
      'request_signature_invalid',
    )
  })

  test('does not open when somebody else sealed it under the name of a known server', async () => {
    await assertAborted((await knowing())(sealedBy(anXKey(), badlySigned()), header, 'refuse'), 'request_seal_invalid')
  })

  test('is verified when it is in the clear', async () => {
    const decoder = aDecoder()
    await requestOf(decoder(forge.request(), undefined))
    const plain = forge.request({ nats: { user_nkey: aUserNkey() } })
    plain[plain.length - 5] = plain[plain.length - 5] === 0x41 ? 0x42 : 0x41
    await assertAborted(decoder(plain, undefined, 'refuse'), 'request_signature_invalid')
  })
})
