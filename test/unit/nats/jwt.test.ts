import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { KeyObject } from 'node:crypto'
import { decode, encodeAuthorizationResponse, encodeUser } from '@nats-io/jwt'
import { createAccount, createServer } from '@nats-io/nkeys'
import fc from 'fast-check'
import { JWT_BYTES_MAX, decodeJwt, encodeJwt, parseJwt } from '../../../src/nats/jwt.ts'
import { createServerKeys, decodePublicNkey, importPublicKey } from '../../../src/nats/nkey.ts'
import { aUserNkey, anIssuer, signerOf } from '../../support/nats.ts'

const issuer = anIssuer()

function accountKey(nkey: string): KeyObject | undefined {
  const raw = decodePublicNkey('account', nkey)
  return raw === undefined ? undefined : importPublicKey(raw)
}

function decodeText(text: string | Buffer) {
  return decodeJwt(Buffer.from(text), accountKey)
}

const encodeSegment = (content: string | Uint8Array): string => Buffer.from(content).toString('base64url')

const HEADER = encodeSegment('{"typ":"JWT","alg":"ed25519-nkey"}')

/** A JWT of any segments under a correct signature. */
function signedJwt(header: string, claims: string): string {
  const signed = `${header}.${claims}`
  return `${signed}.${encodeSegment(issuer.key.sign(Buffer.from(signed)))}`
}

function withClaimsText(json: string | Uint8Array): string {
  return signedJwt(HEADER, encodeSegment(json))
}

/** Claims that are in order; what is malformed is then malformed for its own reason. */
const CLAIMS = JSON.stringify({ iss: issuer.key.publicKey })

/** Those claims and a name of these bytes. */
function withName(bytes: readonly number[]): Buffer {
  return Buffer.concat([Buffer.from(`${CLAIMS.slice(0, -1)},"name":"`), Buffer.from(bytes), Buffer.from('"}')])
}

suite('a JWT that we encode', () => {
  test('decodes to the claims that went in, whatever they are', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()), (claims) => {
        const expected: unknown = JSON.parse(JSON.stringify({ ...claims, iss: issuer.key.publicKey }))
        const decoded = decodeText(encodeJwt(claims, issuer.key))
        assert.deepEqual(decoded, { claims: expected })
      }),
      { examples: [[{ name: 'José 東京 \u{1F511}', __proto__: null }], [JSON.parse('{"__proto__":{"iss":"A"}}')]] },
    )
  })

  test('is signed in the name of its key, whatever "iss" the claims bring', () => {
    const decoded = decodeText(encodeJwt({ iss: createAccount().getPublicKey() }, issuer.key))
    assert.deepEqual(decoded, { claims: { iss: issuer.key.publicKey } })
  })

  test('decodes with @nats-io/jwt when it is ASCII', () => {
    const ascii = fc.string({ unit: 'grapheme-ascii' })
    fc.assert(
      fc.property(fc.dictionary(ascii, fc.oneof(ascii, fc.integer(), fc.array(ascii))), (claims) => {
        const encoded = encodeJwt(claims, issuer.key)
        assert.deepEqual(decode(encoded), JSON.parse(JSON.stringify({ ...claims, iss: issuer.key.publicKey })))
      }),
      { numRuns: 20 },
    )
  })

  test('does not exceed what nats-server takes', () => {
    assert.throws(() => encodeJwt({ name: 'x'.repeat(JWT_BYTES_MAX) }, issuer.key), RangeError)
  })
})

suite('a JWT of @nats-io/jwt', () => {
  test('for a user decodes to the same claims', async () => {
    const user = aUserNkey()
    const theirs = await encodeUser('alice', user, issuer.pair, { pub: { allow: ['a'], deny: [] } }, { aud: 'APP' })
    const decoded = decodeText(theirs)
    assert.deepEqual(decoded, { claims: decode(theirs) })
  })

  test('that answers a request decodes to the same claims', async () => {
    const theirs = await encodeAuthorizationResponse(
      aUserNkey(),
      createServer().getPublicKey(),
      issuer.pair,
      { error: 'no' },
      {},
    )
    assert.deepEqual(decodeText(theirs), { claims: decode(theirs) })
  })
})

suite('a JWT is malformed', () => {
  const malformed: Readonly<Record<string, string | Buffer>> = {
    'when it is empty': '',
    'with two segments': `${HEADER}.${encodeSegment(CLAIMS)}`,
    'with four segments': `${encodeJwt({}, issuer.key)}.`,
    'with an empty header': signedJwt('', encodeSegment(CLAIMS)),
    'with empty claims': signedJwt(HEADER, ''),
    'with claims that are an array': withClaimsText('[]'),
    'with claims that are null': withClaimsText('null'),
    'with claims that are not JSON': withClaimsText('{"iss":}'),
    'with claims that are not UTF-8': withClaimsText(withName([0xff])),
    'with an overlong UTF-8 form': withClaimsText(withName([0xc0, 0xbf])),
    'with a byte order mark': withClaimsText(`\uFEFF${CLAIMS}`),
    'without an issuer': withClaimsText('{}'),
    'with an issuer that is not a string': withClaimsText('{"iss":["A"]}'),
    'with claims nested beyond measure': withClaimsText('['.repeat(200_000)),
    'with a header of another type': signedJwt(
      encodeSegment('{"typ":"jwt","alg":"ed25519-nkey"}'),
      encodeSegment(CLAIMS),
    ),
    'with the first algorithm of NATS': signedJwt(
      encodeSegment('{"typ":"JWT","alg":"ed25519"}'),
      encodeSegment(CLAIMS),
    ),
    'with the algorithm none': `${encodeSegment('{"typ":"JWT","alg":"none"}')}.${encodeSegment(CLAIMS)}.`,
    'with more in the header': signedJwt(
      encodeSegment('{"typ":"JWT","alg":"ed25519-nkey","crit":["x"]}'),
      encodeSegment(CLAIMS),
    ),
    'with a signature of 63 bytes': `${HEADER}.${encodeSegment(CLAIMS)}.${encodeSegment(Buffer.alloc(63))}`,
    'with a signature of 65 bytes': `${HEADER}.${encodeSegment(CLAIMS)}.${encodeSegment(Buffer.alloc(65))}`,
    'when it is larger than nats-server takes': Buffer.alloc(JWT_BYTES_MAX + 1, 0x2e),
    'when it is a megabyte of dots': Buffer.alloc(JWT_BYTES_MAX, 0x2e),
  }
  for (const [title, text] of Object.entries(malformed)) {
    test(title, () => {
      assert.deepEqual(decodeText(text), { defect: 'malformed' })
    })
  }

  test('for no other reason than those', () => {
    const iss = issuer.key.publicKey
    assert.deepEqual(decodeText(withClaimsText(CLAIMS)), { claims: { iss } })
    assert.deepEqual(decodeText(withClaimsText(withName([0xc3, 0xa9]))), { claims: { iss, name: 'é' } })
  })

  test('in any spelling of base64url but the canonical one', () => {
    // Two bytes of claims leave spare bits, 64 bytes of signature leave four.
    const claims = encodeSegment('{}')
    const genuine = signedJwt(HEADER, claims)
    const signature = genuine.split('.')[2] ?? ''
    const spare = claims.replace(/0$/, '1')
    assert.notEqual(spare, claims)
    assert.notEqual(parseJwt(Buffer.from(genuine)), undefined)
    for (const text of [
      signedJwt(HEADER, `${claims}=`),
      signedJwt(HEADER, `${claims}==`),
      signedJwt(HEADER, spare),
      signedJwt(HEADER, `${claims}\n`),
      signedJwt(HEADER, ` ${claims}`),
      `${HEADER}.${claims}.${signature}==`,
      `${HEADER}.${claims}.${signature.replace(/.$/, (last) => String.fromCharCode(last.charCodeAt(0) + 1))}`,
      `${genuine}\n`,
      `\uFEFF${genuine}`,
    ]) {
      assert.equal(parseJwt(Buffer.from(text)), undefined, text)
    }
  })

  test('when it uses the alphabet of plain base64', () => {
    const claims = encodeSegment('{"iss":"~~~???>>>"}')
    assert.match(claims, /[-_]/)
    const plain = claims.replaceAll('-', '+').replaceAll('_', '/')
    assert.equal(parseJwt(Buffer.from(signedJwt(HEADER, plain))), undefined)
  })
})

suite('the signature of a JWT', () => {
  test('must be of the key that "iss" names', () => {
    const other = anIssuer()
    const text = withClaimsText(JSON.stringify({ iss: other.key.publicKey }))
    assert.deepEqual(decodeText(text), { defect: 'signature_invalid' })
  })

  test('is not looked at when "iss" is a key of another kind', () => {
    const server = signerOf(createServer(), 'server')
    assert.deepEqual(decodeText(encodeJwt({}, server)), { defect: 'issuer_invalid' })
    assert.deepEqual(decodeJwt(Buffer.from(encodeJwt({}, issuer.key)), createServerKeys()), {
      defect: 'issuer_invalid',
    })
  })

  test('covers header and claims: no JWT with any one bit changed is accepted', () => {
    const genuine = Buffer.from(encodeJwt({ name: 'José 東京', n: 1 }, issuer.key))
    for (let at = 0; at < genuine.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = Buffer.from(genuine)
        changed[at] = (changed[at] ?? 0) ^ (1 << bit)
        assert.ok('defect' in decodeText(changed), `bit ${bit} of byte ${at}`)
      }
    }
  })
})

test('no input makes the decoder throw', () => {
  const part = fc.oneof(fc.base64String(), fc.string(), fc.json().map(encodeSegment), fc.constant(HEADER))
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.array(part).map((parts) => Buffer.from(parts.join('.'))),
      ),
      (bytes) => {
        assert.ok('defect' in decodeJwt(bytes, accountKey))
      },
    ),
  )
})
