import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decode, encodeAuthorizationResponse, encodeUser } from '@nats-io/jwt'
import { createAccount, createServer } from '@nats-io/nkeys'
import fc from 'fast-check'
import { JWT_BYTES_MAX, encodeJwt, isSignedBy, parseJwt } from '../../../src/nats/jwt.ts'
import type { JwtClaims } from '../../../src/nats/jwt.ts'
import { decodePublicNkey, importPublicKey } from '../../../src/nats/nkey.ts'
import { aUserNkey, anIssuer, signNow } from '../../support/nats.ts'

const issuer = anIssuer()

/** The claims, if the account that they name as the issuer signed them. */
async function decodeText(text: string | Buffer): Promise<JwtClaims | undefined> {
  const parsed = parseJwt(Buffer.from(text))
  const raw = decodePublicNkey('account', String(parsed?.claims['iss']))
  if (parsed === undefined || raw === undefined) return undefined
  return isSignedBy(importPublicKey(raw), parsed) ? parsed.claims : undefined
}

const encodeSegment = (content: string | Uint8Array): string => Buffer.from(content).toString('base64url')

const HEADER = encodeSegment('{"typ":"JWT","alg":"ed25519-nkey"}')

/** A JWT of any segments under a correct signature. */
function signedJwt(header: string, claims: string): string {
  const signed = `${header}.${claims}`
  return `${signed}.${encodeSegment(signNow(signed, issuer.pair))}`
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
  test('decodes to the claims that went in, whatever they are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()), async (claims) => {
        const expected: unknown = JSON.parse(JSON.stringify({ ...claims, iss: issuer.key.publicKey }))
        assert.deepEqual(await decodeText(await encodeJwt(claims, issuer.key)), expected)
      }),
      { examples: [[{ name: 'José 東京 \u{1F511}', __proto__: null }], [JSON.parse('{"__proto__":{"iss":"A"}}')]] },
    )
  })

  test('is signed in the name of its key, whatever "iss" the claims bring', async () => {
    const jwt = await encodeJwt({ iss: createAccount().getPublicKey() }, issuer.key)
    assert.deepEqual(await decodeText(jwt), { iss: issuer.key.publicKey })
  })

  test('decodes with @nats-io/jwt when it is ASCII', async () => {
    const ascii = fc.string({ unit: 'grapheme-ascii' })
    await fc.assert(
      fc.asyncProperty(fc.dictionary(ascii, fc.oneof(ascii, fc.integer(), fc.array(ascii))), async (claims) => {
        const encoded = await encodeJwt(claims, issuer.key)
        assert.deepEqual(decode(encoded), JSON.parse(JSON.stringify({ ...claims, iss: issuer.key.publicKey })))
      }),
      { numRuns: 20 },
    )
  })

  test('does not exceed what nats-server takes', async () => {
    await assert.rejects(encodeJwt({ name: 'x'.repeat(JWT_BYTES_MAX) }, issuer.key), RangeError)
  })
})

test('a JWT is read up to the size that nats-server takes, and not beyond', () => {
  const empty = signedJwt(HEADER, '').length
  const claims = (characters: number): string => {
    const bytes = Math.floor(((characters - empty) * 3) / 4)
    return encodeSegment(`${'{"name":"'.padEnd(bytes - 2, 'x')}"}`)
  }
  const largest = signedJwt(HEADER, claims(JWT_BYTES_MAX))
  assert.equal(largest.length, JWT_BYTES_MAX)
  assert.notEqual(parseJwt(Buffer.from(largest)), undefined)
  assert.equal(parseJwt(Buffer.from(signedJwt(HEADER, claims(JWT_BYTES_MAX + 2)))), undefined)
})

suite('a JWT of @nats-io/jwt', () => {
  test('for a user decodes to the same claims', async () => {
    const user = aUserNkey()
    const theirs = await encodeUser('alice', user, issuer.pair, { pub: { allow: ['a'], deny: [] } }, { aud: 'APP' })
    assert.deepEqual(await decodeText(theirs), decode(theirs))
  })

  test('that answers a request decodes to the same claims', async () => {
    const theirs = await encodeAuthorizationResponse(
      aUserNkey(),
      createServer().getPublicKey(),
      issuer.pair,
      { error: 'no' },
      {},
    )
    assert.deepEqual(await decodeText(theirs), decode(theirs))
  })
})

suite('a JWT is malformed', () => {
  const malformed: Readonly<Record<string, string | Buffer>> = {
    'when it is empty': '',
    'with two segments': `${HEADER}.${encodeSegment(CLAIMS)}`,
    'with four segments': `${withClaimsText(CLAIMS)}.`,
    'with an empty header': signedJwt('', encodeSegment(CLAIMS)),
    'with empty claims': signedJwt(HEADER, ''),
    'with claims that are an array': withClaimsText('[]'),
    'with claims that are null': withClaimsText('null'),
    'with claims that are not JSON': withClaimsText('{"iss":}'),
    'with claims that are not UTF-8': withClaimsText(withName([0xff])),
    'with an overlong UTF-8 form': withClaimsText(withName([0xc0, 0xbf])),
    'with a byte order mark': withClaimsText(`\uFEFF${CLAIMS}`),
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
      assert.equal(parseJwt(Buffer.from(text)), undefined)
    })
  }

  test('for no other reason than those', () => {
    const iss = issuer.key.publicKey
    assert.deepEqual(parseJwt(Buffer.from(withClaimsText(CLAIMS)))?.claims, { iss })
    assert.deepEqual(parseJwt(Buffer.from(withClaimsText(withName([0xc3, 0xa9]))))?.claims, { iss, name: 'é' })
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
  test('must be of the key that it is held against', async () => {
    const parsed = parseJwt(Buffer.from(withClaimsText(CLAIMS)))
    const raw = decodePublicNkey('account', anIssuer().key.publicKey)
    assert.ok(parsed !== undefined && raw !== undefined)
    assert.equal(isSignedBy(importPublicKey(raw), parsed), false)
  })

  test('covers header and claims: no JWT with any one bit changed is accepted', async () => {
    const genuine = Buffer.from(await encodeJwt({ name: 'José 東京', n: 1 }, issuer.key))
    for (let at = 0; at < genuine.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = Buffer.from(genuine)
        changed[at] = (changed[at] ?? 0) ^ (1 << bit)
        assert.equal(await decodeText(changed), undefined, `bit ${bit} of byte ${at}`)
      }
    }
  })
})

test('no input makes the parser throw', () => {
  const part = fc.oneof(fc.base64String(), fc.string(), fc.json().map(encodeSegment), fc.constant(HEADER))
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.array(part).map((parts) => Buffer.from(parts.join('.'))),
      ),
      (bytes) => {
        assert.equal(parseJwt(bytes), undefined)
      },
    ),
  )
})
